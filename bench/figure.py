"""One figure of the benchmark: what was measured, and what it is meant to be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A figure and its target."""

    name: str
    measured: float
    target: float
    unit: str
    """What both are counted in, such as ``×`` or `` s``, as it is written behind a number."""
    at_least: bool
    """Whether the target is the least that is wanted, and not the most."""
    values: dict[str, Any]
    """Every value that went into it."""

    @property
    def reached(self) -> bool:
        """Whether the target is met."""
        return self.measured >= self.target if self.at_least else self.measured <= self.target

    @property
    def measured_text(self) -> str:
        """What was measured, for a reader."""
        return f"{self.measured:.2f}{self.unit}"

    @property
    def target_text(self) -> str:
        """The target, for a reader."""
        return f"{'≥' if self.at_least else '≤'} {self.target:g}{self.unit}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {**asdict(self), "reached": self.reached}
