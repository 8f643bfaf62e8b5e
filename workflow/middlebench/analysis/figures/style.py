"""How every figure looks: type sizes, colours, markers, file formats. The one place to change it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from middlebench.analysis.figures.description import describe
from middlebench.system.files import write_bytes

mpl.use("Agg")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

SETTINGS: dict[Any, object] = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e2e2e2",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "figure.constrained_layout.use": True,
    "date.converter": "concise",
    "svg.hashsalt": "middlebench",
    "svg.fonttype": "none",  # text that can be searched, copied and read aloud
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],  # the first two are equally wide
    "pdf.fonttype": 42,
}

PNG_DPI = 150

FIGURE_WIDTH = 8.0
"""Inches."""

MOST_TICKS = 16
"""Chain lengths up to which each has its own tick."""

LINK_POINTS = 11
"""Diameter of the part of a figure that leads to a point's record, in points."""

UNSEEN = 0.001
"""Opacity of what is there to be clicked and not to be seen: with 0, Matplotlib leaves the area out of the SVG."""

SUBTITLE_SIZE = 9
SUBTITLE_CHARACTERS_PER_INCH = 12.5
"""How many characters of a subtitle fit into an inch of figure."""

METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
"""What is left out of each format, so that the same figure gives the same bytes."""

DESCRIPTION = {"png": "Description", "svg": "Description", "pdf": "Subject"}
"""Where each format says what a figure shows."""

BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
"""From Okabe and Ito's palette, which stays distinct under every common colour blindness."""
GREY = "#6b6b6b"

DARK_INK, LIGHT_INK = "#111111", "#fdfdfd"
"""Of text on a coloured area. Black, white and grey follow the colours of the page that a figure is a part of."""

THROUGHPUT_MAP = "cividis"
"""Perceptually even and the same to colour-blind readers."""
LENGTH_MAP, LENGTH_RANGE = "viridis", (0.3, 0.92)
"""For lines ordered by chain length: as safe, more colours apart, and none that is lost on black or on white."""
RATIO_MAP = "PuOr"
"""Diverging, white at parity; safe for colour-blind readers."""


@dataclass(frozen=True)
class LineStyle:
    """Colour, marker and dashes of one dataset's line: distinct in print without colour too."""

    color: str
    marker: str
    linestyle: Literal["-", "--", ":"]


MEASURED_STYLES = (LineStyle(BLUE, "o", "-"), LineStyle(GREEN, "^", "-"), LineStyle(PURPLE, "D", "-"))
PUBLISHED_STYLE = LineStyle(VERMILLION, "s", "--")
LINE_RATE_STYLE = LineStyle(GREY, "", ":")
LENGTH_MARKERS = "os^Dv<>pPX*h"


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function that draws, so that it draws in our style, whatever the user's matplotlibrc says.

    The user's style is back after that.
    """

    @wraps(draw)
    def in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(SETTINGS)
            return draw(*args, **kwargs)

    return in_style


def new_figure(width: float = FIGURE_WIDTH, height: float = 4.8, panels: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """Return an empty figure of a size in inches, and its panels, left to right on one y axis."""
    figure = Figure(figsize=(width, height), layout="constrained")
    first = figure.add_subplot(1, panels, 1)
    return figure, [first, *(figure.add_subplot(1, panels, place, sharey=first) for place in range(2, panels + 1))]


def new_pair(titles: Sequence[str], subtitle: str, note: str) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of a panel for each of one or two titles, side by side, with axes of their own.

    ``note`` is what each title must say besides, if anything.
    """
    width = FIGURE_WIDTH if len(titles) == 1 else FIGURE_WIDTH / 2 + 1.5
    figure = Figure(figsize=(len(titles) * width, 5.4), layout="constrained")
    panels = list(figure.subplots(1, len(titles), squeeze=False)[0])
    set_titles(panels, [noted(title, note) for title in titles], [subtitle] * len(titles), width - 1)
    return figure, panels


def set_length_ticks(axes: Axes, lengths: Sequence[int]) -> None:
    """Give each chain length on the x axis its own tick, or only some of many."""
    axes.xaxis.set_major_locator(FixedLocator(lengths) if len(lengths) <= MOST_TICKS else MaxNLocator(integer=True))


def add_links(axes: Axes, places: Iterable[float], values: Iterable[float], addresses: Iterable[str]) -> None:
    """Make points of a figure links in its SVG: a transparent disc over each known one, larger than its marker."""
    if known := [point for point in zip(places, values, addresses, strict=True) if isfinite(point[1])]:
        x, y, urls = zip(*known, strict=True)
        axes.scatter(
            x, y, s=LINK_POINTS**2, color="white", alpha=UNSEEN, linewidths=0, urls=urls, zorder=5, clip_on=False
        )


def noted(title: str, note: str) -> str:
    """Return a title with what it must say besides, if anything."""
    return f"{title} [{note}]" if note else title


def set_title(axes: Axes, title: str, subtitle: str) -> None:
    """Put a title above a figure's only axes and below it, smaller, what it was measured on."""
    set_titles([axes], [title], [subtitle], FIGURE_WIDTH)


def set_titles(panels: Sequence[Axes], titles: Sequence[str], subtitles: Sequence[str], width: float) -> None:
    """Put a title and a subtitle above each panel, all titles at one height; ``width`` inches wrap a subtitle."""
    wrapped = [textwrap.wrap(subtitle, round(width * SUBTITLE_CHARACTERS_PER_INCH)) for subtitle in subtitles]
    pad = 13 + SUBTITLE_SIZE * 1.3 * max(len(lines) for lines in wrapped)
    for axes, title, lines in zip(panels, titles, wrapped, strict=True):
        axes.set_title(title, pad=pad)
        text = axes.annotate(
            "\n".join(lines),
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(0, pad - 4),
            textcoords="offset points",
            fontsize=SUBTITLE_SIZE,
            color=GREY,
            linespacing=1.25,
            va="top",
            annotation_clip=False,
        )
        text.set_in_layout(False)


def save_figure(figure: Figure, folder: Path, name: str) -> dict[str, Path]:
    """Write a figure as ``name.png``, ``name.svg`` and ``name.pdf``, the same bytes each time; return the paths.

    Its title and what it shows go into the files as well, for readers who cannot see it.
    """
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in METADATA}
    for suffix, content in _drawn(figure, tuple(METADATA)).items():
        write_bytes(paths[suffix], content)
    return paths


def svg_of(figure: Figure) -> str:
    """Return the SVG that :func:`save_figure` would write, where no file is wanted."""
    return _drawn(figure, ("svg",))["svg"].decode()


@styled
def _drawn(figure: Figure, formats: Sequence[str]) -> dict[str, bytes]:
    """Return a figure in each format, with its title and what it shows."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, for all formats
    title, words = figure.axes[0].get_title(loc="left"), describe(figure)
    drawn = {}
    for suffix in formats:
        stream = io.BytesIO()
        described = {"Title": title, DESCRIPTION[suffix]: words, **METADATA[suffix]}
        figure.savefig(stream, format=suffix, dpi=PNG_DPI, metadata=described)
        drawn[suffix] = stream.getvalue()
    return drawn
