"""Whether two datasets are the same within a margin, cell by cell: two one-sided tests. They are never pooled.

That a difference is not significant says nothing: too few repetitions make every difference so. Here the burden of
proof is the other way round (Schuirmann, "A comparison of the two one-sided tests procedure and the power approach",
1987): cells are *equivalent* when the 90 % interval of the ratio of their rates lies within the margin, *different*
when it lies outside of it, else *undecided*.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import ceil, exp, isnan, log1p, nan, sqrt

import numpy as np
import pandas as pd
from scipy import special

from middlebench.analysis.law.cells import Cells, Spread, cells_of
from middlebench.analysis.law.terms import Numbers

MARGIN = 0.1
"""As far apart two runs of one cell may be and count as the same: the spread of an unstable cell (pyperf)."""

ERROR = 0.05
"""How often each of the two tests may call different cells equivalent. Their interval is one of 1 - 2 · this."""

MISSED = 0.2
"""How often cells that are the same may stay undecided with as many repetitions as are called needed."""


class Sameness(StrEnum):
    """What can be said of a cell in two datasets."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    UNDECIDED = "undecided"
    UNKNOWN = "measured once"
    """In one of them no cell of this chain was repeated, so that nothing is known of its scatter."""


def compare_cells(mine: pd.DataFrame, theirs: pd.DataFrame, margin: float = MARGIN) -> pd.DataFrame:
    """Return the cells that two measurements share, and whether they are the same within a margin.

    A ratio between 1/(1 + ``margin``) and 1 + ``margin`` is the same.

    Returns:
        Columns n, frame_bytes, mine_mbps, theirs_mbps (geometric means over repetitions), ratio, ratio_low, ratio_high
        (its 90 % interval, missing where unknown), sameness, and repetitions_needed (missing where unknown): as many
        on either side would decide it where both are the same and scatter as they did. Sorted by n and size.
    """
    cells = [cells_of(each) for each in (mine, theirs)]
    rates = [_log_rates(each) for each in cells]
    spreads = [each.spreads() for each in cells]
    rows = []
    for cell in sorted(rates[0].keys() & rates[1].keys()):
        n, size = cell
        means = [each[cell].mean() for each in rates]
        known = [(each[n], len(rate[cell])) for each, rate in zip(spreads, rates, strict=True) if n in each]
        half = _half_width(known) if len(known) == 2 else nan
        needed = _repetitions_needed(known, log1p(margin)) if len(known) == 2 else None
        difference = float(means[0] - means[1])
        low, high = difference - half, difference + half
        mbps = [exp(mean) * size * 8 / 1e3 for mean in means]
        sameness = str(_sameness(low, high, log1p(margin)))
        rows.append((n, size, *mbps, exp(difference), exp(low), exp(high), sameness, needed))
    columns = ["n", "frame_bytes", "mine_mbps", "theirs_mbps", "ratio", "ratio_low", "ratio_high", "sameness"]
    return pd.DataFrame(rows, columns=[*columns, "repetitions_needed"]).astype({"repetitions_needed": "Int64"})


def tally(compared: pd.DataFrame) -> Mapping[Sameness, int]:
    """Return how many cells there are of each kind."""
    return {each: int((compared["sameness"] == str(each)).sum()) for each in Sameness}


def _log_rates(cells: Cells) -> dict[tuple[int, int], Numbers]:
    """Return the logarithms of each cell's rates in kpkt/s."""
    places = zip(cells.n, cells.size, cells.repetitions, strict=True)
    return {(int(n), int(size)): np.log(values[values > 0]) for n, size, values in places}


def _half_width(known: list[tuple[Spread, int]]) -> float:
    """Return half the width of the interval of a difference of means (Welch and Satterthwaite)."""
    parts = [(spread.deviation**2 / count, spread.freedom) for spread, count in known]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    return float(special.stdtrit(freedom, 1 - ERROR)) * sqrt(variance)


def _repetitions_needed(known: list[tuple[Spread, int]], margin: float) -> int:
    """Return how many repetitions on either side show with a power of 1 - MISSED that two cells are the same.

    For a difference of 0 (Julious, "Sample sizes for clinical trials with normal data", 2004, on bioequivalence).
    """
    quantiles = float(special.ndtri(1 - ERROR) + special.ndtri(1 - MISSED / 2))
    return max(2, ceil(sum(spread.deviation**2 for spread, _ in known) * (quantiles / margin) ** 2))


def _sameness(low: float, high: float, margin: float) -> Sameness:
    if isnan(low):
        return Sameness.UNKNOWN
    if -margin < low and high < margin:
        return Sameness.EQUIVALENT
    return Sameness.DIFFERENT if high < -margin or low > margin else Sameness.UNDECIDED
