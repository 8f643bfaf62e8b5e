"""How far a sweep is, and how long it still takes."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Pace:
    """How many cells a run has, how many are done, and when the last one will be."""

    total: int
    """Cells that the run measures; the most of them where ``at_most``."""
    control_sets: int = 0
    """Sets of controls before and between them."""
    closing_sets: int = 0
    """Sets of controls after the last cell of a testbed."""
    set_in_cells: float = 0.0
    """How many cells take as long as one set of controls."""
    at_most: bool = False
    """Whether it may be fewer cells, as in an adaptive sweep."""
    done: int = 0
    started: float | None = None
    """When the first chain began to be deployed, or the first cell to be measured: what comes before sets no pace."""

    @property
    def far(self) -> str:
        """How far it is, in words."""
        return f"{self.done} of {'at most ' * self.at_most}{self.total} cells"

    def begin(self) -> None:
        """Note that a cell, or the deployment of a chain, begins."""
        if self.started is None:
            self.started = time.monotonic()

    @property
    def left_s(self) -> float | None:
        """Seconds left at the mean pace so far, deployments and controls included; None before the first cell.

        The first set of controls comes before the first cell, the others are taken to be spread evenly; those
        that close a testbed come after the last.
        """
        if not self.done or self.started is None:
            return None
        cells_left = max(0, self.total - self.done)
        sets_left = max(0, self.control_sets - 1) * cells_left / max(1, self.total)
        work_done = self.done + (self.control_sets - sets_left) * self.set_in_cells
        work_left = cells_left + (sets_left + self.closing_sets) * self.set_in_cells
        return (time.monotonic() - self.started) / work_done * work_left
