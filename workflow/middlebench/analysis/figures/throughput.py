"""The paper's three plots and two more, from any measurements, laid over any others.

Every function takes the measurements that the figure is about, after them those to lay it over, and a note that the
title must hold besides, such as "emulated"; it returns a Matplotlib figure that can be read without its caption. Where
cells were measured more than once, lines carry the 95 % interval of each mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from middlebench.analysis.data.flags import EMULATED
from middlebench.analysis.data.provenance import cell_address, cell_addresses, own_name, pair_address
from middlebench.analysis.data.publications import are_published, load_publication
from middlebench.analysis.data.summary import (
    MARKS,
    PAPER_SIZE,
    doubts,
    grid,
    named,
    nearest_size,
    repetitions_of,
    summarise,
)
from middlebench.analysis.figures import style
from middlebench.analysis.figures.style import LineStyle, noted, styled
from middlebench.analysis.tables.comparison import compare
from middlebench.model import frames

SIZE_AXIS = "frame size without FCS [B]"
LENGTH_AXIS = "chain length [middleboxes]"
X_AXES = {"frame_bytes": SIZE_AXIS, "n": LENGTH_AXIS}
NEAREST = f" (nearest to {PAPER_SIZE} B)"

DECADES_FOR_LOG = 1.5
"""A colour scale is logarithmic when the values span more powers of ten than this."""

PANEL_WIDTH = 6.2
"""Inches of one panel among several."""

LEGEND_CHARACTERS = 58
"""Longest label with which a legend still fits into two columns."""

HASH = re.compile(r"\s*\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b")
"""A part of a description that tells two builds apart, and nothing to a reader of a legend."""

PARITY_SPAN = 2.0
"""Least factor that a scale of ratios reaches on either side of 1, lest noise look like a finding."""


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
    summaries = [summarise(each) for each in (measurements, *beside)]
    lengths = sorted({int(n) for summary in summaries for n in summary["n"]})
    colors = mpl.colormaps[style.LENGTH_MAP](np.linspace(*style.LENGTH_RANGE, max(len(lengths), 1)))
    looks = {
        n: LineStyle(mpl.colors.to_hex(color), style.LENGTH_MARKERS[place % len(style.LENGTH_MARKERS)], "-")
        for place, (n, color) in enumerate(zip(lengths, colors, strict=False))
    }
    figure, panels = style.new_figure(width=PANEL_WIDTH * len(summaries) + 0.8, height=5.2, panels=len(summaries))
    for axes, summary in zip(panels, summaries, strict=True):
        for n, part in summary.groupby("n"):
            _draw_line(
                axes,
                part,
                "frame_bytes",
                "received_mbps",
                looks[int(str(n))],
                own=own_name(summaries[0]),
                label=f"n = {n}",
            )
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


@styled
def heat_map(measurements: pd.DataFrame, note: str = "") -> Figure:
    """Return received throughput by chain length and frame size as a map with a number in each cell."""
    summary = summarise(measurements)
    values = grid(summary, "received_mbps")
    marks = grid(summary.assign(marks=doubts(summary)), "marks")
    figure = _draw_map(
        values, _throughput_scale(values), mpl.colormaps[style.THROUGHPUT_MAP], "received throughput [Mb/s]", marks
    )
    own = own_name(summary)
    link_cells(figure.axes[0], values, lambda n, size: cell_address(own, own, n, size))
    title = noted("Received throughput [Mb/s] by chain length and frame size", note)
    style.set_title(figure.axes[0], title, origin_of(measurements) + _legend_of_marks(doubts(summary)))
    return figure


@styled
def ratio_map(measurements: pd.DataFrame, reference: pd.DataFrame, note: str = "") -> Figure:
    """Return one dataset's received throughput over a reference's, by chain length and frame size, as a map."""
    comparison = compare(measurements, reference)
    values, marks = grid(comparison, "ratio"), grid(comparison, "marks")
    numbers = values.to_numpy(dtype=float)
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    span = max([PARITY_SPAN, *numbers, *(1 / numbers)])
    fraction = f"{named(measurements['testbed'])} ÷ {named(reference['testbed'])}"
    scale = LogNorm(1 / span, span, clip=True)
    figure = _draw_map(values, scale, mpl.colormaps[style.RATIO_MAP], f"{fraction} (1: the same)", marks)
    other = own_name(reference)
    link_cells(figure.axes[0], values, lambda n, size: pair_address(other, n, size))
    title = noted(f"Received throughput, {fraction}", note)
    origin = f"{origin_of(measurements)}, divided by {origin_of(reference)}"
    style.set_title(figure.axes[0], title, origin + _legend_of_marks(comparison["marks"]))
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


def _draw_map(values: pd.DataFrame, norm: Normalize, colors: Colormap, legend: str, marks: pd.DataFrame) -> Figure:
    """Draw a grid of values: frame sizes down, chain lengths across, a number and its mark in each cell."""
    figure, axes = new_map(values)
    if values.empty:
        return figure
    numbers = values.to_numpy(dtype=float)
    image = axes.imshow(np.ma.masked_invalid(numbers), norm=norm, cmap=colors, aspect="auto", origin="upper")
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number):
            text, color = _short(number) + str(marks.iat[row, column]), ink_on(colors(norm(number)))
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    bar = figure.colorbar(image, ax=axes, label=legend, pad=0.02)
    bar.outline.set_visible(False)
    if isinstance(norm, LogNorm):
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure


def new_map(values: pd.DataFrame) -> tuple[Figure, Axes]:
    """Return an empty map for a grid: frame sizes down, chain lengths across; it says so where there is no cell."""
    rows, columns = values.shape
    width, height = max(style.FIGURE_WIDTH, 2.4 + 0.62 * columns), max(3.6, 1.9 + 0.36 * rows)
    figure, (axes,) = style.new_figure(width, height)
    axes.spines[:].set_visible(False)
    axes.set(xlabel=LENGTH_AXIS, ylabel=SIZE_AXIS)
    axes.set_xticks(range(columns), [str(n) for n in values.columns])
    axes.set_yticks(range(rows), [str(size) for size in values.index])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if values.empty:
        axes.text(0.5, 0.5, "nothing to show: no such cells", transform=axes.transAxes, ha="center", color=style.GREY)
        return figure, axes
    axes.set_xticks(np.arange(0.5, columns - 1), minor=True)
    axes.set_yticks(np.arange(0.5, rows - 1), minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    return figure, axes


def link_cells(axes: Axes, values: pd.DataFrame, address: Callable[[int, int], str]) -> None:
    """Make each known cell of a map a link to the address of its chain length and frame size."""
    known = np.argwhere(np.isfinite(values.to_numpy(dtype=float))).tolist()
    sizes, lengths = values.index.to_numpy(), values.columns.to_numpy()
    style.add_cell_links(axes, {(row, column): address(int(lengths[column]), int(sizes[row])) for row, column in known})


def _throughput_scale(values: pd.DataFrame) -> Normalize:
    """Return a colour scale for throughputs in Mb/s: logarithmic where they span decades."""
    numbers = values.to_numpy(dtype=float)
    positive = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not len(positive):
        return Normalize(0, 1)
    low, high = float(positive.min()), float(positive.max())
    if high / low < 10**DECADES_FOR_LOG:
        return Normalize(0, high)
    return LogNorm(low, high, clip=True)


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


def short_name(component: str) -> str:
    """Return a component's description up to its first comma, without hashes; that it is emulated is kept.

    What a title's second line has room for, a legend has not.
    """
    parts = []
    for whole in component.split(" / "):
        kind, *details = (part.strip() for part in HASH.sub("", whole).split(","))
        emulated = [EMULATED for part in details if part.startswith(EMULATED)]
        parts.append(", ".join([kind, *emulated[:1]]))
    return " / ".join(dict.fromkeys(parts))


def origin_of(measurements: pd.DataFrame, of_repetitions: str = "mean") -> str:
    """Return what a figure's values were measured on and how, for its subtitle.

    ``of_repetitions`` says what each value is of the repetitions of its cell.
    """
    if measurements.empty:
        return "no cell measured"
    parts = [
        f"{'published' if are_published(measurements) else 'testbed'} {named(measurements['testbed'])}",
        named(measurements["middlebox"]),
        named(measurements["switch"]),
    ]
    if pd.notna(window_s := measurements["window_s"].median()):
        parts.append(f"{window_s:.3g} s windows")
    if (measurements["repetition"] > 1).any():
        parts.append(f"{of_repetitions} of {repetitions_of(summarise(measurements))} repetitions")
    return " · ".join(parts)


def _line_origin(measurements: pd.DataFrame) -> str:
    """Return the subtitle of a line plot: what its values were measured on, and what its bars are."""
    summary = summarise(measurements)
    bars = " · bars: 95 % interval (Student's t)" if (summary["repetitions"] > 1).any() else ""
    hollow = " · hollow: unstable, or near drift" if (doubts(summary) != "").any() else ""
    return origin_of(measurements) + bars + hollow


def _legend_of_marks(marks: pd.Series[str]) -> str:
    """Return what the marks mean that some cells carry, for a subtitle."""
    met = "".join(marks)
    return "".join(f" · {mark} {meaning}" for mark, meaning in MARKS.items() if mark in met)


def _single_length(summary: pd.DataFrame) -> int:
    """Return the chain length to read the offered load from: 1 as in the paper, or the shortest swept."""
    lengths = {int(n) for n in summary["n"]}
    return 1 if 1 in lengths else min(lengths, default=1)


def ink_on(color: tuple[float, float, float, float]) -> str:
    """Return dark or light ink, whichever reads better on a colour (ITU-R BT.709 luminance)."""
    red, green, blue, _ = color
    return style.LIGHT_INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45 else style.DARK_INK


def _short(number: float) -> str:
    """Return a number in about three digits, without an exponent."""
    if number >= 100:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"
