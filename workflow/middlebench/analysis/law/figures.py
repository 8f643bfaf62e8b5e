"""The law's figures: measured rates with the law through them, and the knee by frame size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from middlebench.analysis.data.summary import summarise
from middlebench.analysis.figures import style
from middlebench.analysis.figures.style import noted, styled
from middlebench.analysis.law.results import Law
from middlebench.system.text import percent

MOST_SIZES = 4
COLORS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE)
BAND_OPACITY = 0.15
MARGIN = 2.0
"""Room below the lowest and above the highest point, as a factor."""


@styled
def law_figure(law: Law, measurements: pd.DataFrame, note: str = "") -> Figure:
    """Return received throughput by chain length at some frame sizes: measured points, the law and its 95 % band."""
    figure, (axes,) = style.new_figure()
    summary = summarise(measurements[measurements["n"] > 0])
    places = np.linspace(0, len(law.frame_sizes) - 1, min(MOST_SIZES, len(law.frame_sizes))).round().astype(int)
    sizes = [law.frame_sizes[place] for place in places]
    for color, marker, size in zip(COLORS, style.LENGTH_MARKERS, sizes, strict=False):
        cells = summary[summary["frame_bytes"] == size]
        axes.plot(cells["n"], cells["received_mbps"], linestyle="", marker=marker, color=color, label=f"{size} B")
        if law.predictor is not None:
            n = np.linspace(min(law.chain_lengths), max(law.chain_lengths), 400)
            mbps = [rate * size * 8 / 1e3 for rate in law.predictor.kpps(n, np.full_like(n, size))]
            axes.plot(n, mbps[0], color=color)
            axes.fill_between(n, mbps[1], mbps[2], color=color, alpha=BAND_OPACITY, linewidth=0)
    axes.set(xlabel="chain length [middleboxes]", ylabel="received throughput [Mb/s]", yscale="log")
    if (received := summary["received_mbps"][summary["received_mbps"] > 0]).size:
        axes.set_ylim(received.min() / MARGIN, received.max() * MARGIN)  # however wide a band is beside a break
    if law.chain_lengths:
        style.set_length_ticks(axes, law.chain_lengths)
    axes.legend(title="frame size")
    subtitle = f"points: measured; lines: {law.formula or 'no law'}; shaded: its 95 % interval"
    style.set_title(axes, noted(f"The law of {law.dataset}", note), subtitle)
    return figure


@styled
def knee_figure(law: Law, marks: Mapping[str, int], note: str = "") -> Figure:
    """Return the knee by frame size: measured with its 95 % interval, and by the law.

    ``marks`` are chain lengths to draw in, by what they are, such as the server's cores.
    """
    figure, (axes,) = style.new_figure()
    sizes = [int(size) for size in law.knee]
    knees = list(law.knee.values())
    n = np.array([each.n for each in knees], dtype=float)
    ends = np.array([[each.n - each.low, each.high - each.n] for each in knees], dtype=float).reshape(-1, 2).T
    axes.errorbar(sizes, n, yerr=ends, fmt="o", color=style.BLUE, capsize=3, label="measured, 95 % interval")
    predicted = [np.nan if each.predicted is None else each.predicted for each in knees]
    if not np.isnan(predicted).all():
        axes.plot(sizes, predicted, "s--", color=style.VERMILLION, markerfacecolor="none", label="by the law")
    for what, place in marks.items():
        axes.axhline(place, color=style.GREY, linestyle=":")
        beside = axes.get_yaxis_transform()
        axes.text(1, place, f"{place} {what}", transform=beside, ha="right", va="top", color=style.GREY)
    axes.set(xlabel="frame size without FCS [B]", ylabel="knee [middleboxes]")
    axes.set_ylim(bottom=0)
    if sizes:
        axes.legend()
    subtitle = f"the longest chain that still delivers {percent(law.knee_share)} of the best rate at its frame size"
    style.set_title(axes, noted(f"The knee of {law.dataset}", note), subtitle)
    return figure
