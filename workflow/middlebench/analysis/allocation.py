"""Where extra repetitions go: to the cells whose mean is known least.

Pure and greedy: one repetition after the other goes to the cell whose 95 % interval is the widest, over
its mean, by what is predicted of it with the repetitions given so far. The prediction takes the
cell's standard deviation as it is; only measuring tells whether it stays so.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from middlebench.analysis.aggregate import summarise
from middlebench.analysis.intervals import half_width
from middlebench.run.order import CellName

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


def allocate(spreads: Mapping[Point, Spread], budget: int) -> dict[Point, int]:
    """Return how many extra repetitions each point gets; points that get none are left out.

    Args:
        spreads: what is known of each point.
        budget: repetitions to give away. Some are left when every interval has no width.
    """
    widest = [(-spread.relative_half_width(), point) for point, spread in spreads.items()]
    heapq.heapify(widest)
    extra: dict[Point, int] = {}
    for _ in range(budget):
        if not widest or widest[0][0] == 0:
            break
        _, point = widest[0]
        extra[point] = extra.get(point, 0) + 1
        heapq.heapreplace(widest, (-spreads[point].relative_half_width(extra[point]), point))
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


def extra_cells(measurements: pd.DataFrame, repetitions: int, budget: int) -> list[CellName]:
    """Return the extra cells of a testbed: those that are there already, and those that the rest of the budget buys.

    Args:
        measurements: all cells that were measured, the extra ones of earlier runs among them.
        repetitions: how many repetitions every point has.
        budget: extra repetitions in all.
    """
    points = zip(measurements["n"], measurements["frame_bytes"], measurements["repetition"], strict=True)
    cells = sorted(CellName(int(n), int(size), int(k)) for n, size, k in points if k > repetitions)
    last = {(cell.n, cell.frame_bytes): cell.repetition for cell in cells}
    for (n, size), count in sorted(allocate(spreads_of(measurements), budget - len(cells)).items()):
        first = last.get((n, size), repetitions) + 1
        cells += [CellName(n, size, repetition) for repetition in range(first, first + count)]
    return sorted(cells)
