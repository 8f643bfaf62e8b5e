"""What a law says of cells that were not measured, and how sure it is of it.

Intervals are conformal: a left-out cell's error is put in relation to what could be known of its size beforehand, and
the 95 % quantile of this over all left-out cells is what an interval takes to either side (Lei et al.,
"Distribution-Free Predictive Inference for Regression", 2018, section 5.2; here whole chains are left out, not single
cells). What can be known beforehand is the residual of the fit, and how far the law moves at this cell when a chain is
left out. To be honest about left-out cells, the latter is asked of fits without two chains.

Of few chains neither is known well enough: a law fits four of them by chance, and fits without two of them are of two.
There the interval is that of Student's t, with as many observations as chains were left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import ceil

import numpy as np
from scipy.stats import t as student

from middlebench.analysis.data.intervals import CONFIDENCE
from middlebench.analysis.law.cells import Offered, offered_us
from middlebench.analysis.law.choice import Candidate
from middlebench.analysis.law.fitting import Fit, fit
from middlebench.analysis.law.terms import Extra, Flat, Hops, Numbers, Shape
from middlebench.model.frames import packets_per_second, throughput_mbps
from middlebench.model.options import Options

LEAST_RESIDUAL = 0.005
"""A law is never believed to more than this share: a trial's own counting is not better."""

DEPLOYMENT_SCATTER = 0.05
"""By how much the rate of a chain differs when it is deployed again (standard deviation of the logarithm).

Measured where each chain is deployed once, this shows in no residual; few chains do not show it either.
"""

FEWEST_GROUPS = 6
"""Of left-out chains (or groups), for a conformal interval."""

MOST_GROUPS = 12
"""Of more chains (or groups) only so many, evenly spread, are left out with each other one. Bounds the time."""

FEWEST_CELLS = 19
"""Of fewer left-out cells the quantile that a 95 % interval needs does not exist: ⌈(k + 1)·0.95⌉ is more than k."""

LONGEST = 10_000
"""Chains that are looked at when the longest one for a rate is wanted."""


class Calibration(Options):
    """Whether intervals hold what they promise."""

    cells: int
    """Left-out cells that were looked at."""
    inside: float
    """The share of them that lie in the 95 % interval which was made without their chain."""


class Basis(Options):
    """What predictions and their intervals are computed from, beside the law's parameters."""

    flat: Flat
    hops: Hops
    extra: Extra
    without: tuple[dict[str, float], ...]
    """The parameters without each chain length in turn."""
    residual: float
    """Standard deviation of the logarithm: robust, of the fit's residuals; of few chains, of a left-out chain."""
    width: float
    """How many times the expected error an interval takes to either side."""
    offered: Offered

    @property
    def shape(self) -> Shape:
        """Which terms the law has."""
        return Shape(self.flat, self.hops, self.extra)


