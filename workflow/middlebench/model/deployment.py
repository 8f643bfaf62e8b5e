"""The record of a deployment."""

from __future__ import annotations

from typing import Any, Literal

from middlebench.model.options import Options
from middlebench.model.record import Components


class Deployment(Options):
    """What it took to deploy one chain from nothing."""

    format: Literal["middlebench-deployment/2"] = "middlebench-deployment/2"
    testbed: str
    started_at: str
    plan: dict[str, Any]
    """The plan (:class:`middlebench.model.plan.Plan`): bridges, middleboxes and their ports, and the paths."""
    components: Components
    environment: str
    """Id of the environment that it was deployed in; empty outside of a sweep."""
    fingerprint: str
    steps_s: dict[str, float]
    """Seconds by step, in order."""
    total_s: float
    """Seconds from nothing to the first probe that came back through every hop."""
    removing_s: float | None = None
    """Seconds before that, to remove the chain that was there; None in older records."""
    middleboxes: tuple[dict[str, Any], ...]
    """Start time and memory of each middlebox."""
    switch_crashes: int = 0
    """How often the switch's daemon ended or hung while the chain was built. It was started anew, and all steps too."""

    @property
    def lasted_s(self) -> float:
        """Seconds since it was started, the removing of the chain before included."""
        return self.total_s + (self.removing_s or 0.0)
