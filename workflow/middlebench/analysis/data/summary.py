"""Many measurements of one cell become one: the table that tables, figures and comparisons read.

It is kept beside the measurements as ``summary.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from middlebench.analysis.data.flags import DRIFT, carrying
from middlebench.analysis.data.intervals import UNSTABLE, half_width, stability
from middlebench.analysis.data.measurements import CELL, COUNT, QUANTITY, TEXT, Column, frame_sizes
from middlebench.analysis.data.measurements import COLUMNS as MEASURED
from middlebench.model.mix import in_order
from middlebench.system.files import write_text

KEYS = CELL[:-1]
"""The columns that name what the repetitions of a cell have in common."""

COMPONENTS = ("middlebox", "switch", "generator")

VALUES = (
    "window_s",
    "offered_kpps",
    "offered_mbps",
    "offered_raw_mbps",
    "received_kpps",
    "received_mbps",
    "loss_ratio",
)
"""Columns of which the mean over repetitions is taken."""

SPREADS = ("offered_mbps", "received_mbps")
"""Columns whose spread over repetitions is kept too. A cell's rates are these over its frame size: as spread."""

_MEASURED = {column.name: column for column in MEASURED}

SUMMARY_COLUMNS = (
    *(_MEASURED[name] for name in (*KEYS, *COMPONENTS)),
    Column("repetitions", COUNT, "", "how often the cell was measured"),
    *(Column(name, QUANTITY, _MEASURED[name].unit, f"mean over repetitions of `{name}`") for name in VALUES),
    *(
        Column(f"{name}_{suffix}", QUANTITY, _MEASURED[name].unit, f"{meaning} of `{name}`")
        for name in SPREADS
        for suffix, meaning in (
            ("sd", "standard deviation over repetitions"),
            ("low", "lower end of the 95 % interval of the mean (Student's t)"),
            ("high", "upper end of the 95 % interval of the mean (Student's t)"),
            ("min", "least value"),
            ("max", "greatest value"),
        )
    ),
    Column(
        "stability",
        TEXT,
        "",
        "`unstable` when received_mbps has a standard deviation of 10 % of its mean or more, or a value 50 % or more "
        "from it (the limits of pyperf); else `stable`; empty for a single repetition",
    ),
    Column("drifted", COUNT, "", "how many of its repetitions carry the flag `drift`"),
)

UNSTABLE_MARK, DRIFT_MARK = "?", "~"
"""Stand after the value of a cell that is unstable, and of one beside which the instrument drifted."""
MARKS = {
    UNSTABLE_MARK: "unstable: standard deviation of 10 % of the mean or more, or a value 50 % or more from it (pyperf)",
    DRIFT_MARK: "drift: a control next to a repetition in time is out of the band around the median of its kind",
}

PAPER_SIZE = 800
"""Bytes; the frame size of the paper's figure 5, its "realistic assumption for mean packet size"."""

STEPS_MBPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Throughputs in Mb/s that a reader may want."""
MOST_STEPS = 6


def steps_up_to(most_mbps: float) -> list[int]:
    """Return the highest throughputs in Mb/s that a reader may want, up to what something reaches."""
    return [step for step in STEPS_MBPS if step <= most_mbps][-MOST_STEPS:]


def summarise(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row a (testbed, n, frame size): means over its repetitions, their spread, and their number.

    A value that is missing in some repetitions is the mean of the others. Components that
    differ between repetitions are all named, so that a mixture cannot pass for one thing. The
    columns are :data:`SUMMARY_COLUMNS`; spread and interval are missing for a single repetition.
    """
    groups = measurements.assign(drifted=carrying(measurements, DRIFT)).groupby(list(KEYS), sort=True, dropna=False)
    named_of = {name: pd.NamedAgg(name, named) for name in COMPONENTS}
    means = {name: pd.NamedAgg(name, "mean") for name in VALUES}
    repetitions = {"repetitions": pd.NamedAgg("repetition", "size"), "drifted": pd.NamedAgg("drifted", "sum")}
    spreads = {
        f"{name}_{suffix}": pd.NamedAgg(name, how)
        for name in SPREADS
        for suffix, how in (("sd", "std"), ("count", "count"), ("min", "min"), ("max", "max"))
    }
    summary = groups.agg(**named_of, **repetitions, **means, **spreads).reset_index()
    for name in SPREADS:
        half = half_width(summary[f"{name}_sd"], summary[f"{name}_count"])
        summary[f"{name}_low"], summary[f"{name}_high"] = summary[name] - half, summary[name] + half
    received = (summary[f"received_mbps{suffix}"] for suffix in ("", "_sd", "_min", "_max"))
    summary["stability"] = stability(*received)
    return summary[[column.name for column in SUMMARY_COLUMNS]]


def write_summary(measurements: pd.DataFrame, path: Path) -> None:
    """Write the summary of measurements as CSV: every number in full, missing values empty."""
    write_text(path, summarise(measurements).to_csv(index=False, lineterminator="\n"))


def doubts(summary: pd.DataFrame) -> pd.Series[str]:
    """Return the mark of each cell that a reader must doubt: unstable, drifted, both, or nothing."""
    unstable = (summary["stability"] == UNSTABLE).map({True: UNSTABLE_MARK, False: ""})
    return unstable + (summary["drifted"] > 0).map({True: DRIFT_MARK, False: ""})


def named(values: pd.Series[str]) -> str:
    """Return the distinct names among values, joined (" / ") when there are several."""
    return " / ".join(sorted(set(values)))


def repetitions_of(summary: pd.DataFrame) -> str:
    """Return how often each cell of a summary was measured, or from how often to how often; empty without cells."""
    counts = sorted({int(count) for count in summary["repetitions"]})
    return " to ".join(str(count) for count in dict.fromkeys((*counts[:1], *counts[-1:])))


def nearest_size(summary: pd.DataFrame, wanted: int = PAPER_SIZE) -> int | None:
    """Return the frame size in bytes nearest to the wanted one, the smaller of two; None when there is none."""
    sizes = {int(size) for size in summary["frame_bytes"].dropna()}
    return nearest(sizes, wanted) if sizes else None


def nearest(sizes: Iterable[int], wanted: int = PAPER_SIZE) -> int:
    """Return the size nearest to the wanted one, the smaller of two."""
    return min(sorted(sizes), key=lambda size: abs(size - wanted))


def grid(summary: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return one value as a grid, frame sizes down and chain lengths across, missing cells as NaN; mixes come last."""
    if "frame_mix" in summary:
        summary = summary.assign(frame_bytes=frame_sizes(summary))
    values = summary.pivot(index="frame_bytes", columns="n", values=value).sort_index(axis="columns")
    return values.loc[in_order(values.index)]
