"""What a figure shows, in words: for readers who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

MOST_LINES = 12
"""Lines that are described one by one: as many as chain lengths in the paper."""


def describe(figure: Figure) -> str:
    """Return a figure's axes, and of each line or map the values that matter: first, highest, last; lowest, highest."""
    return " ".join(sentence for axes in figure.axes for sentence in _sentences(axes))


def _sentences(axes: Axes) -> Iterator[str]:
    across, up = axes.get_xlabel(), axes.get_ylabel()
    if not (across and up):
        return  # a drawing, whose words are text already, or the scale of colours beside a map
    if axes.images:
        yield f"A map: {across} from left to right, {up} from top to bottom."
        yield from _map(axes)
        return
    yield f"{across} from left to right, {up} upwards."
    lines = [line for line in axes.get_lines() if str(line.get_label()).strip("_") == line.get_label() != ""]
    for line in lines[:MOST_LINES]:
        yield _line(line, axes)


def _line(line: Line2D, axes: Axes) -> str:
    places, values = (np.asarray(data, dtype=float) for data in line.get_data(orig=False))
    known = np.isfinite(values)
    if not known.any():
        return f"{line.get_label()}."
    places, values = places[known], values[known]
    points = dict.fromkeys((0, int(values.argmax()), len(values) - 1))
    are_numbers = np.issubdtype(np.asarray(line.get_xdata()).dtype, np.number)
    names = [f"{place:g}" if are_numbers else axes.format_xdata(place) for place in places]
    told = ", ".join(f"{values[point]:.3g} at {names[point]}" for point in points)
    return f"{line.get_label()}: {told}."


def _map(axes: Axes) -> Iterator[str]:
    values: NDArray[np.float64] = np.ma.filled(np.ma.asarray(axes.images[0].get_array(), dtype=float), np.nan)
    columns, rows = ([tick.get_text() for tick in ticks] for ticks in (axes.get_xticklabels(), axes.get_yticklabels()))
    if np.isfinite(values).any():
        for name, place in (("Lowest", np.nanargmin(values)), ("Highest", np.nanargmax(values))):
            row, column = np.unravel_index(place, values.shape)
            yield f"{name}: {values[row, column]:.3g} at {columns[column]}, {rows[row]}."
