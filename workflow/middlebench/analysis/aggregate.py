"""Many measurements of one cell become one: the table that tables, figures and comparisons read.

Spread and intervals over repetitions belong here, as further columns of the summary.
"""

from __future__ import annotations

import pandas as pd

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

COMPONENTS = ("middlebox", "switch", "generator")

PAPER_SIZE = 800
"""Bytes; the frame size of the paper's figure 5, its "realistic assumption for mean packet size"."""


def summarise(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row a (testbed, n, frame size): the means over its repetitions, and their number.

    A value that is missing in some repetitions is the mean of the others. Components that
    differ between repetitions are all named, so that a mixture cannot pass for one thing.
    """
    groups = measurements.groupby(["testbed", "n", "frame_bytes"], sort=True)
    names = {name: pd.NamedAgg(name, named) for name in COMPONENTS}
    means = {name: pd.NamedAgg(name, "mean") for name in VALUES}
    repetitions = {"repetitions": pd.NamedAgg("repetition", "size")}
    return groups.agg(**names, **repetitions, **means).reset_index()


def named(values: pd.Series[str]) -> str:
    """Return the distinct names among values, joined (" / ") when there are several."""
    return " / ".join(sorted(set(values)))


def nearest_size(summary: pd.DataFrame, wanted: int = PAPER_SIZE) -> int | None:
    """Return the frame size in bytes nearest to the wanted one, the smaller of two; None when there is none."""
    sizes = sorted({int(size) for size in summary["frame_bytes"]})
    return min(sizes, key=lambda size: abs(size - wanted), default=None)


def grid(summary: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return one value as a grid, frame sizes down and chain lengths across, missing cells as NaN."""
    return summary.pivot(index="frame_bytes", columns="n", values=value).sort_index().sort_index(axis="columns")
