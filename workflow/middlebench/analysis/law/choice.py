"""The law that predicts best: chosen by what it says of chains that it was not fitted to, never by its fit alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from middlebench.analysis.law.cells import Cells
from middlebench.analysis.law.fitting import Fit, fit, left_out
from middlebench.analysis.law.terms import Numbers, Shape, candidates, simpler

FEWEST_CHAINS = 3
"""Chain lengths below which nothing can be left out and still be predicted."""

WORTH_A_TERM = 0.05
"""Share of the error by which a further term must lower it: less is of no use to a reader."""

OUTLIER = 3.0
"""How many times the best law's usual error (root mean square over chains) another one may be worse at any chain.

A difference that lies in one chain alone is never more than its own standard error over chains, however large it is.
"""


@dataclass(frozen=True)
class Candidate:
    """One law, fitted to all cells and without each chain."""

    cells: Cells
    whole: Fit
    groups: Numbers
    """What is left out together: each cell's chain length, or the number of another group."""
    without: dict[int, Fit]
    """The fit without each group."""

    @cached_property
    def left_out_residuals(self) -> Numbers:
        """The logarithm of predicted over measured rate of each cell, predicted without its own group."""
        residuals = np.empty_like(self.cells.n)
        for group, without in self.without.items():
            own = self.groups == group
            residuals[own] = without.residuals(self.cells.where(own))
        return residuals

    @cached_property
    def chain_errors(self) -> Numbers:
        """The mean size of these of each chain length."""
        size = np.abs(self.left_out_residuals)
        return np.array([size[self.cells.n == n].mean() for n in self.cells.chains])

    @property
    def left_out_error(self) -> float:
        """The mean size of a relative error over left-out chains, each counted alike (as a geometric mean)."""
        return float(np.expm1(self.chain_errors.mean()))

    @property
    def parameters(self) -> int:
        """How many parameters it has."""
        return len(self.whole.shape.parameters)


def judged(shape: Shape, cells: Cells) -> Candidate:
    """Return a law fitted to all cells and without each chain."""
    whole = fit(shape, cells)
    return Candidate(cells, whole, cells.n, left_out(whole, cells, cells.n))


def regrouped(chosen: Candidate, groups: Numbers) -> Candidate:
    """Return a law with other groups of cells left out."""
    return Candidate(chosen.cells, chosen.whole, groups, left_out(chosen.whole, chosen.cells, groups))


def choose(cells: Cells) -> tuple[Candidate, list[Candidate]]:
    """Return the law that predicts left-out chains best, and all that were tried, best first.

    Of two laws that differ by less than one standard error (of the difference, over chains) that with fewer parameters
    is chosen: the "one standard error rule" (Breiman et al., Classification and Regression Trees, 1984). So it is where
    they differ by less than :data:`WORTH_A_TERM`, unless the simpler one is worse than :data:`OUTLIER` at any chain.
    There must be :data:`FEWEST_CHAINS` chain lengths at least.
    """
    counts = len(cells.sizes), len(cells.chains)
    tried = [judged(shape, cells) for shape in candidates(*counts)]
    chosen = _simplest(tried)
    shapes = [each.whole.shape for each in tried]
    while forms := [shape for shape in simpler(chosen.whole.shape, *counts) if shape not in shapes]:
        shapes += forms
        tried += [judged(shape, cells) for shape in forms]
        chosen = _simplest(tried)
    return chosen, sorted(tried, key=lambda each: (each.left_out_error, each.parameters))


def _simplest(tried: list[Candidate]) -> Candidate:
    """Return the law with fewest parameters of those that are as good as the best; of these the better one."""
    best = min(tried, key=lambda each: (each.left_out_error, each.parameters))

    def as_good(other: Candidate) -> bool:
        worse = other.chain_errors - best.chain_errors
        error = float(worse.std(ddof=1)) / np.sqrt(len(worse))
        alike = worse.mean() <= max(error, WORTH_A_TERM * float(best.chain_errors.mean()))
        return bool(alike and worse.max() <= OUTLIER * float(np.sqrt(np.mean(best.chain_errors**2))))

    return min(filter(as_good, tried), key=lambda each: (each.parameters, each.left_out_error))
