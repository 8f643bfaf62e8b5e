"""How sure a mean over repetitions is, and when repetitions differ too much to be believed.

Pure arithmetic over arrays, so that a whole summary is done at once. What cannot be known of too
few repetitions is missing (NaN), never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

CONFIDENCE = 0.95
"""Of the intervals: so often they hold the true mean, if repetitions scatter independently and normally."""

SPREAD_LIMIT = 0.10
"""Standard deviation over mean from which a cell is unstable: the limit of `pyperf check` (its `format_checks`)."""

EXTREME_LIMIT = 0.50
"""Distance of the least or greatest value from the mean, over the mean, from which a cell is unstable: as above."""

STABLE, UNSTABLE, UNKNOWN = "stable", "unstable", ""
"""What is said of a cell; nothing of one that was measured once."""


MOST_DECIMALS = 4
"""Digits after the point that a reader is shown at most."""


class Interval(NamedTuple):
    """A range that is said to hold a mean."""

    low: float
    high: float


def half_width(deviation: ArrayLike, repetitions: ArrayLike) -> NDArray[Any]:
    """Return half the width of the interval of each mean (Student's t); missing below two repetitions.

    Args:
        deviation: standard deviations of samples (divisor k - 1).
        repetitions: how many values each is of.
    """
    count = np.asarray(repetitions, dtype=float)
    known = np.where(count > 1, count, np.nan)
    factor = special.stdtrit(known - 1, (1 + CONFIDENCE) / 2)
    return np.asarray(factor * np.asarray(deviation, dtype=float) / np.sqrt(known))


def interval_of(values: Sequence[float]) -> Interval | None:
    """Return the interval of the mean of some values; None when fewer than two are known."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return None
    mean, half = float(known.mean()), float(half_width(known.std(ddof=1), len(known)))
    return Interval(mean - half, mean + half)


def with_margin(mean: float, half: float) -> str:
    """Return a mean and half the width of its interval for a reader.

    That in two significant digits, and the mean to the same decimal: further digits would say nothing.
    """
    decimals = min(max(1 - floor(log10(half)), 0), MOST_DECIMALS) if half > 0 else 1
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}"


def stability(mean: ArrayLike, deviation: ArrayLike, lowest: ArrayLike, highest: ArrayLike) -> NDArray[Any]:
    """Return for each cell whether its repetitions agree: stable, unstable, or nothing where that is unknown.

    Args:
        mean: means over repetitions, not negative.
        deviation: their standard deviations, missing where there was one repetition.
        lowest: the least values.
        highest: the greatest values.
    """
    middle, spread = np.asarray(mean, dtype=float), np.asarray(deviation, dtype=float)
    extreme = np.maximum(middle - np.asarray(lowest, dtype=float), np.asarray(highest, dtype=float) - middle)
    apart = ((spread >= SPREAD_LIMIT * middle) | (extreme >= EXTREME_LIMIT * middle)) & (spread > 0)
    return np.where(np.isfinite(spread), np.where(apart, UNSTABLE, STABLE), UNKNOWN)
