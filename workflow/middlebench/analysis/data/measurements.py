"""The one tidy table: its columns, how records become rows, and how it is kept as CSV.

One row is one cell of a sweep. Counts are integers as they were read; the rates of cells are derived from
them here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from middlebench.diagnosis.costs import hop_cost, untaken_ratio
from middlebench.diagnosis.processors import busy_ratio, links_share
from middlebench.model import frames
from middlebench.model.cell import AXES, Cell
from middlebench.model.functions.function import FORWARD
from middlebench.model.latency_result import LatencyTrial
from middlebench.model.mix import is_mix
from middlebench.model.plan import CHAIN
from middlebench.model.record import Record
from middlebench.model.search_result import Search
from middlebench.system.errors import RecordError
from middlebench.system.files import write_text

TEXT, COUNT, QUANTITY = "str", "Int64", "float64"
"""Kinds of column: text, an integer that may be missing, a number that may be missing."""


@dataclass(frozen=True)
class Column:
    """One column of the measurements."""

    name: str
    dtype: str
    unit: str
    """Unit of the values; empty for text and plain numbers."""
    meaning: str
    """One line for a reader who has only the CSV."""
    otherwise: str | None = None
    """The value in tables that were made before there was this column; None where all tables must have it."""


COLUMNS = (
    Column("testbed", TEXT, "", "the testbed that was measured, or the publication"),
    Column("middlebox", TEXT, "", "what forwards inside the chain"),
    Column("switch", TEXT, "", "what joins the middleboxes"),
    Column("generator", TEXT, "", "what makes and counts the traffic"),
    Column("topology", TEXT, "", "how the middleboxes are joined; `chain` is the paper's", otherwise=CHAIN),
    Column("function", TEXT, "", "what the middleboxes do; `forward` is the paper's", otherwise=FORWARD),
    Column("n", COUNT, "", "chain length: number of middleboxes (0: the switch only)"),
    Column("frame_bytes", COUNT, "B", "frame size without FCS; missing where the frames are a mix of sizes"),
    Column(
        *("frame_mix", TEXT, ""),
        "the mix of frame sizes, such as `imix`, whose genome is in the record; empty where all frames have one size",
        otherwise="",
    ),
    Column("repetition", COUNT, "", "which repetition of the cell, from 1"),
    Column("flows", COUNT, "", "flows that the frames belong to, in turn"),
    Column("window_s", QUANTITY, "s", "length of the window in which frames were counted"),
    Column("intended_packets", COUNT, "frames", "frames that the window should have offered"),
    Column("offered_packets", COUNT, "frames", "frames that left the generator in the window"),
    Column("received_packets", COUNT, "frames", "frames that reached the receiver in the window"),
    Column("offered_kpps", QUANTITY, "kpkt/s", "offered packet rate"),
    Column("offered_mbps", QUANTITY, "Mb/s", "offered throughput, frame bytes only"),
    Column("offered_raw_mbps", QUANTITY, "Mb/s", "offered load on the wire: 24 B a frame more"),
    Column("received_kpps", QUANTITY, "kpkt/s", "received packet rate"),
    Column("received_mbps", QUANTITY, "Mb/s", "received throughput, frame bytes only"),
    Column(
        "loss_ratio",
        QUANTITY,
        "",
        "share of all frames sent in the trial, warm-up included, that had not arrived when the drain ended: "
        "1 - trial_received_packets / trial_sent_packets, and not received over offered in the window",
    ),
    Column("bottleneck", TEXT, "", "what limited the cell; its evidence is in the record"),
    Column("lost_at", TEXT, "", "where most of the lost frames were dropped; empty where none was lost"),
    Column("unaccounted_packets", COUNT, "frames", "by how many the chain's counters contradict each other"),
    Column(
        "server_busy_ratio", QUANTITY, "", "share of the window in which the server's (dom0's) processors were busy"
    ),
    Column("test_computer_busy_ratio", QUANTITY, "", "the same of the test computer's processors"),
    Column(
        *("links_ratio", QUANTITY, ""),
        "share of the server's processor time in the trial that went to emulated links; missing where they are real",
        otherwise="",
    ),
    Column(
        *("untaken_ratio", QUANTITY, ""),
        "share of the frames sent in the trial that no bridge took: what these cost is the links' and the sender's",
        otherwise="",
    ),
    Column(
        *("hop_processor_us", QUANTITY, "us"),
        "processor time of switch and middleboxes per frame and hop; missing where they poll or it is not known",
        otherwise="",
    ),
    Column("hop_switches", QUANTITY, "", "their context switches per frame and hop", otherwise=""),
    Column("hop_io_calls", QUANTITY, "", "their reading and writing system calls per frame and hop", otherwise=""),
    Column("trial_sent_packets", COUNT, "frames", "frames sent in the whole trial, warm-up included"),
    Column("trial_received_packets", COUNT, "frames", "frames received in the whole trial, until the drain ended"),
    Column(
        "goal", TEXT, "", "what a throughput search looked for, such as `NDR`; empty where nothing was searched for"
    ),
    Column(
        "lower_bound_kpps",
        QUANTITY,
        "kpkt/s",
        "largest load found that meets the goal; the counts are of a trial at it. Missing where none does",
    ),
    Column(
        "upper_bound_kpps", QUANTITY, "kpkt/s", "smallest load above it that does not; missing where line rate does"
    ),
    Column("conditional_throughput_kpps", QUANTITY, "kpkt/s", "what is forwarded at the lower bound (RFC 9971)"),
    Column("search_trials", COUNT, "", "how many trials the search took"),
    Column("latency_load_ratio", QUANTITY, "", "load at which frames were timed, as a share of what the chain carries"),
    *(
        Column(f"latency_{name}_us", QUANTITY, "us", f"{what} from the sender to the receiver, of frames at that load")
        for name, what in (
            ("p50", "median time"),
            *(("p90", "90th percentile"), ("p99", "99th percentile"), ("p999", "99.9th percentile")),
            ("max", "longest time"),
        )
    ),
    Column("latency_loss_ratio", QUANTITY, "", "share of the frames to be timed that were lost: they are in no time"),
    Column("latency_own_p50_us", QUANTITY, "us", "the same median over the direct cable: the instrument's own part"),
    Column("flags", TEXT, "", "what a reader must know about the cell, joined by `;`"),
    Column("fingerprint", TEXT, "", "fingerprint of the live chain, the same before and after the trial"),
    Column("started_at", TEXT, "", "when the trial began (ISO 8601, UTC)"),
    Column("environment", TEXT, "", "id of the environment that the cell was measured in: a file in `environments/`"),
    Column("sequence", COUNT, "", "place among all measurements of the testbed, cells and controls, from 1"),
    Column("session", TEXT, "", "the run that the cell was measured in, as the records of its controls name it"),
    Column("record", TEXT, "", "the cell's record, relative to the testbed's results folder"),
    Column("raw_output", TEXT, "", "what the generator printed, relative to the testbed's results folder"),
    Column("command", TEXT, "", "what measures the cell again, in the project's folder"),
)

NAMES = tuple(column.name for column in COLUMNS)
CELL = ("testbed", *(axis.field for axis in AXES), "frame_mix", "repetition")
"""The columns that name a cell: no two rows agree in all of them."""


def frame_sizes(table: pd.DataFrame) -> pd.Series[Any]:
    """Return the frame size of each row: bytes without FCS, or the name of a mix."""
    if (table["frame_mix"] == "").all():
        return table["frame_bytes"]
    sizes = [mix or int(size) for size, mix in zip(table["frame_bytes"], table["frame_mix"], strict=True)]
    return pd.Series(sizes, table.index, dtype="object", name="frame_bytes")


def of_one_size(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose frames have one size: what goes by frame size has no place for the others."""
    return table[table["frame_mix"] == ""].reset_index(drop=True)


