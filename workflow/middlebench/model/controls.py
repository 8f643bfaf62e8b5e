"""The control measurements of a testbed on disk, and when the next ones are due.

A control measures the instrument and not a chain: generator against receiver over one cable
(``back-to-back``), the switch only (``switch-only``: one bridge, no middlebox), and, where the links are emulated, the
first link with nothing behind it (``links-only``). Each leaves one record that is never changed. Controls are no cells
of the plan: they fall due after a number of cells, so that a run that was interrupted, resumed or
asked for a single cell has them as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

from middlebench.model.options import Count, Options
from middlebench.model.record import Components, Counts, Settings
from middlebench.model.record_file import read, write
from middlebench.model.sequence import Sequence
from middlebench.model.usage import Usage

CONTROL_BAND = 0.10
"""How far a control may lie from the median of its kind, over that median, unless the config says otherwise: the
spread from which pyperf calls a measurement unstable. A band taken from the scatter of the controls themselves
would widen with the very drift that it is to show."""


def is_outside(kpps: float, median_kpps: float, band: float) -> bool:
    """Whether a control shows drift: it received more or less than the median of its kind, by more than the band.

    Where that median is nothing (or not known) the instrument does not work: then every control does.

    Args:
        kpps: what it received, in kpkt/s.
        median_kpps: the median of the controls that it may be compared with, in kpkt/s.
        band: how far it may lie from that, over the median.
    """
    return not (median_kpps > 0 and abs(kpps - median_kpps) <= band * median_kpps)


Kind = Literal["back-to-back", "switch-only", "links-only"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Series(NamedTuple):
    """What controls that may be compared have in common."""

    kind: Kind
    frame_bytes: int
    """Frame size without FCS."""


class Control(Options):
    """One control, measured."""

    format: Literal["middlebench-control/2"] = "middlebench-control/2"
    testbed: str
    kind: Kind
    frame_bytes: Count
    """Frame size without FCS."""
    session: str
    """The run that it was measured in; each run begins with controls of its own."""
    sequence: Annotated[int, Field(ge=0)] = 0
    """Place among all measurements of the testbed, from 1 (:mod:`middlebench.model.sequence`)."""
    started_at: str
    """UTC, ISO 8601."""
    settings: Settings
    components: Components
    environment: str
    """Id of the environment it was measured in (:mod:`middlebench.model.environment`); empty outside of a sweep."""
    link_bps: Annotated[float, Field(gt=0)]
    """Line rate of the links in bits/s."""
    counts: Counts
    usage: Usage | None = None
    """What the server used; None where the frames did not reach it."""

    @property
    def received_kpps(self) -> float | None:
        """What it received, in kpkt/s; None for links only, where there is nobody to receive."""
        return None if self.kind == "links-only" else self.counts.received_packets / self.counts.window_s / 1e3


class ControlSet(Options):
    """The controls that were measured one after the other, by the names of their records."""

    format: Literal["middlebench-control-set/1"] = "middlebench-control-set/1"
    controls: tuple[str, ...]


class ControlLog:
    """The controls of one testbed."""

    def __init__(self, results: Path) -> None:
        self._folder = results / "controls"
        self.sequence = Sequence(results)

    def controls(self) -> list[Control]:
        """Return all controls, in the order in which they were measured.

        Raises:
            RecordError: a record cannot be read.
        """
        return [read(Control, path) for path in self._paths()]

    def add(self, control: Control) -> str:
        """Give a control its number and keep it; return its record's name."""
        numbered = control.model_copy(update={"sequence": self.sequence.next()})
        name = f"{numbered.sequence:06d}-{control.kind}-{control.frame_bytes}B.json"
        write(numbered, self._folder / name)
        return name

    def due(self, session: str, every: int, wanted: Iterable[Series]) -> list[Series]:
        """Return the series of which a control must be measured before the next cell.

        One must at the start of a session, and when ``every`` cells were measured since the last control of its own
        series: of a set that was broken off, what is missing is due at once. ``wanted`` are the series of a whole set,
        in their order.

        Raises:
            RecordError: a control's record cannot be read.
        """
        last_number, controls = self.sequence.last, self.controls()

        def is_due(series: Series) -> bool:
            last = next((each for each in reversed(controls) if (each.kind, each.frame_bytes) == series), None)
            if last is None or last.session != session:
                return True
            later = sum(each.sequence > last.sequence for each in controls)
            return last_number - last.sequence - later >= every

        return [series for series in wanted if is_due(series)]

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*B.json"))
