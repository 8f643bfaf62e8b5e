"""Verbs about the law of a dataset: law and predict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import add_output
from middlebench.model import frames
from middlebench.system.errors import RecordError

if TYPE_CHECKING:
    from middlebench.analysis.law.prediction import Predictor
    from middlebench.commands.arguments import Verbs

RESULTS = Path("results")


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    law = verbs.add_parser("law", help="find the law that a dataset's throughput follows")
    law.add_argument("--dataset", required=True, metavar="NAME", help="a testbed, or a publication")
    law.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="the results folder")
    law.add_argument(
        "--knee-share", type=float, default=0.9, metavar="SHARE", help="of the best rate, up to the knee (default: 0.9)"
    )
    add_output(law, "the law to write, as JSON")
    law.set_defaults(verb=_law)

    predict = verbs.add_parser("predict", help="predict a chain's throughput by the law, or the longest chain for one")
    wanted = predict.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--n", type=_chain_length, metavar="N", help="chain length: say what it delivers")
    wanted.add_argument(
        "--mbps", type=_throughput, metavar="RATE", help="throughput in Mb/s: say how long a chain can be"
    )
    predict.add_argument("--frame-size", required=True, type=_frame_size, metavar="B", help="in bytes without FCS")
    predict.add_argument("--dataset", metavar="NAME", help="a testbed, or a publication (default: each that has a law)")
    predict.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="the results folder")
    predict.set_defaults(verb=_predict)


def _chain_length(text: str) -> int:
    if (n := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"a chain has one middlebox at least, not {n}")
    return n


def _throughput(text: str) -> float:
    if not 0 < (mbps := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"a throughput is more than nothing, and finite, not {text}")
    return mbps


def _frame_size(text: str) -> int:
    if (size := int(text)) < frames.MINIMUM_FRAME_BYTES:
        raise argparse.ArgumentTypeError(f"no frame is smaller than {frames.MINIMUM_FRAME_BYTES} B without FCS")
    return size


def _law(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.dataset import load_dataset
    from middlebench.analysis.law.derivation import law_of_dataset
    from middlebench.analysis.law.results import write_law

    dataset = load_dataset(arguments.dataset, arguments.results)
    write_law(law_of_dataset(dataset, arguments.knee_share), arguments.output)


def _predict(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.law.results import FILE, read_law

    names = arguments.dataset or "*"
    paths = sorted(arguments.results.glob(f"{names}/{FILE}"))
    if not paths:
        raise RecordError(
            f"looking for a law in {arguments.results}",
            f"there is no {arguments.dataset or '*'}/{FILE}",
            "`snakemake --cores 1 -- all` makes one for each dataset",
        )
    for path in paths:
        law = read_law(path)
        if law.predictor is None:
            print(f"{law.dataset}: no law. {' '.join(law.remarks)}")
        elif arguments.n is not None:
            print(f"{law.dataset}: {_rate(law.predictor, arguments.n, arguments.frame_size)}")
        else:
            print(f"{law.dataset}: {_longest(law.predictor, arguments.mbps, arguments.frame_size)}")


def _rate(predictor: Predictor, n: int, size: int) -> str:
    """Return what a chain delivers, in words."""
    import numpy as np

    kpps = [float(each[0]) for each in predictor.kpps(np.array([float(n)]), np.array([float(size)]))]
    mbps = [frames.throughput_mbps(1e3 * rate, size) for rate in kpps]
    beyond = "; extrapolated: outside of what was measured" if predictor.extrapolates(n, size) else ""
    return (
        f"n = {n} at {size} B: {mbps[0]:.4g} Mb/s ({mbps[1]:.4g} to {mbps[2]:.4g}), "
        f"{kpps[0]:.4g} kpkt/s ({kpps[1]:.4g} to {kpps[2]:.4g}), 95 % interval{beyond}"
    )


def _longest(predictor: Predictor, mbps: float, size: int) -> str:
    """Return how long a chain can be that delivers a throughput, in words."""
    n, low, high = predictor.longest(frames.packets_per_second(mbps, size) / 1e3, size)
    beyond = "; extrapolated: outside of what was measured" if n and predictor.extrapolates(n, size) else ""
    return f"{mbps:g} Mb/s at {size} B: up to n = {n} ({low} to {high}), 95 % interval{beyond}"
