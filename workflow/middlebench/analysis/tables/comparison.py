"""Two datasets side by side, cell by cell: any testbed against a publication, or against another testbed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from middlebench.analysis.data.provenance import cell_address, own_name, pair_anchor
from middlebench.analysis.data.summary import MARKS, doubts, named, summarise
from middlebench.analysis.tables.table import Table
from middlebench.system.text import plural

HEADINGS = {
    "n": "Chain length",
    "frame_bytes": "Frame size [B]",
    "cells": "Cells",
    "lowest_ratio": "Lowest ratio",
    "mean_ratio": "Geometric mean",
    "highest_ratio": "Highest ratio",
}


RATIO_DECIMALS = 3
"""Digits after the point of a ratio: a tenth has two digits that count."""

BY = {"n": "chain length", "frame_bytes": "frame size"}
"""What a summary of ratios can go by."""


def compare(measurements: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that two datasets share, with both throughputs and their ratio.

    Returns:
        Columns n, frame_bytes, mbps, reference_mbps (received throughput in Mb/s, means over
        repetitions), ratio (missing where the reference is zero), ratio_low and ratio_high (its 95 % interval, as
        far as the spread of either is known) and marks (of either cell), sorted by n and size.
    """
    mine, theirs = (_cells(each) for each in (measurements, reference))
    shared = mine.merge(theirs, on=["n", "frame_bytes"], suffixes=("", "_reference"))
    parity = shared["mbps"] / shared["mbps_reference"].where(shared["mbps_reference"] > 0)
    spread = _relative_half_width(shared["relative"], shared["relative_reference"])
    compared = pd.DataFrame(
        {
            **{name: shared[name] for name in ("n", "frame_bytes", "mbps")},
            "reference_mbps": shared["mbps_reference"],
            "ratio": parity,
            "ratio_low": parity * (1 - spread).clip(lower=0),
            "ratio_high": parity * (1 + spread),
            "marks": [
                "".join(mark for mark in MARKS if mark in met) for met in shared["marks"] + shared["marks_reference"]
            ],
        }
    )
    return compared.astype({"marks": "str"}).sort_values(["n", "frame_bytes"], ignore_index=True)


def _cells(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell its mean throughput, the half-width of its interval over it, and its marks."""
    summary = summarise(measurements)
    mean = summary["received_mbps"]
    cells = summary[["n", "frame_bytes"]].assign(
        mbps=mean, relative=(summary["received_mbps_high"] - mean) / mean.where(mean > 0), marks=doubts(summary)
    )
    return cells.dropna(subset="mbps")


def _relative_half_width(above: pd.Series[float], below: pd.Series[float]) -> pd.Series[float]:
    """Return the half-width of a ratio's interval over it, from those of its parts; missing where neither is known.

    To first order the variances of independent parts add up, over their squares (the delta method). A part of
    unknown spread, such as a publication's, counts as exact.
    """
    return pd.Series(np.hypot(above.fillna(0), below.fillna(0))).where(above.notna() | below.notna())


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
        "ratio_low": "Low (95 %)",
        "ratio_high": "High (95 %)",
        "marks": "Marks",
    }
    frame = compare(measurements, reference)
    explained = [
        f"{mark} {meaning}" for mark, meaning in MARKS.items() if frame["marks"].str.contains(mark, regex=False).any()
    ]
    own, others = own_name(measurements), own_name(reference)
    places = [(int(n), int(size)) for n, size in zip(frame["n"], frame["frame_bytes"], strict=True)]
    return Table(
        frame,
        headings,
        ". ".join([f"Received throughput, {measured} beside {other}", *explained]),
        addresses={
            "mbps": [cell_address(own, own, *place) for place in places],
            "reference_mbps": [cell_address(others, own, *place) for place in places],
        },
        anchors=[pair_anchor(others, *place) for place in places],
        decimals=dict.fromkeys(("ratio", "ratio_low", "ratio_high"), RATIO_DECIMALS),
    ).without_unknown()


def ratios_table(measurements: pd.DataFrame, reference: pd.DataFrame, key: str) -> Table:
    """Return the ratios by chain length (key ``n``) or frame size (``frame_bytes``) as a table for readers."""
    measured, other = named(measurements["testbed"]), named(reference["testbed"])
    frame = summarise_by(compare(measurements, reference), key)
    headings = {name: HEADINGS[name] for name in frame.columns}
    rounded = dict.fromkeys(("lowest_ratio", "mean_ratio", "highest_ratio"), RATIO_DECIMALS)
    return Table(frame, headings, f"Received throughput, {measured} ÷ {other}, by {BY[key]}", decimals=rounded)


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
        f"The datasets share {plural(len(ratios), 'combination')} of chain length and frame size. "
        f"Over them, received throughput on {measured} is "
        f"{geometric_mean(ratios):.2f} times that of {other} (geometric mean): "
        f"higher in {int((ratios > 1).sum())} of them, lower in {int((ratios < 1).sum())}. "
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
