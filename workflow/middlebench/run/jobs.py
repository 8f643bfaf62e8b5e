"""What the plan of a run follows from: jobs of the workflow, what is on disk, and what the config asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from middlebench.model.cell import Cell
from middlebench.model.environment import Environment


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
    settings: Mapping[str, Any]
    seconds: float | None = None
    """Seconds that its job took; None where unknown."""

    @property
    def traffic_s(self) -> float:
        """Seconds of warm-up and window."""
        return float(self.settings["warm_up_s"]) + float(self.settings["window_s"])


@dataclass(frozen=True)
class PastControls:
    """What the last whole set of controls says."""

    kinds: int
    """Kinds of control that the testbed has."""
    traffic_s: float
    """Seconds of warm-up and window of all its trials."""
    seconds: float | None = None
    """Seconds that it took; None where unknown."""


@dataclass(frozen=True)
class Wanted:
    """What the config asks for, as far as a plan depends on it."""

    settings: Mapping[str, Any]
    """How cells are measured now."""
    repetitions: int = 1
    """How often each cell is measured."""
    controls_every: int | None = None
    """How many cells are measured between controls; None without controls."""
    control_sizes: int = 1
    """How many frame sizes the controls have."""
    grid_cells: int | None = None
    """How many cells an adaptive sweep measures at the most; None where the sweep is no adaptive one."""
    remeasures: bool = False
    """Whether cells of other environments are measured again."""

    @property
    def traffic_s(self) -> float:
        """Seconds of warm-up and window of one trial."""
        return Past(None, self.settings).traffic_s

    @property
    def searches(self) -> bool:
        """Whether a cell is a throughput search, of many trials."""
        return self.settings.get("search") is not None


@dataclass(frozen=True)
class Finished:
    """What is on disk already of one testbed."""

    cells: Mapping[Cell, Past] = field(default_factory=dict)
    """What finished cells say."""
    deployment_s: Mapping[int, float] = field(default_factory=dict)
    """Seconds that a deployment took, by chain length."""
    controls: PastControls | None = None
    """The last set of controls that ended a run; None where there is none."""
