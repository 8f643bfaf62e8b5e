"""What a test can say: one of four words, and the figures behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What can be said of a claim."""

    REPRODUCED = "reproduced"
    SAME_SHAPE = "same shape only"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Finding:
    """A verdict and the figures behind it."""

    verdict: Verdict
    figure: float
    """The one number that the verdict hangs on; missing (NaN) when there is none."""
    unit: str
    evidence: str
    """A sentence with the figures."""


def graded(reproduced: bool, same_shape: bool = False) -> Verdict:
    """Return the verdict of a test that could be made."""
    return Verdict.REPRODUCED if reproduced else Verdict.SAME_SHAPE if same_shape else Verdict.NOT_REPRODUCED


def untestable(reason: str) -> Finding:
    """Return that nothing can be said, and why."""
    return Finding(Verdict.NOT_TESTABLE, float("nan"), "", reason)
