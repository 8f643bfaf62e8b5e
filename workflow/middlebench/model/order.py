"""The order in which a run measures its cells: random, so that drift does not line up with an axis.

Each repetition is a block. Within a block the deployments (chain lengths) come in random order, and within a
deployment its frame sizes: a split-plot design, in which the deployment is the whole plot. Deploying a chain
costs more than measuring a cell, so full randomisation would spend most of its time on deploying; the price
is that chain lengths are compared with fewer independent placements than frame sizes are (B. Jones,
C. J. Nachtsheim: Split-Plot Designs: What, Why, and How. Journal of Quality Technology 41 (4), 2009).

Pure: the order follows from the seed, the testbed's name and the grid, whatever is measured already.
Order never decides whether a cell is right (each cell checks its own chain), only when it is measured.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from middlebench.model.cell import AXES, DEPLOYED_AXES, LONGEST_CHAIN, Cell
from middlebench.model.record import Place

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class RunOrder:
    """The order of all cells of a run: testbed by testbed, each in blocks of its own random order."""

    testbeds: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    """The values of each of the :data:`AXES`, in their order."""
    blocks: int
    """Repetitions of each cell."""
    seed: int

    def cells(self, testbed: str) -> list[Cell]:
        """Return all cells of a testbed in the order in which they are measured."""
        return [cell for repetition in range(1, self.blocks + 1) for cell in _block(self, testbed, repetition)]

    def place(self, cell: Cell) -> Place | None:
        """Return a cell's place in its testbed's order; None for a cell outside of the grid."""
        position = self._position(cell)
        return None if position is None else Place(seed=self.seed, block=cell.repetition, position=position + 1)

    def cell_priority(self, cell: Cell) -> int:
        """Return a priority of the cell's job, greater than that of all that comes later."""
        return self._priority(cell.testbed, cell.n, self._position(cell))

    def deployment_priority(self, testbed: str, deployment_key: str, n: int) -> int:
        """Return a priority of the job that deploys a chain: just before the first cell of that chain."""
        position = None
        if testbed in self.testbeds:
            block = _block(self, testbed, 1)
            position = next((at for cell, at in block.items() if cell.deployment_key == deployment_key), None)
        return self._priority(testbed, n, position) + 1

    def provision_priority(self, testbed: str) -> int:
        """Return a priority of the job that checks a testbed: just before all else on it."""
        return self._priority(testbed, 0, 0 if testbed in self.testbeds else None) + 1

    def closing_priority(self, testbed: str) -> int:
        """Return a priority of the job that closes a testbed: just after its last cell."""
        last = self._cells_of_a_testbed - 1 if testbed in self.testbeds else None
        return self._priority(testbed, LONGEST_CHAIN, last) - 1

    @property
    def _cells_of_a_testbed(self) -> int:
        return self._cells_of_a_block * self.blocks

    @property
    def _cells_of_a_block(self) -> int:
        return math.prod(map(len, self.values))

    def _position(self, cell: Cell) -> int | None:
        """Return how many cells of the testbed come before this one; None for a cell outside of the grid."""
        if cell.testbed not in self.testbeds or cell.repetition > self.blocks:
            return None
        within = _block(self, cell.testbed, cell.repetition).get(cell)
        return None if within is None else (cell.repetition - 1) * self._cells_of_a_block + within

    def _priority(self, testbed: str, n: int, position: int | None) -> int:
        """Return three times what is left after a cell: between two cells there is room to close and to deploy.

        Cells outside of the grid, asked for by name, come last, chain by chain.
        """
        planned = self._cells_of_a_testbed * len(self.testbeds)
        within = self._cells_of_a_testbed * self.testbeds.index(testbed) + position if position is not None else None
        before = planned + n if within is None else within
        return 3 * (planned + LONGEST_CHAIN - before) + 1


@functools.cache
def _block(order: RunOrder, testbed: str, repetition: int) -> dict[Cell, int]:
    """Return the cells of one block and each one's place in it. It depends on no other block."""
    chance = random.Random(f"{order.seed}/{testbed}/{repetition}")
    outer = len(DEPLOYED_AXES)
    fields = [axis.field for axis in (*DEPLOYED_AXES, *(axis for axis in AXES if not axis.deployed))]
    values = [dict(zip((axis.field for axis in AXES), order.values, strict=True))[field] for field in fields]
    cells = [
        Cell(testbed=testbed, repetition=repetition, **dict(zip(fields, (*deployment, *rest), strict=True)))
        for deployment in _shuffled(itertools.product(*values[:outer]), chance)
        for rest in _shuffled(itertools.product(*values[outer:]), chance)
    ]
    return {cell: place for place, cell in enumerate(cells)}


def _shuffled(values: Iterable[_Value], chance: random.Random) -> list[_Value]:
    """Return the values in random order, by ``random()`` alone: no other method is the same in every Python."""
    return [value for _, value in sorted(((chance.random(), value) for value in values), key=lambda pair: pair[0])]
