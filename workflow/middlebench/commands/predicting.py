"""Verbs about what results say beyond their tables: law, predict and history."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import Verbs, add_target, add_verb, target_of, tell
from middlebench.model import frames
from middlebench.system.errors import RecordError
from middlebench.system.text import plural

if TYPE_CHECKING:
    from middlebench.analysis.law.prediction import Predictor
    from middlebench.model.record import Record

RESULTS = Path("results")


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    law = add_verb(verbs, "law", "find the law that a dataset's throughput follows")
    add_target(law, "the law to write, such as results/local/law.json", _law)

    predict = add_verb(verbs, "predict", "predict a chain's throughput by the law, or the longest chain for one")
    wanted = predict.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--n", type=_chain_length, metavar="N", help="chain length: say what it delivers")
    wanted.add_argument(
        "--mbps", type=_throughput, metavar="RATE", help="throughput in Mb/s: say how long a chain can be"
    )
    predict.add_argument("--frame-size", required=True, type=_frame_size, metavar="B", help="in bytes without FCS")
    predict.add_argument("laws", nargs="*", type=Path, metavar="PATH", help="laws (default: results/*/law.json)")
    predict.set_defaults(verb=_predict)

    history = add_verb(verbs, "history", "find when a testbed's throughput changed, and what had changed before")
    history.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="results of one testbed, such as results/local; records in their archive count too",
    )
    history.add_argument("--least", type=float, default=0.05, metavar="SHARE", help="smallest change (default: 0.05)")
    history.set_defaults(verb=_history)


def _chain_length(text: str) -> int:
    if (n := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"a chain has at least one middlebox, not {n}")
    return n


def _throughput(text: str) -> float:
    if not 0 < (mbps := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"a throughput must be positive and finite, not {text}")
    return mbps


def _frame_size(text: str) -> int:
    if (size := int(text)) < frames.MINIMUM_FRAME_BYTES:
        raise argparse.ArgumentTypeError(f"a frame has at least {frames.MINIMUM_FRAME_BYTES} B without FCS")
    return size


def _law(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.data.dataset import load_dataset
    from middlebench.analysis.law.derivation import law_of_dataset
    from middlebench.model.record_file import write

    target = target_of(arguments)
    dataset = load_dataset(target.testbed, target.folder.parent)
    write(law_of_dataset(dataset, target.file.study.knee_share), target.path)


def _predict(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.law.results import FILE, Law
    from middlebench.model.record_file import read

    paths = arguments.laws or sorted(RESULTS.glob(f"*/{FILE}"))
    if not paths:
        advice = "`snakemake --cores 1 -- all` makes one for each dataset; or name a law's file"
        raise RecordError(f"looking for a law in {RESULTS}", f"there is no */{FILE}", advice)
    for path in paths:
        law = read(Law, path)
        if law.predictor is None:
            print(f"{law.dataset}: no law. {' '.join(law.remarks)}")
        elif arguments.n is not None:
            print(f"{law.dataset}: {_rate(law.predictor, arguments.n, arguments.frame_size)}")
        else:
            print(f"{law.dataset}: {_longest(law.predictor, arguments.mbps, arguments.frame_size)}")


def _rate(predictor: Predictor, n: int, size: int) -> str:
    """Return what a chain delivers, in words."""
    mbps = predictor.mbps(n, size)
    kpps = [frames.packets_per_second(each, size) / 1e3 for each in mbps]
    beyond = "; extrapolated: outside of what was measured" if predictor.extrapolates(n, size) else ""
    return (
        f"n = {n} at {size} B: {mbps[0]:.4g} Mb/s ({mbps[1]:.4g} to {mbps[2]:.4g}), "
        f"{kpps[0]:.4g} kpkt/s ({kpps[1]:.4g} to {kpps[2]:.4g}), 95 % interval{beyond}"
    )


def _longest(predictor: Predictor, mbps: float, size: int) -> str:
    """Return how long a chain can be that delivers a throughput, in words."""
    n, low, high = predictor.longest(mbps, size)
    beyond = "; extrapolated: outside of what was measured" if n and predictor.extrapolates(n, size) else ""
    return f"{mbps:g} Mb/s at {size} B: up to n = {n} ({low} to {high}), 95 % interval{beyond}"


def _history(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.comparing.history import describe, level_changes
    from middlebench.analysis.data.measurements import from_records
    from middlebench.model.environment import recall

    found = [record for folder in arguments.folders for record in _all_records(folder)]
    kinds = Counter((record.cell.testbed, record.settings.model_dump_json(), record.protocol) for record in found)
    if not kinds:
        raise RecordError(
            f"looking for records in {', '.join(map(str, arguments.folders))}",
            "there is no record of a cell",
            "name a testbed's results folder, such as results/local",
        )
    usual, count = kinds.most_common(1)[0]
    if len(kinds) > 1:
        tell(f"{len(found) - count} records of other testbeds, settings or procedures are left out")
    alike = [
        record for record in found if (record.cell.testbed, record.settings.model_dump_json(), record.protocol) == usual
    ]
    measurements = from_records(_numbered(alike))
    known = [(folder, path.stem) for folder in arguments.folders for path in sorted(folder.glob("environments/*.json"))]
    environments = {identity: recall(identity, folder) for folder, identity in known}
    changes = level_changes(measurements, arguments.least)
    sessions = len(set(zip(measurements["session"], measurements["environment"], strict=True)))
    told = plural(len(alike), "record"), plural(sessions, "run"), plural(len(changes), "level change")
    print(f"{usual[0]}: {told[0]} of {told[1]}, {told[2]}")
    for change in changes:
        print(describe(change, environments))


def _all_records(folder: Path) -> list[Record]:
    """Return the records of a results folder, archived ones too, and tell how many cannot be read."""
    from middlebench.model.record import Record
    from middlebench.model.record_file import read

    found, unread = [], 0
    for path in sorted(folder.glob("**/cells/**/rep*.json")):
        try:
            found.append(read(Record, path))
        except RecordError:
            unread += 1
    if unread:
        tell(f"{folder}: {plural(unread, 'record')} cannot be read by this version: left out")
    return found


def _numbered(records: list[Record]) -> list[Record]:
    """Return the records with repetitions that count on over all runs, in the order of time: no two are one cell."""
    seen: Counter[tuple[int, int | str]] = Counter()
    numbered = []
    for record in sorted(records, key=lambda each: each.started_at):
        cell = record.cell
        seen[cell.n, cell.frame_bytes] += 1
        again = cell.model_copy(update={"repetition": seen[cell.n, cell.frame_bytes]})
        numbered.append(record.model_copy(update={"cell": again}))
    return numbered