def cell_of(row: Mapping[Any, Any]) -> Cell:
    """Return the cell that a row is of."""
    fields = {field: row[field] for field in Cell.model_fields}
    return Cell.model_validate(fields | {"frame_bytes": row["frame_mix"] or row["frame_bytes"]})


def from_rows(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows as measurements: the columns in order, of their types, sorted by cell.

    Columns that no row has are missing values (text: empty).

    Raises:
        RecordError: a row has an unknown column, or two rows are the same cell.
    """
    listed = list(rows)
    for name in {name for row in listed for name in row} - set(NAMES):
        raise RecordError("collecting measurements", f"unknown column {name!r}", f"known columns: {', '.join(NAMES)}")
    missing: dict[str, object] = {TEXT: "", COUNT: pd.NA, QUANTITY: float("nan")}
    table = pd.DataFrame(
        {
            column.name: pd.Series(
                [row.get(column.name, column.otherwise or missing[column.dtype]) for row in listed], dtype=column.dtype
            )
            for column in COLUMNS
        }
    )
    return _ordered(table, "collecting measurements")


def from_records(records: Iterable[Record], folder: Path = Path(), command: str = "") -> pd.DataFrame:
    """Return the measurements of cell records, one row a record.

    Args:
        records: of one testbed or several.
        folder: the testbed's results folder, as the command's targets name it.
        command: what measures cells again, up to its targets.

    Raises:
        RecordError: two records are of the same cell.
    """
    return from_rows(_row(record, folder, command) for record in records)


def write_measurements(table: pd.DataFrame, path: Path) -> None:
    """Write measurements as CSV: every number in full, missing values empty."""
    write_text(path, table.loc[:, list(NAMES)].to_csv(index=False, lineterminator="\n"))


def read_measurements(path: Path) -> pd.DataFrame:
    """Read measurements from CSV, strictly.

    Raises:
        RecordError: the file cannot be read, a column is unknown or missing, a value is not of
            its column's type, or two rows are the same cell.
    """
    doing = f"reading {path}"
    try:
        text = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RecordError(doing, str(error), f"`snakemake --cores 1 -- {path}` writes it") from error
    for column in COLUMNS:
        if column.name not in text.columns and column.otherwise is not None:
            text[column.name] = column.otherwise
        if column.name not in text.columns:
            advice = f"`snakemake --cores 1 --force -- {path}` writes it anew"
            raise RecordError(doing, f"column {column.name!r} is missing", advice)
    for name in text.columns:
        if name not in NAMES:
            raise RecordError(doing, f"column {name!r} is unknown", f"known columns: {', '.join(NAMES)}")
    return _ordered(pd.DataFrame({column.name: _parsed(text[column.name], column, doing) for column in COLUMNS}), doing)


def _row(record: Record, folder: Path, command: str) -> dict[str, object]:
    """Return one record as a row, its rates derived from its counts; last where it comes from, and how to have it anew.

    The arguments are those of :func:`from_records`.
    """
    cell, counts, hop = record.cell, record.counts, hop_cost(record)
    offered_pps = counts.offered_packets / counts.window_s
    received_pps = counts.received_packets / counts.window_s
    mix = {"frame_bytes": None, "frame_mix": cell.frame_bytes} if is_mix(cell.frame_bytes) else {}
    offered_size, received_size = (_mean_size(record, side) for side in ("offered", "received"))
    return {
        **cell.model_dump(),
        **mix,
        **record.components.model_dump(),
        **counts.model_dump(exclude={"offered_bytes", "received_bytes"}),
        **record.model_dump(include={"started_at", "environment", "sequence", "session"}),
        "flows": record.settings.flows,
        "offered_kpps": offered_pps / 1e3,
        "offered_mbps": frames.throughput_mbps(offered_pps, offered_size),
        "offered_raw_mbps": frames.raw_mbps(offered_pps, offered_size),
        "received_kpps": received_pps / 1e3,
        "received_mbps": frames.throughput_mbps(received_pps, received_size),
        "loss_ratio": _loss_ratio(counts.trial_sent_packets, counts.trial_received_packets),
        "bottleneck": record.bottleneck.cause,
        "lost_at": record.bottleneck.place,
        "unaccounted_packets": record.bottleneck.unaccounted_packets,
        "server_busy_ratio": busy_ratio(record.usage.middlebox_server),
        "test_computer_busy_ratio": busy_ratio(record.usage.test_computer),
        "links_ratio": links_share(record.usage),
        "untaken_ratio": untaken_ratio(record),
        "hop_processor_us": hop.processor_us if hop else None,
        "hop_switches": hop.context_switches if hop else None,
        "hop_io_calls": hop.io_calls if hop else None,
        **_searched(record.search),
        **_latency(record.latency),
        "flags": ";".join(record.flags),
        "fingerprint": record.attestation.fingerprint,
        "record": cell.path,
        "raw_output": cell.raw_path,
        "command": f"{command} {shlex.quote(str(folder / cell.path))}" if command else "",
    }


def _mean_size(record: Record, side: str) -> float:
    """Return the mean size of the frames that were offered or received, in bytes; of a mix 0 where there were none."""
    if not is_mix(record.cell.frame_bytes):
        return record.cell.frame_bytes
    packets, size = (int(getattr(record.counts, f"{side}_{what}")) for what in ("packets", "bytes"))
    return size / max(packets, 1)


def _searched(search: Search | None) -> dict[str, object]:
    """Return what a throughput search found; nothing without one."""
    if search is None:
        return {}
    bounds = {"lower_bound_kpps": search.lower_bound_pps, "upper_bound_kpps": search.upper_bound_pps}
    return {
        "goal": search.goal,
        **{name: bound / 1e3 for name, bound in bounds.items() if bound is not None},
        "conditional_throughput_kpps": search.conditional_throughput_pps / 1e3,
        "search_trials": len(search.trials),
    }


def _latency(trials: Sequence[LatencyTrial]) -> dict[str, object]:
    """Return how long frames took at the largest load that was timed; nothing where none was."""
    on_chain = [each for each in trials if each.path == "chain"]
    if not on_chain:
        return {}
    largest = max(on_chain, key=lambda each: each.load_share)
    row: dict[str, object] = {
        "latency_load_ratio": largest.load_share,
        "latency_loss_ratio": _loss_ratio(largest.timed_packets, largest.timed_packets - largest.timed_lost_packets),
    }
    if largest.times:
        row |= {f"latency_{name}": value for name, value in largest.times.model_dump(exclude={"histogram"}).items()}
    if own := next((each.times for each in trials if each.path == "direct" and each.times), None):
        row["latency_own_p50_us"] = own.p50_us
    return row


def _loss_ratio(sent: int, received: int) -> float:
    """Return the share of frames that never arrived; missing when none was sent.

    Counted over the whole trial: only after the drain is a frame that has not arrived a lost
    one, and frames under way at an edge of the window are not.
    """
    return (sent - received) / sent if sent else float("nan")


def _parsed(values: pd.Series[str], column: Column, doing: str) -> pd.Series[Any]:
    """Return the text of one CSV column as values of the column's type."""
    if column.dtype == TEXT:
        return values
    try:
        return pd.to_numeric(values.mask(values == "")).astype(column.dtype)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError) as error:
        raise RecordError(doing, f"column {column.name!r} holds something else than a number: {error}") from error


def _ordered(table: pd.DataFrame, doing: str) -> pd.DataFrame:
    """Return the table sorted by cell, after proving that no cell comes twice."""
    cell = list(CELL)
    repeated = table[table.duplicated(cell)]
    if len(repeated):
        first = ", ".join(f"{name} {repeated.iloc[0][name]}" for name in cell)
        raise RecordError(doing, f"cell {first} comes more than once")
    return table.sort_values(cell, kind="stable", ignore_index=True)