class Predictor(Basis):
    """A law with what its intervals rest on."""

    values: dict[str, float]
    """The parameters."""
    lengths: tuple[int, int]
    """Shortest and longest measured chain."""
    sizes: tuple[int, int]
    """Smallest and largest measured frame size in bytes."""

    @property
    def whole(self) -> Fit:
        """The law with its parameters."""
        return Fit(self.shape, self.values)

    def kpps(self, n: Numbers, size: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return the predicted rate of cells in kpkt/s, and the ends of its interval.

        ``size`` is in bytes, one for each chain length in ``n``.
        """
        rate = 1e3 * np.exp(-self.whole.log_us(n, size, offered_us(self.offered, size)))
        half = self.half_width(n, size)
        return rate, rate * np.exp(-half), rate * np.exp(half)

    def half_width(self, n: Numbers, size: Numbers) -> Numbers:
        """Return half the width of the interval of each cell's rate, in the logarithm."""
        without = [Fit(self.shape, values) for values in self.without]
        return self.width * expected_error(without, self.residual, n, size, offered_us(self.offered, size))

    def mbps(self, n: int, size: int) -> tuple[float, ...]:
        """Return the predicted throughput of one cell in Mb/s, and the ends of its interval; ``size`` is in bytes."""
        rates = self.kpps(np.array([float(n)]), np.array([float(size)]))
        return tuple(throughput_mbps(1e3 * float(rate[0]), size) for rate in rates)

    def extrapolates(self, n: int, size: int) -> bool:
        """Return whether a cell lies outside of what was measured."""
        return not (self.lengths[0] <= n <= self.lengths[1] and self.sizes[0] <= size <= self.sizes[1])

    def longest(self, mbps: float, size: int) -> tuple[int, int, int]:
        """Return the longest chain that delivers a throughput in Mb/s at a size in bytes, and the ends of its interval.

        0 where even one middlebox does not. Nothing beyond :data:`LONGEST` is looked at.
        """
        n, wanted_kpps = np.arange(1, LONGEST + 1, dtype=float), packets_per_second(mbps, size) / 1e3
        found = []
        for rates in self.kpps(n, np.full_like(n, size)):
            short = np.flatnonzero(rates < wanted_kpps)
            found.append(int(short[0]) if len(short) else LONGEST)
        return found[0], found[1], found[2]


def predictor(chosen: Candidate) -> tuple[Predictor, Calibration | None]:
    """Return what predicts cells by the chosen law, and how its intervals do on cells that it does not know.

    The second is missing where there are fewer than :data:`FEWEST_GROUPS`.
    """
    cells, shape, groups = chosen.cells, chosen.whole.shape, len(chosen.without)
    scores = _scores(chosen) if groups >= FEWEST_GROUPS else None
    residual = _new_chain_error(chosen) if scores is None else robust_scale(chosen.whole.residuals(cells))
    return (
        Predictor(
            flat=shape.flat,
            hops=shape.hops,
            extra=shape.extra,
            without=tuple(dict(each.values) for each in chosen.without.values()),
            residual=residual,
            width=float(student.ppf((1 + CONFIDENCE) / 2, groups - 1)) if scores is None else quantile(scores),
            offered=cells.offered,
            values=dict(chosen.whole.values),
            lengths=(int(cells.n.min()), int(cells.n.max())),
            sizes=(int(cells.size.min()), int(cells.size.max())),
        ),
        None if scores is None else _calibration(chosen.groups, scores),
    )


def expected_error(without: Sequence[Fit], residual: float, n: Numbers, size: Numbers, offered: Numbers) -> Numbers:
    """Return how far off a prediction may well be, in the logarithm: the residual, and the jackknife over chains.

    ``residual`` is the standard deviation of the residuals; sizes are in bytes, ``offered`` is the time per offered
    frame in µs.
    """
    each = np.array([one.log_us(n, size, offered) for one in without])
    expected: Numbers = np.sqrt(residual**2 + (len(each) - 1) * each.var(axis=0))
    return expected


def quantile(scores: Numbers) -> float:
    """Return what a new score stays below with :data:`CONFIDENCE`, after so many: rank ⌈(k + 1)·confidence⌉."""
    rank = min(ceil((len(scores) + 1) * CONFIDENCE), len(scores))
    return float(np.sort(scores)[rank - 1])


def _new_chain_error(chosen: Candidate) -> float:
    """Return the standard deviation of the logarithm of a new chain's rate: each left-out chain counts alike."""
    squares = [np.mean(chosen.left_out_residuals[chosen.groups == group] ** 2) for group in chosen.without]
    return float(np.sqrt(np.mean(squares) + DEPLOYMENT_SCATTER**2))


def _scores(chosen: Candidate) -> Numbers:
    """Return each left-out cell's error over what was expected of it without its group."""
    cells, groups, numbers = chosen.cells, chosen.groups, list(chosen.without)
    places = np.linspace(0, len(numbers) - 1, min(MOST_GROUPS, len(numbers))).round().astype(int)
    paired = {numbers[place] for place in places}
    twice = {
        frozenset(pair): fit(chosen.whole.shape, cells.where(~np.isin(groups, pair)), chosen.without[pair[0]])
        for pair in combinations(numbers, 2)
        if paired & set(pair)
    }
    scores = np.empty_like(cells.n)
    for group, without in chosen.without.items():
        own = groups == group
        fits = [twice[frozenset((group, other))] for other in paired - {group}]
        residual = robust_scale(without.residuals(cells.where(~own)))
        expected = expected_error(fits, residual, cells.n[own], cells.size[own], cells.offered_us[own])
        scores[own] = np.abs(chosen.left_out_residuals[own]) / expected
    return scores


def _calibration(groups: Numbers, scores: Numbers) -> Calibration:
    """Return the share of cells whose score stays below the quantile of the scores of all other groups."""
    inside = [scores[groups == group] <= quantile(scores[groups != group]) for group in np.unique(groups)]
    return Calibration(cells=len(scores), inside=float(np.concatenate(inside).mean()))


def robust_scale(residuals: Numbers) -> float:
    """Return a standard deviation of residuals that a few outliers do not change (median, scaled to the normal's)."""
    return max(1.4826 * float(np.median(np.abs(residuals))), LEAST_RESIDUAL)
