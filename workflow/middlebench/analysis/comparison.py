"""Two datasets side by side, cell by cell: any testbed against the paper, or against another testbed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from middlebench.analysis.aggregate import named, summarise
from middlebench.analysis.provenance import cell_address, own_name, pair_anchor
from middlebench.analysis.tables import Table

HEADINGS = {
    "n": "Chain length",
    "frame_bytes": "Frame size [B]",
    "cells": "Cells",
    "lowest_ratio": "Lowest ratio",
    "mean_ratio": "Geometric mean",
    "highest_ratio": "Highest ratio",
}


BY = {"n": "chain length", "frame_bytes": "frame size"}
"""What a summary of ratios can go by."""


def compare(measurements: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that two datasets share, with both throughputs and their ratio.

    Returns:
        Columns n, frame_bytes, mbps, reference_mbps (received throughput in Mb/s, means over
        repetitions) and ratio (missing where the reference is zero), sorted by n and size.
    """
    mine, theirs = (
        summarise(each)[["n", "frame_bytes", "received_mbps"]].dropna() for each in (measurements, reference)
    )
    shared = mine.merge(theirs, on=["n", "frame_bytes"], suffixes=("", "_reference"))
    shared.columns = pd.Index(["n", "frame_bytes", "mbps", "reference_mbps"])
    shared["ratio"] = shared["mbps"] / shared["reference_mbps"].where(shared["reference_mbps"] > 0)
    return shared.sort_values(["n", "frame_bytes"], ignore_index=True)


def summarise_by(comparison: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return, for each chain length (key ``n``) or size (``frame_bytes``), the spread of its cells' ratios.

    Returns:
        Columns: the key, cells, lowest_ratio, mean_ratio (geometric), highest_ratio.
    """
    ratios = comparison.dropna(subset="ratio").groupby(key)["ratio"]
    spread = ratios.agg(cells="size", lowest_ratio="min", mean_ratio=geometric_mean, highest_ratio="max")
    return spread.reset_index()


def geometric_mean(ratios: pd.Series[float]) -> float:
    """Return the geometric mean, under which a half and a double cancel out; 0 when a ratio is 0."""
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(ratios.to_numpy(dtype=float)).mean())) if len(ratios) else float("nan")


def cells_table(measurements: pd.DataFrame, reference: pd.DataFrame) -> Table:
    """Return the cells that two datasets share as a table for readers."""
    measured, other = named(measurements["testbed"]), named(reference["testbed"])
    headings = {
        "n": HEADINGS["n"],
        "frame_bytes": HEADINGS["frame_bytes"],
        "mbps": f"{measured} [Mb/s]",
        "reference_mbps": f"{other} [Mb/s]",
        "ratio": "Ratio",
    }
    frame = compare(measurements, reference)
    own, others = own_name(measurements), own_name(reference)
    places = [(int(n), int(size)) for n, size in zip(frame["n"], frame["frame_bytes"], strict=True)]
    return Table(
        frame,
        headings,
        f"Received throughput, {measured} beside {other}",
        addresses={
            "mbps": [cell_address(own, own, *place) for place in places],
            "reference_mbps": [cell_address(others, own, *place) for place in places],
        },
        anchors=[pair_anchor(others, *place) for place in places],
    )


def ratios_table(measurements: pd.DataFrame, reference: pd.DataFrame, key: str) -> Table:
    """Return the ratios by chain length (key ``n``) or frame size (``frame_bytes``) as a table for readers."""
    measured, other = named(measurements["testbed"]), named(reference["testbed"])
    frame = summarise_by(compare(measurements, reference), key)
    headings = {name: HEADINGS[name] for name in frame.columns}
    return Table(frame, headings, f"Received throughput, {measured} ÷ {other}, by {BY[key]}")


def describe(measurements: pd.DataFrame, reference: pd.DataFrame) -> str:
    """Return a paragraph that says in numbers how two datasets relate; it judges nothing."""
    comparison = compare(measurements, reference)
    measured, other = named(measurements["testbed"]), named(reference["testbed"])
    comparison = comparison.dropna(subset="ratio")
    ratios = comparison["ratio"]
    if ratios.empty:
        return f"No cell of {measured} has a counterpart in {other}: there is nothing to lay side by side."
    lowest, highest = (comparison.iloc[place] for place in (int(ratios.argmin()), int(ratios.argmax())))
    by_length = summarise_by(comparison, "n")
    first, last = by_length.iloc[0], by_length.iloc[-1]
    text = (
        f"{len(ratios)} cells are in both datasets. Over them, received throughput on {measured} is "
        f"{geometric_mean(ratios):.2f} times that of {other} (geometric mean): "
        f"higher in {int((ratios > 1).sum())} cells, lower in {int((ratios < 1).sum())}. "
        f"The lowest ratio, {lowest['ratio']:.2f}, is at {_cell(lowest)}; "
        f"the highest, {highest['ratio']:.2f}, is at {_cell(highest)}."
    )
    if len(by_length) > 1:
        text += (
            f" At n = {first['n']:.0f} the mean ratio is {first['mean_ratio']:.2f}, "
            f"at n = {last['n']:.0f} it is {last['mean_ratio']:.2f}."
        )
    return text


def _cell(row: pd.Series) -> str:
    return f"n = {row['n']:.0f}, {row['frame_bytes']:.0f} B"
