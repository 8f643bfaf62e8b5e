"""What the plan of a run follows from: jobs of the workflow, and what is on disk. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from middlebench.model.cell import Cell
from middlebench.model.environment import Environment
from middlebench.model.record import Settings


@dataclass(frozen=True)
class Job:
    """One job of the workflow's plan."""

    rule: str
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    runs: bool
    """Whether it is to run; what it makes is up to date otherwise."""
    forced: bool = False
    """Whether it was forced (`--force`), or interrupted the last time."""
    params_before: tuple[str, ...] = ()
    """Parameters of the last time, as Python writes them, that are none now."""
    params_now: tuple[str, ...] = ()
    """Parameters of now that were none the last time."""
    renewed: tuple[str, ...] = ()
    """Inputs that another job will make again."""
    newer: tuple[str, ...] = ()
    """Inputs that have changed since."""
    priority: int = 0
    seconds: float | None = None
    """Seconds that it took the last time; None where unknown."""


@dataclass(frozen=True)
class Past:
    """What the record of a finished cell says."""

    environment: Environment | None
    """None where it is not kept any more."""
    settings: Settings
    seconds: float | None = None
    """Seconds that its job took; None where unknown."""


@dataclass(frozen=True)
class Finished:
    """What is on disk already of one testbed."""

    cells: Mapping[Cell, Past] = field(default_factory=dict)
    """What finished cells say."""
    deployment_s: Mapping[int, float] = field(default_factory=dict)
    """Seconds that a deployment took, by chain length."""
    control_kinds: int = 1
    """Kinds of control that the testbed has, as far as the last set that ended a run tells."""
    control_overhead_s: float | None = None
    """Seconds that this set took beside its traffic; None where unknown."""
