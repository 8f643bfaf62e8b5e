"""The knee: for each frame size the longest chain that still delivers most of the best rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from middlebench.analysis.law.cells import Cells
from middlebench.analysis.law.terms import Numbers
from middlebench.model.options import Options

SHARE = 0.9
"""Of the best rate at a size that is still "about as much": 10 % is the spread of an unstable cell (pyperf)."""

DRAWS = 1000
SEED = 1
INTERVAL = (0.025, 0.975)


class Knee(Options):
    """The longest measured chain that delivers the wanted share of the best rate at a frame size."""

    n: int
    low: int
    """Ends of its 95 % interval."""
    high: int
    predicted: int | None = None
    """The longest such chain by the law, measured or not; None without a law."""


def knees(cells: Cells, scatter: Mapping[int, float], share: float = SHARE) -> dict[str, Knee]:
    """Return the knee of each frame size in bytes.

    Its interval comes from drawing every cell again, from a normal distribution of the logarithm of its rate.
    ``scatter`` is the standard deviation of the logarithm of a cell's mean rate, by chain length.
    """
    generator = np.random.default_rng(SEED)
    found = {}
    for size in cells.sizes:
        own = cells.where(cells.size == size)
        log_rates = np.log(own.kpps)
        deviations = np.array([scatter[int(n)] for n in own.n])
        drawn = log_rates + deviations * generator.standard_normal((DRAWS, len(log_rates)))
        low, high = np.quantile(_longest(own.n, drawn, share), INTERVAL, method="nearest")
        knee = int(_longest(own.n, log_rates[np.newaxis], share)[0])
        found[str(int(size))] = Knee(n=knee, low=min(int(low), knee), high=max(int(high), knee))
    return found


def _longest(n: Numbers, log_rates: Numbers, share: float) -> Numbers:
    """Return, of each row of rates, the greatest length that has this share of the row's best."""
    enough = log_rates >= log_rates.max(axis=1, keepdims=True) + np.log(share) - 1e-12
    longest: Numbers = np.where(enough, n, 0.0).max(axis=1)
    return longest
