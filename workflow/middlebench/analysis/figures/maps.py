"""Maps: one value of every cell, frame sizes down and chain lengths across."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from middlebench.analysis.data.provenance import PAGE, cell_address, own_name, pair_anchor
from middlebench.analysis.data.summary import MARKS, doubts, grid, named, summarise
from middlebench.analysis.figures import style
from middlebench.analysis.figures.labels import LENGTH_AXIS, SIZE_AXIS, origin_of
from middlebench.analysis.figures.style import noted, styled
from middlebench.analysis.tables.comparison import compare

FAINT_WHITE = (1, 1, 1, 0.35)
"""Of hatches, so that numbers on them can be read."""

DECADES_FOR_LOG = 1.5
"""A colour scale is logarithmic when the values span more powers of ten than this."""

PARITY_SPAN = 2.0
"""Least factor that a scale of ratios reaches on either side of 1, lest noise look like a finding."""


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
def predicted_map(measurements: pd.DataFrame, predictions: pd.DataFrame, note: str = "") -> Figure:
    """Return the map of measured throughputs with what a law predicts between them, hatched and in italics.

    ``predictions`` has the columns ``n``, ``frame_bytes`` and ``predicted_mbps``, of cells that were not measured.
    """
    measured = summarise(measurements)[["n", "frame_bytes", "received_mbps"]]
    between = predictions[predictions["n"] <= measured["n"].max()].rename(columns={"predicted_mbps": "received_mbps"})
    values = grid(pd.concat([measured, between[measured.columns]], ignore_index=True), "received_mbps")
    unknown = values.notna() & grid(measured, "received_mbps").reindex_like(values).isna()
    legend, colors = "received throughput [Mb/s]", mpl.colormaps[style.THROUGHPUT_MAP]
    figure = _draw_map(values, _throughput_scale(values), colors, legend, predicted=unknown)
    counts = f"{len(measured)} cells measured, {len(between)} predicted by the law (hatched, in italics)"
    style.set_title(figure.axes[0], noted("Received throughput [Mb/s], measured and predicted", note), counts)
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
    link_cells(figure.axes[0], values, lambda n, size: f"{PAGE}#{pair_anchor(other, n, size)}")
    title = noted(f"Received throughput, {fraction}", note)
    origin = f"{origin_of(measurements)}, divided by {origin_of(reference)}"
    style.set_title(figure.axes[0], title, origin + _legend_of_marks(comparison["marks"]))
    return figure


def _draw_map(
    values: pd.DataFrame,
    norm: Normalize,
    colors: Colormap,
    legend: str,
    marks: pd.DataFrame | None = None,
    predicted: pd.DataFrame | None = None,
) -> Figure:
    """Draw a grid of values: frame sizes down, chain lengths across, a number and its mark in each cell.

    Cells that are ``predicted`` are hatched, and their numbers in italics.
    """
    figure, axes = new_map(values)
    if values.empty:
        return figure
    numbers = values.to_numpy(dtype=float)
    image = axes.imshow(np.ma.masked_invalid(numbers), norm=norm, cmap=colors, aspect="auto", origin="upper")
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number):
            text, color = _short(number), ink_on(colors(norm(number)))
            if marks is not None:
                text += str(marks.iat[row, column])
            is_predicted = predicted is not None and bool(predicted.iat[row, column])
            if is_predicted:
                place = (column - 0.5, row - 0.5)
                axes.add_patch(Rectangle(place, 1, 1, fill=False, hatch="//", edgecolor=FAINT_WHITE, linewidth=0))
            slant = "italic" if is_predicted else "normal"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8, fontstyle=slant)
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
    """Make each known cell of a map a link in its SVG, by a transparent square over it.

    ``address`` returns where a chain length and a frame size lead.
    """
    known = np.argwhere(np.isfinite(values.to_numpy(dtype=float))).tolist()
    if not known:
        return
    urls = [address(int(values.columns[column]), int(values.index[row])) for row, column in known]
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    squares = [corners + np.array([column, row]) for row, column in known]
    areas = PolyCollection(squares, facecolors="white", alpha=style.UNSEEN, linewidths=0, urls=urls, zorder=5)
    axes.add_collection(areas, autolim=False)


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


def _legend_of_marks(marks: pd.Series[str]) -> str:
    """Return what the marks mean that some cells carry, for a subtitle."""
    met = "".join(marks)
    return "".join(f" · {mark} {meaning}" for mark, meaning in MARKS.items() if mark in met)


def ink_on(color: tuple[float, float, float, float]) -> str:
    """Return dark or light ink, whichever reads better on a colour (ITU-R BT.709 luminance)."""
    red, green, blue, _ = color
    return style.LIGHT_INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45 else style.DARK_INK


def _short(number: float) -> str:
    """Return a number in about three digits, without an exponent."""
    if number >= 100:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"
