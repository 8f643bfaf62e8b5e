"""One law fitted to cells: robustly, on the logarithm of the time per frame, from several starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from middlebench.analysis.law.cells import Cells
from middlebench.analysis.law.terms import Numbers, Shape
from middlebench.model.frames import WIRE_OVERHEAD_BYTES

NOISE = 0.1
"""Relative error from which a cell counts less than by its square (soft L1): the spread of an unstable cell."""

LARGEST_LOGARITHM = 25.0
"""Keeps a parameter that the cells do not need from running away; e^-25 is nothing, in every unit."""

UNTOLD = 1e-9
"""Derivative below which the cells do not tell a parameter: its term binds in none of them."""

ABSENT = {"r": 1e9, "C": 1.0, "k": 1e3}
"""What a parameter is then, instead of whatever the search began with: its term is absent. All others are 0."""

HOP_SHARE = 0.8
"""Of what a chain takes a hop, from which the search begins: the rest may be paid otherwise."""

MOST_EVALUATIONS = 60
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Fit:
    """A law with its parameters."""

    shape: Shape
    values: Mapping[str, float]

    def log_us(self, n: Numbers, size: Numbers, offered_us: Numbers) -> Numbers:
        """Return the logarithm of the predicted time per frame in µs; see :meth:`Shape.time_us`."""
        return np.log(self.shape.time_us(self.values, n, size, offered_us))

    def hop_us(self, size: int) -> float:
        """Return the time per frame and hop in µs at a size in bytes."""
        return self.values["b"] + self.values.get("c", 0.0) * size

    def residuals(self, cells: Cells) -> Numbers:
        """Return log(predicted rate / measured rate) of each cell."""
        return cells.log_us - self.log_us(cells.n, cells.size, cells.offered_us)


def fit(shape: Shape, cells: Cells, near: Fit | None = None) -> Fit:
    """Return a law fitted to cells.

    ``near`` is a fit of it to nearly the same cells, from which to start instead of from several places.
    """
    names = shape.parameters

    def difference(logarithms: Numbers) -> Numbers:
        values = _values(names, logarithms)
        return np.log(np.maximum(shape.time_us(values, cells.n, cells.size, cells.offered_us), 1e-12)) - cells.log_us

    starts = _starts(names, cells) if near is None else [near.values]
    found = min(
        (
            least_squares(
                difference,
                [np.log(max(start[name], 1e-11)) for name in names],
                loss="soft_l1",
                f_scale=NOISE,
                ftol=TOLERANCE,
                xtol=TOLERANCE,
                gtol=TOLERANCE,
                max_nfev=MOST_EVALUATIONS,
            )
            for start in starts
        ),
        key=lambda result: float(result.cost),
    )
    told = np.abs(found.jac).sum(axis=0) > UNTOLD
    values = _values(names, found.x)
    return Fit(
        shape,
        {name: values[name] if is_told else ABSENT.get(name, 0.0) for name, is_told in zip(names, told, strict=True)},
    )


def left_out(whole: Fit, cells: Cells, groups: Numbers) -> dict[int, Fit]:
    """Return the law fitted without each group of cells in turn, by the group's number."""
    return {int(group): fit(whole.shape, cells.where(groups != group), whole) for group in np.unique(groups)}


def redrawn(whole: Fit, cells: Cells, times: int, seed: int) -> list[Fit]:
    """Return the law fitted to cells that are drawn again and again, with replacement (bootstrap)."""
    generator = np.random.default_rng(seed)
    return [fit(whole.shape, cells.drawn(generator), whole) for _ in range(times)]


def _values(names: Iterable[str], logarithms: Numbers) -> dict[str, float]:
    bounded = np.exp(np.clip(logarithms, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    return dict(zip(names, map(float, bounded), strict=True))


def _starts(names: tuple[str, ...], cells: Cells) -> Iterator[dict[str, float]]:
    """Yield places from which to look for the parameters.

    A term that binds in no cell at the start would never move. So what is paid once is read off the shortest chain, and
    the hop off a longer one, once in the middle and once the longest.
    """
    once, per_byte = _line(cells, float(cells.n.min()))
    sizes = cells.sizes
    longest, n_square = float(cells.n.max()), float(cells.n.max()) ** 2
    largest_us = once + per_byte * float(sizes.max())
    for place in (0.5, 1.0):
        n = float(np.quantile(cells.chains, place, method="nearest"))
        first, each_byte = _line(cells, n)
        for late in (0.5, 0.8) if "k" in names else (0.5,):
            k = float(np.quantile(cells.chains, late))
            yield {
                "a": once / 3,
                "p0": once,
                "p1": per_byte,
                "r": 8 * (float(sizes.max()) + WIRE_OVERHEAD_BYTES) / largest_us,
                "C": 2.0,
                "b": HOP_SHARE * first / n,
                "c": HOP_SHARE * each_byte / n,
                "w": largest_us / max(longest - k, 1.0),
                "k": k,
                "q": first / n_square,
            }


def _line(cells: Cells, n: float) -> tuple[float, float]:
    """Return what a frame takes in chains of one length, in µs, and a byte more in µs/B; neither less than nothing."""
    own = cells.n == n
    size, us = cells.size[own], np.exp(cells.log_us[own])
    smallest, largest = us[size == size.min()].mean(), us[size == size.max()].mean()
    per_byte = max(float(largest - smallest), 0.01 * float(smallest)) / max(float(np.ptp(size)), 1.0)
    return max(float(smallest) - per_byte * float(size.min()), float(smallest) / 3), per_byte
