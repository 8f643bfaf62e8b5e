"""Fewer cells: which points of the sweep to measure next, so that the law is sure of the others.

First a space-filling tenth of the grid, then batches of the points of which the law is least sure. The choice follows
from the grid and from what was measured, and from nothing else: a sweep that was interrupted goes on as it would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

import numpy as np
import pandas as pd

from middlebench.analysis.law.cells import cells_of
from middlebench.analysis.law.choice import FEWEST_CHAINS, choose, regrouped
from middlebench.analysis.law.prediction import FEWEST_CELLS, predictor
from middlebench.analysis.law.terms import Numbers

FIRST_SHARE, NEXT_SHARE = 0.1, 0.05
"""Of the grid: what is measured first, and in each later batch."""

ONE_CHAIN_SHARE = 1 / 3
"""Of a batch, that one chain length may take: it would else be all of it, beside a break of the curve."""

FOLDS, SEED = 10, 1

Point = tuple[int, int]
"""Chain length and frame size in bytes."""


def next_points(
    grid: Sequence[Point], measurements: pd.DataFrame, certainty: float, link_bps: float | None = None
) -> tuple[list[Point], str]:
    """Return the points to measure next, and why; none once the law is sure enough of all others.

    Args:
        grid: all points of the sweep.
        measurements: of the batches before; empty at first.
        certainty: half the width of the 95 % interval, over the rate, that is good enough.
        link_bps: line rate of the links in bits/s, if it is known.
    """
    measured = {(int(n), int(size)) for n, size in zip(measurements["n"], measurements["frame_bytes"], strict=True)}
    left = sorted(set(grid) - measured)
    if not left:
        return [], "every point of the grid is measured"
    if not measured:
        first = spread_out(grid, ceil(FIRST_SHARE * len(grid)))
        return sorted({*first, *(point for point in grid if point[0] == 0)}), "a space-filling part of the grid"
    many = ceil(NEXT_SHARE * len(grid))
    cells = cells_of(measurements, link_bps)
    if len(cells.chains) < FEWEST_CHAINS:
        filled = spread_out(grid, len(measured) + many, sorted(measured & set(grid)))
        return [point for point in filled if point not in measured], "too few chain lengths for a law"
    chosen, _ = choose(cells)
    predicting, _ = predictor(regrouped(chosen, _folds(len(cells.n))))
    widths = predicting.half_width(*(np.array([point[axis] for point in left], dtype=float) for axis in (0, 1)))
    widest = float(np.expm1(widths.max()))
    unseen = {n for n, _ in left} - {n for n, _ in measured}
    if widest <= certainty and len(cells.n) >= FEWEST_CELLS and not unseen:
        return [], f"the law is sure of every other point to ± {widest:.1%}".replace("%", " %")
    order = sorted(range(len(left)), key=lambda place: (left[place][0] not in unseen, -widths[place], left[place]))
    sure = f"the law says that it is sure to ± {widest:.0%}".replace("%", " %")
    reason = sure if widest < 1 else "the law does not know some point at all"
    few = "; too few cells or chain lengths to go by" if len(cells.n) < FEWEST_CELLS or unseen else ""
    return _least_sure([left[place] for place in order], many), f"{reason}{few}"


def _folds(cells: int) -> Numbers:
    """Return the group of each cell, drawn at random.

    Every chain length is measured at some sizes before a sweep ends, so that single cells are left out to see how sure
    the law is of others: to leave whole chains out would ask for what is not wanted here, and cost most of the grid.
    """
    return np.random.default_rng(SEED).permutation(cells).astype(float) % FOLDS


def spread_out(grid: Sequence[Point], count: int, begun: Sequence[Point] = ()) -> list[Point]:
    """Return so many points of a grid, each as far as can be from all before it.

    Distance is taken between places in the grid, not between values, so that close chain lengths count as much as far
    ones. Every beginning of the sequence fills the space as well.

    Args:
        grid: all points.
        count: how many are wanted, those that are given among them.
        begun: points that are chosen already; by default that of the shortest chain and the smallest size.
    """
    axes = [sorted({point[axis] for point in grid}) for axis in (0, 1)]
    place = {
        point: np.array([axes[axis].index(point[axis]) / max(len(axes[axis]) - 1, 1) for axis in (0, 1)])
        for point in sorted(set(grid))
    }
    points = list(begun) or [min(place)]
    nearest = {point: min(float(np.hypot(*(at - place[each]))) for each in points) for point, at in place.items()}
    while len(points) < min(count, len(place)):
        farthest = max(place, key=lambda point: (nearest[point], point[0], -point[1]))
        points.append(farthest)
        for point, at in place.items():
            nearest[point] = min(nearest[point], float(np.hypot(*(at - place[farthest]))))
    return points


def _least_sure(ordered: Sequence[Point], many: int) -> list[Point]:
    """Return the first of the points, no more of one chain length than its share while there are others."""
    most = ceil(ONE_CHAIN_SHARE * many)
    taken: Counter[int] = Counter()
    chosen = []
    for point in ordered:
        if taken[point[0]] < most:
            taken[point[0]] += 1
            chosen.append(point)
    chosen += [point for point in ordered if point not in chosen]
    return sorted(chosen[:many])
