"""The control measurements of a testbed on disk, and when the next ones are due.

A control measures the instrument and not a chain: generator against receiver over one cable
(``direct``), and one bridge alone (``bridge``, a chain of length 0). Each leaves one record that is never
changed. Controls are no cells of the plan: they are due by what was measured since the last ones, so
that a run that was interrupted, resumed or asked for a single cell has them as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

from middlebench.model.options import Options
from middlebench.model.record import Components, Count, Counts, Settings, read, write

CONTROL_BAND = 0.10
"""How far a control may lie from the median of its kind, over that median, unless the config says otherwise: the
spread from which pyperf calls a measurement unstable. A band taken from the scatter of the controls themselves
would widen with the very drift that it is to show."""

Kind = Literal["direct", "bridge"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Series(NamedTuple):
    """What controls that may be compared have in common."""

    kind: Kind
    frame_bytes: int
    """Frame size without FCS."""


class Control(Options):
    """One control, measured."""

    format: Literal["middlebench-control/1"] = "middlebench-control/1"
    testbed: str
    kind: Kind
    frame_bytes: Count
    """Frame size without FCS."""
    session: str
    """The run that it was measured in; each run begins with controls of its own."""
    started_at: str
    """UTC, ISO 8601."""
    settings: Settings
    components: Components
    environment: str
    """Id of the environment it was measured in (:mod:`middlebench.model.environment`); empty outside of a sweep."""
    link_bps: Annotated[float, Field(gt=0)]
    """Line rate of the links in bits/s."""
    counts: Counts


class ControlSet(Options):
    """The controls that were measured one after the other, by the names of their records."""

    format: Literal["middlebench-control-set/1"] = "middlebench-control-set/1"
    controls: tuple[str, ...]


class ControlLog:
    """The controls of one testbed.

    Args:
        results: the testbed's results folder.
    """

    def __init__(self, results: Path) -> None:
        self._folder = results / "controls"
        self._cells = results / "cells"

    def controls(self) -> list[Control]:
        """Return all controls, in the order of time.

        Raises:
            RecordError: a record cannot be read.
        """
        return [read(Control, path) for path in self._paths()]

    def add(self, control: Control) -> str:
        """Keep a control; return its record's name."""
        moment = datetime.fromisoformat(control.started_at)
        name = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z-{control.kind}-{control.frame_bytes}B.json"
        write(control, self._folder / name)
        return name

    def due(self, session: str, every: int, wanted: Iterable[Series]) -> list[Series]:
        """Return the series of which a control must be measured before the next cell.

        One must at the start of a session, and when ``every`` cells were measured since the last control
        of its own series: of a set that was broken off, what is missing is due at once.

        Args:
            session: the run that goes on.
            every: how many cells are measured between controls.
            wanted: the series of a whole set, in their order.

        Raises:
            RecordError: a control's record cannot be read.
        """
        written = [path.stat().st_mtime_ns for path in self._cells.glob("n*/size*/rep*.json")]

        def is_due(series: Series) -> bool:
            paths = self._paths(f"{series.kind}-{series.frame_bytes}B")
            if not paths or read(Control, paths[-1]).session != session:
                return True
            last = paths[-1].stat().st_mtime_ns
            return sum(moment > last for moment in written) >= every

        return [series for series in wanted if is_due(series)]

    def _paths(self, series: str = "*") -> list[Path]:
        return sorted(self._folder.glob(f"*Z-{series}.json"))
