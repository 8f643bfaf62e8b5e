"""The quarantine of a testbed whose controls drifted: no more is measured on it until somebody releases it.

It is a file among the testbed's results, so that all jobs, on whichever machine, see it. Off unless the study asks for
it (``if_drifting: stop``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Literal

from middlebench.model.controls import Control, Kind, is_outside
from middlebench.model.options import Options
from middlebench.model.record_file import read
from middlebench.system.errors import DriftError
from middlebench.system.text import percent

FILE = "quarantine.json"


class Quarantine(Options):
    """Which control put a testbed into quarantine."""

    format: Literal["middlebench-quarantine/1"] = "middlebench-quarantine/1"
    testbed: str
    kind: Kind
    frame_bytes: int
    """Frame size of the control without FCS."""
    sequence: int
    """The control's place among all measurements of the testbed."""
    started_at: str
    """When it was measured: UTC, ISO 8601."""
    kpps: float
    """What it received, in kpkt/s."""
    median_kpps: float
    """The median of its kind and frame size in its environment, in kpkt/s."""
    band: float
    """How far it may lie from that median, over the median."""

    @property
    def reason(self) -> str:
        """What was found, in words."""
        return (
            f"its control {self.kind}, {self.frame_bytes} B (number {self.sequence}, {self.started_at}) received "
            f"{self.kpps:.1f} kpkt/s, more than {percent(self.band)} from the median {self.median_kpps:.1f} of its kind"
        )

    @property
    def words(self) -> str:
        """What was found, and the command that ends it."""
        return f"{self.testbed} is in quarantine: {self.reason}. `middlebench release {self.testbed}` ends it."


def judge(controls: Iterable[Control], latest: int, band: float) -> Quarantine | None:
    """Return what a testbed is to be quarantined for, if anything.

    Args:
        controls: all controls of a testbed.
        latest: those with a greater number are judged; each by the median of its kind, frame size and environment.
        band: how far a control may lie from that median, over the median.
    """
    comparable: dict[tuple[str, Kind, int], list[tuple[Control, float]]] = {}
    for control in controls:
        if (kpps := control.received_kpps) is not None:
            series = comparable.setdefault((control.environment, control.kind, control.frame_bytes), [])
            series.append((control, kpps))
    for series in comparable.values():
        middle = median(kpps for _, kpps in series)
        for control, kpps in series:
            if control.sequence > latest and is_outside(kpps, middle, band):
                return Quarantine(
                    testbed=control.testbed,
                    kind=control.kind,
                    frame_bytes=control.frame_bytes,
                    sequence=control.sequence,
                    started_at=control.started_at,
                    kpps=kpps,
                    median_kpps=middle,
                    band=band,
                )
    return None


def quarantine_of(results: Path) -> Quarantine | None:
    """Return the quarantine of the testbed with these results, if it is in one.

    Raises:
        RecordError: the file cannot be read.
    """
    return read(Quarantine, results / FILE) if (results / FILE).exists() else None


def demand_released(results: Path, doing: str) -> None:
    """Return if the testbed with these results is in no quarantine.

    Raises:
        DriftError: it is in one; the message names the control and the command that ends it.
        RecordError: the file cannot be read.
    """
    if found := quarantine_of(results):
        raise DriftError(
            doing,
            f"{found.testbed} is in quarantine: {found.reason}",
            f"see what else uses the machine; `middlebench release {found.testbed}` ends the quarantine, and the next "
            "run begins with controls",
        )
