"""A point in time after which waiting is over, passed down instead of seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Deadline:
    """Ends ``seconds`` after it was made, on the monotonic clock."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    def stretched(self, factor: float) -> Deadline:
        """Return the deadline that was made at the same time and ends ``factor`` times as long after it."""
        return Deadline(self.seconds * factor, self.started)

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining == 0.0
