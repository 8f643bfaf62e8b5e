"""The paper's three plots and one more, from any measurements, laid over any others.

Every function takes the measurements that the figure is about, after them those to lay it over, and a note that the
title must hold besides, such as "emulated"; it returns a Matplotlib figure that can be read without its caption. Where
cells were measured more than once, lines carry the 95 % interval of each mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from middlebench.analysis.data.provenance import cell_addresses, own_name
from middlebench.analysis.data.publications import are_published, load_publication
from middlebench.analysis.data.summary import PAPER_SIZE, doubts, named, nearest_size, summarise
from middlebench.analysis.figures import style
from middlebench.analysis.figures.labels import LENGTH_AXIS, NEAREST, SIZE_AXIS, origin_of, short_name
from middlebench.analysis.figures.style import LineStyle, noted, styled
from middlebench.model import frames

X_AXES = {"frame_bytes": SIZE_AXIS, "n": LENGTH_AXIS}


PANEL_WIDTH = 6.2
"""Inches of one panel among several."""

LEGEND_CHARACTERS = 44
"""Longest label with which a legend still fits into two columns."""


@styled
def fig1(measurements: pd.DataFrame, *beside: pd.DataFrame, link_bps: float | None = None, note: str = "") -> Figure:
    """Return the paper's figure 1: offered throughput by frame size, with the line rate of links in bits/s if known."""

    def shortest(summary: pd.DataFrame) -> tuple[str, pd.DataFrame]:
        return _label(summary), summary[summary["n"] == _single_length(summary)]

    length = _single_length(measurements)
    title = "Offered throughput by frame size" + (f", at a chain of {length}" if length != 1 else "")
    return _line_plot([measurements, *beside], shortest, "frame_bytes", "offered_mbps", noted(title, note), link_bps)


@styled
def fig3(measurements: pd.DataFrame, *beside: pd.DataFrame, note: str = "") -> Figure:
    """Return the paper's figure 3: received throughput by frame size, with one middlebox."""

    def single(summary: pd.DataFrame) -> tuple[str, pd.DataFrame]:
        return _label(summary), summary[summary["n"] == 1]

    title = noted("Received throughput with one middlebox", note)
    return _line_plot([measurements, *beside], single, "frame_bytes", "received_mbps", title)


@styled
def fig5(measurements: pd.DataFrame, *beside: pd.DataFrame, note: str = "") -> Figure:
    """Return the paper's figure 5: received throughput by chain length, at 800 B or the nearest size swept.

    Each of the others is shown at its size nearest to the figure's.
    """
    size = nearest_size(measurements) or PAPER_SIZE

    def nearest(summary: pd.DataFrame) -> tuple[str, pd.DataFrame]:
        own = nearest_size(summary, size)
        other_size = f", {own} B" if own not in (size, None) else ""
        return _label(summary) + other_size, summary[summary["frame_bytes"] == own]

    title = f"Received throughput by chain length, {size} B" + ("" if size == PAPER_SIZE else NEAREST)
    return _line_plot([measurements, *beside], nearest, "n", "received_mbps", noted(title, note))


@styled
def throughput_by_size(measurements: pd.DataFrame, *beside: pd.DataFrame, note: str = "") -> Figure:
    """Return received throughput by frame size, one line a chain length, a panel each dataset on the same y axis."""
    summaries, own = [summarise(each) for each in (measurements, *beside)], own_name(measurements)
    lengths = sorted({int(n) for summary in summaries for n in summary["n"]})
    colors = mpl.colormaps[style.LENGTH_MAP](np.linspace(*style.LENGTH_RANGE, max(len(lengths), 1)))
    looks = {
        n: LineStyle(mpl.colors.to_hex(color), style.LENGTH_MARKERS[place % len(style.LENGTH_MARKERS)], "-")
        for place, (n, color) in enumerate(zip(lengths, colors, strict=False))
    }
    figure, panels = style.new_figure(width=PANEL_WIDTH * len(summaries) + 0.8, height=5.2, panels=len(summaries))
    for axes, summary in zip(panels, summaries, strict=True):
        for n, part in summary.groupby("n"):
            look = looks[int(str(n))]
            _draw_line(axes, part, "frame_bytes", "received_mbps", look, own=own, label=f"n = {n}")
        axes.set(xlabel=SIZE_AXIS, ylabel="received throughput [Mb/s]")
    panels[0].set_ylim(bottom=0)  # once all is drawn: it also fixes the top, which the panels share
    right = max(axes.get_xlim()[1] for axes in panels)
    for axes in panels:
        axes.set_xlim(0, right)
    titles = [f"Received throughput by frame size: {named(summary['testbed']) or 'no cell'}" for summary in summaries]
    titles[0] = noted(titles[0], note)
    origins = [_line_origin(each) for each in (measurements, *beside)]
    style.set_titles(panels, titles, origins, width=PANEL_WIDTH - 1)
    handles = [mpl.lines.Line2D([], [], **vars(look), label=str(n)) for n, look in looks.items()]
    figure.legend(handles=handles, title="middleboxes\nin the chain", loc="outside right center")
    return figure


