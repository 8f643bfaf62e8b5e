"""Where extra repetitions go: to the cells whose mean is known least.

Pure and greedy: one repetition after the other goes to the cell whose 95 % interval is the widest, over
its mean, by what is predicted of it with the repetitions given so far. The prediction takes the
cell's standard deviation as it is; only measuring tells whether it stays so.

What is finished above the planned repetitions counts as extra. Never are there more extra cells than
were asked for, and none of the finished ones gives way to one that is not.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from middlebench.analysis.aggregate import summarise
from middlebench.analysis.intervals import half_width
from middlebench.model.order import CellName

Point = tuple[int, int]
"""Chain length and frame size (bytes without FCS)."""


@dataclass(frozen=True)
class Spread:
    """What is known of one point of the grid from its repetitions."""

    mean: float
    """Mean received throughput, in any unit."""
    deviation: float
    """Standard deviation over the repetitions (divisor k - 1), in the same unit."""
    repetitions: int
    """How many there are, two or more."""

    def relative_half_width(self, extra: int = 0) -> float:
        """Return half the width of the 95 % interval over the mean, as predicted with so many more repetitions.

        Zero where the mean is zero: no repetition makes a chain that passes nothing better known.
        """
        if self.mean <= 0:
            return 0.0
        return float(half_width(self.deviation, self.repetitions + extra)) / self.mean


def allocate(spreads: Mapping[Point, Spread], budget: int, most: Mapping[Point, int] | None = None) -> dict[Point, int]:
    """Return how many extra repetitions each point gets; points that get none are left out.

    Args:
        spreads: what is known of each point.
        budget: repetitions to give away. Some are left when every interval has no width.
        most: how many a point can get, none where it is not named; None where each can get any number.
    """
    limits = {point: math.inf if most is None else most.get(point, 0) for point in spreads}
    widest = [(-spread.relative_half_width(), point) for point, spread in spreads.items() if limits[point] > 0]
    heapq.heapify(widest)
    extra: dict[Point, int] = {}
    for _ in range(budget):
        if not widest or widest[0][0] == 0:
            break
        _, point = widest[0]
        extra[point] = extra.get(point, 0) + 1
        if extra[point] < limits[point]:
            heapq.heapreplace(widest, (-spreads[point].relative_half_width(extra[point]), point))
        else:
            heapq.heappop(widest)
    return extra


def spreads_of(measurements: pd.DataFrame) -> dict[Point, Spread]:
    """Return what is known of each point that was measured twice or more."""
    summary = summarise(measurements)
    known = summary[summary["repetitions"] > 1]
    columns = (known[name] for name in ("n", "frame_bytes", "received_mbps", "received_mbps_sd", "repetitions"))
    return {
        (int(n), int(size)): Spread(float(mean), float(deviation), int(count))
        for n, size, mean, deviation, count in zip(*columns, strict=True)
    }


def comparable(measurements: pd.DataFrame, repetitions: int) -> pd.DataFrame:
    """Return the cells that were measured with the same parts and in the same environment as the last planned one.

    Args:
        measurements: cells of one testbed, the extra ones among them.
        repetitions: how many repetitions every point has.
    """
    of_now = ["environment", "switch", "middlebox", "generator"]
    planned = measurements[measurements["repetition"] <= repetitions].sort_values("started_at", kind="stable")
    if planned.empty:
        return planned
    return measurements[(measurements[of_now] == planned[of_now].iloc[-1]).all(axis="columns")]


def extra_cells(measurements: pd.DataFrame, repetitions: int, budget: int) -> list[CellName]:
    """Return the extra cells of a testbed.

    Those that are there stay. Of what is left of the budget the first go to the gaps in the repetitions of
    a point (cells that were set aside), the others to the points whose mean is known least. Where more
    are there than the budget allows, as after a lower number of either kind, those stay that it would
    buy by what the planned repetitions say.

    Args:
        measurements: the cells that may be compared, the extra ones of earlier runs among them.
        repetitions: how many repetitions every point has.
        budget: extra repetitions in all.
    """
    rows = zip(measurements["repetition"], measurements["n"], measurements["frame_bytes"], strict=True)
    there = [CellName(int(n), int(size), int(k)) for k, n, size in sorted(rows) if k > repetitions]
    if len(there) > budget:
        spreads = spreads_of(measurements[measurements["repetition"] <= repetitions])
        return _chosen(there, allocate(spreads, budget, most=Counter(map(_point, there))), budget)
    gaps = _gaps(there, repetitions)[: budget - len(there)]
    promised = Counter(map(_point, gaps))
    spreads = {
        point: replace(spread, repetitions=spread.repetitions + promised[point])
        for point, spread in spreads_of(measurements).items()
    }
    cells = [*there, *gaps]
    last = {_point(cell): cell.repetition for cell in sorted(cells)}
    for (n, size), count in allocate(spreads, budget - len(cells)).items():
        first = last.get((n, size), repetitions) + 1
        cells += [CellName(n, size, repetition) for repetition in range(first, first + count)]
    return sorted(cells)


def _point(cell: CellName) -> Point:
    return cell.n, cell.frame_bytes


def _gaps(there: list[CellName], repetitions: int) -> list[CellName]:
    """Return the extra cells that are missing before others of their point, the earliest repetitions first."""
    last = {_point(cell): cell.repetition for cell in there}  # in the order of repetitions
    every = {CellName(*point, k) for point, most in last.items() for k in range(repetitions + 1, most)}
    return sorted(every - set(there), key=lambda cell: (cell.repetition, cell))


def _chosen(there: list[CellName], given: Mapping[Point, int], budget: int) -> list[CellName]:
    """Return as many of the cells as the budget allows: first those that were given, the earliest of each point."""
    met: Counter[Point] = Counter()
    chosen: list[CellName] = []
    others: list[CellName] = []
    for cell in there:
        met[_point(cell)] += 1
        (chosen if met[_point(cell)] <= given.get(_point(cell), 0) else others).append(cell)
    return sorted([*chosen, *others][:budget])
