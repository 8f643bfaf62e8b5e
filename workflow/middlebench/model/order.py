"""The order in which a run measures its cells: random, so that drift does not line up with chain length or size.

Each repetition is a block. Within a block the chain lengths come in random order, and within a chain
its frame sizes: a split-plot design, in which the chain is the whole plot. Deploying a chain costs
more than measuring a cell, so full randomisation would spend most of its time on deploying; the price
is that chain lengths are compared with fewer independent placements than frame sizes are (B. Jones,
C. J. Nachtsheim: Split-Plot Designs: What, Why, and How. Journal of Quality Technology 41 (4), 2009).

Pure: the order follows from the seed, the testbed's name and the grid, whatever is measured already.
Order never decides whether a cell is right (it sees to its chain by itself), only when it is measured.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from middlebench.model.options import Options
from middlebench.model.record import Place

_Value = TypeVar("_Value")

LONGEST_CHAIN = 1000
"""What the config allows; longer chains, which can only be asked for by name, come last together."""


class CellName(NamedTuple):
    """What tells the cells of one testbed apart."""

    n: int
    """Chain length."""
    frame_bytes: int
    """Frame size without FCS."""
    repetition: int


class ExtraCells(Options):
    """The extra repetitions of a testbed: chain length, frame size and number of each."""

    cells: tuple[CellName, ...]


@dataclass(frozen=True)
class RunOrder:
    """The order of all cells of a run: testbed by testbed, each in blocks of its own random order."""

    testbeds: tuple[str, ...]
    chain_lengths: tuple[int, ...]
    frame_sizes: tuple[int, ...]
    """In bytes without FCS."""
    blocks: int
    """Repetitions that a cell may have at the most."""
    seed: int

    def cells(self, testbed: str) -> list[CellName]:
        """Return all cells of a testbed in the order in which they are measured."""
        return [cell for repetition in range(1, self.blocks + 1) for cell in _block(self, testbed, repetition)]

    def place(self, testbed: str, n: int, frame_bytes: int, repetition: int) -> Place | None:
        """Return a cell's place in its testbed's order; None for a cell outside of the grid."""
        position = self._position(testbed, CellName(n, frame_bytes, repetition))
        return None if position is None else Place(seed=self.seed, block=repetition, position=position + 1)

    def cell_priority(self, testbed: str, n: int, frame_bytes: int, repetition: int) -> int:
        """Return a priority of the cell's job, greater than that of all that comes later."""
        position = self._position(testbed, CellName(n, frame_bytes, repetition))
        return self._priority(testbed, n, position)

    def chain_priority(self, testbed: str, n: int) -> int:
        """Return a priority of the job that deploys a chain: just before the first cell of that chain."""
        positions = (self._position(testbed, CellName(n, size, 1)) for size in self.frame_sizes)
        position = min((each for each in positions if each is not None), default=None)
        return self._priority(testbed, n, position) + 1

    def provision_priority(self, testbed: str) -> int:
        """Return a priority of the job that looks a testbed over: just before all else on it."""
        return self._priority(testbed, 0, 0 if testbed in self.testbeds else None) + 1

    def closing_priority(self, testbed: str) -> int:
        """Return a priority of the job that closes a testbed: just after its last cell."""
        last = self._cells_of_a_testbed - 1 if testbed in self.testbeds else None
        return self._priority(testbed, LONGEST_CHAIN, last) - 1

    def allocation_priority(self, testbed: str, repetitions: int) -> int:
        """Return a priority of the job that gives extra repetitions away: just after the last of the planned ones."""
        last = self._cells_of_a_block * repetitions - 1 if testbed in self.testbeds else None
        return self._priority(testbed, LONGEST_CHAIN, last) - 1

    @property
    def _cells_of_a_testbed(self) -> int:
        return self._cells_of_a_block * self.blocks

    @property
    def _cells_of_a_block(self) -> int:
        return len(self.chain_lengths) * len(self.frame_sizes)

    def _position(self, testbed: str, cell: CellName) -> int | None:
        """Return how many cells of the testbed come before this one; None for a cell outside of the grid."""
        if testbed not in self.testbeds or not 1 <= cell.repetition <= self.blocks:
            return None
        within = _block(self, testbed, cell.repetition).get(cell)
        return None if within is None else (cell.repetition - 1) * self._cells_of_a_block + within

    def _priority(self, testbed: str, n: int, position: int | None) -> int:
        """Return three times what is left after a cell: between two cells there is room to close and to deploy.

        Cells outside of the grid, asked for by name, come last, chain by chain.
        """
        planned = self._cells_of_a_testbed * len(self.testbeds)
        if position is None:
            before = planned + min(n, LONGEST_CHAIN)
        else:
            before = self._cells_of_a_testbed * self.testbeds.index(testbed) + position
        return 3 * (planned + LONGEST_CHAIN - before) + 1


@functools.cache
def _block(order: RunOrder, testbed: str, repetition: int) -> dict[CellName, int]:
    """Return the cells of one block and each one's place in it. It depends on no other block."""
    chance = random.Random(f"{order.seed}/{testbed}/{repetition}")
    cells = [
        CellName(n, size, repetition)
        for n in _shuffled(order.chain_lengths, chance)
        for size in _shuffled(order.frame_sizes, chance)
    ]
    return {cell: place for place, cell in enumerate(cells)}


def _shuffled(values: Sequence[_Value], chance: random.Random) -> list[_Value]:
    """Return the values in random order, by ``random()`` alone: no other method is the same in every Python."""
    return [value for _, value in sorted(((chance.random(), value) for value in values), key=lambda pair: pair[0])]