def _line_plot(
    datasets: Sequence[pd.DataFrame],
    choose: Callable[[pd.DataFrame], tuple[str, pd.DataFrame]],
    x: str,
    y: str,
    title: str,
    link_bps: float | None = None,
) -> Figure:
    """Return a plot of one line a dataset in the dataset's own style; it says so where there is nothing to draw.

    The figure is about the first of the datasets; ``choose`` returns the label of a dataset's line, and its part of the
    summary; ``link_bps`` is the rate of the links whose line rate is drawn in, in bits/s.
    """
    summaries = [summarise(each) for each in datasets]
    lines = [choose(each) for each in summaries]
    figure, (axes,) = style.new_figure()
    for look, (label, line) in zip(_looks(summaries), lines, strict=True):
        if line.empty:
            axes.plot([], [], color=look.color, marker=look.marker, label=f"{label}: not in this sweep")
        else:
            _draw_line(axes, line, x, y, look, own=own_name(summaries[0]), label=label)
    if link_bps is not None:
        _draw_line_rate(axes, summaries, link_bps)
    style.set_title(axes, title, _line_origin(datasets[0]))
    widest = max(len(label) for label in axes.get_legend_handles_labels()[1])
    figure.legend(loc="outside lower left", ncols=2 if widest <= LEGEND_CHARACTERS else 1)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set(xlabel=X_AXES[x], ylabel=f"{y.removesuffix('_mbps')} throughput [Mb/s]")
    if x == "n":
        style.set_length_ticks(axes, sorted({int(n) for _, line in lines for n in line["n"]}))
    return figure


def _draw_line(
    axes: Axes, summary: pd.DataFrame, x: str, y: str, look: LineStyle, *, own: str, label: str = ""
) -> None:
    """Draw one column of a summary over another, with the intervals of its means where they are known.

    Each point leads to where it comes from in the report of testbed ``own``.
    """
    ordered = summary.sort_values(x)
    places, means, low, high = (ordered[name].to_numpy(dtype=float) for name in (x, y, f"{y}_low", f"{y}_high"))
    axes.plot(places, means, **vars(look), label=label, clip_on=False)
    style.add_links(axes, places, means, cell_addresses(ordered, own))
    if np.isfinite(low).any():
        below = means - np.maximum(low, 0)  # no throughput is negative, whatever Student's t allows
        ends = (below, high - means)
        axes.errorbar(places, means, yerr=ends, fmt="none", ecolor=look.color, elinewidth=1, capsize=2.5)
    doubtful = (doubts(ordered) != "").to_numpy()
    if doubtful.any():
        (hollow,) = axes.plot(places[doubtful], means[doubtful], look.marker, color=look.color, clip_on=False)
        hollow.set_markerfacecolor("white")


def _draw_line_rate(axes: Axes, summaries: Sequence[pd.DataFrame], link_bps: float) -> None:
    """Draw the throughput at which frames fill the link: less than its rate, by 24 B a frame."""
    sizes = [float(size) for summary in summaries for size in summary["frame_bytes"]]
    if not sizes:
        return
    x = np.linspace(min(sizes), max(sizes), 200)
    y = [frames.throughput_mbps(frames.line_rate_pps(link_bps, size), size) for size in x]
    axes.plot(x, y, **vars(style.LINE_RATE_STYLE), label=f"line rate of a {link_bps / 1e9:g} Gb/s link")


def _looks(summaries: Sequence[pd.DataFrame]) -> list[LineStyle]:
    """Return a style for each dataset: the first publication's always the same, the others' by order."""
    published = iter([style.PUBLISHED_STYLE, *style.MEASURED_STYLES[::-1] * len(summaries)])
    measured = iter(style.MEASURED_STYLES * len(summaries))
    return [next(published if are_published(summary) else measured) for summary in summaries]


def _label(data: pd.DataFrame) -> str:
    """Return how a legend names a dataset."""
    if are_published(data):
        return f"published ({load_publication(own_name(data)).label})"
    if data.empty:
        return "measured"
    middleboxes = named(pd.Series([short_name(name) for name in data["middlebox"]], dtype=str))
    return f"measured ({named(data['testbed'])}: {middleboxes})"


def _line_origin(measurements: pd.DataFrame) -> str:
    """Return the subtitle of a line plot: what its values were measured on, and what its bars are."""
    summary = summarise(measurements)
    bars = " · bars: 95 % interval (Student's t)" if (summary["repetitions"] > 1).any() else ""
    hollow = " · hollow: unstable, or near drift" if (doubts(summary) != "").any() else ""
    return origin_of(measurements) + bars + hollow


def _single_length(summary: pd.DataFrame) -> int:
    """Return the chain length to read the offered load from: 1 as in the paper, or the shortest swept."""
    lengths = {int(n) for n in summary["n"]}
    return 1 if 1 in lengths else min(lengths, default=1)
