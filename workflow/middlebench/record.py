"""What a cell leaves on the disk: integers counted, the samples, and the evidence that they may be believed.

Below this module nothing knows of figures; above it nothing knows of hosts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from middlebench.atomic import write_text
from middlebench.errors import RecordError
from middlebench.options import Options

PROTOCOL = "1"
"""Version of how a cell is measured. Raise it when a change makes older records incomparable: all cells are
then measured anew, which no other change of code does."""

Count = Annotated[int, Field(ge=0)]


class Cell(Options):
    """One point of the sweep."""

    testbed: str
    n: Count
    """Chain length."""
    frame_bytes: Count
    """Frame size without FCS."""
    repetition: Annotated[int, Field(ge=1)]


class Place(Options):
    """Where a cell stands in the random order of a run."""

    seed: int
    """What the order was drawn from, together with the testbed's name."""
    block: Annotated[int, Field(ge=1)]
    """Which block of the order, from 1: one a repetition."""
    position: Annotated[int, Field(ge=1)]
    """Place among all cells of the testbed, from 1."""


class Settings(Options):
    """How the cell was measured."""

    window_s: float
    """Seconds asked for; what really passed stands with the counts."""
    warm_up_s: float
    sample_s: float
    offered_load: Literal["maximum"] | float
    """`maximum`, or kpkt/s."""


class Components(Options):
    """What took part, in the drivers' own words."""

    switch: str
    middlebox: str
    generator: str


class Counts(Options):
    """Packets and bytes, in integers. Rates are derived from these, never stored."""

    window_s: Annotated[float, Field(gt=0)]
    """Seconds between the first and the last reading of the window."""
    intended_packets: Count
    """What the load asked for in that time."""
    offered_packets: Count
    """Left the sender in the window."""
    received_packets: Count
    """Reached the receiver in the window."""
    offered_bytes: Count
    received_bytes: Count
    trial_sent_packets: Count
    """Left the sender from the first frame of the warm-up to the last one."""
    trial_received_packets: Count
    """Reached the receiver in that time and in the drain after it."""


class Sample(Options):
    """Counts since the start of the window."""

    t_s: float
    sent_packets: int
    received_packets: int


class Hop(Options):
    """One bridge of the chain: what its two ports counted during the trial, forward direction."""

    bridge: str
    ingress_port: str
    egress_port: str
    entered_packets: int
    """Reached the bridge at its ingress port."""
    left_packets: int
    """Left the bridge by its egress port."""
    dropped_packets: int
    """Dropped at either port, as far as the kernel counts it."""


class Attestation(Options):
    """Why the record may be believed: the chain was the wanted one before and after, and whole."""

    fingerprint: str
    """SHA-256 of the live chain, the same before and after the trial."""
    probes_sent: int
    probes_returned: int
    """Came back byte for byte, through every hop."""


class Record(Options):
    """One cell, measured."""

    format: Literal["middlebench-record/1"] = "middlebench-record/1"
    cell: Cell
    place: Place | None = None
    """In the order of the run; None for a cell that was measured outside of it."""
    started_at: str
    """UTC, ISO 8601."""
    settings: Settings
    components: Components
    environment: str
    """Id of the environment that it was measured in (:mod:`middlebench.environment`); empty outside of a sweep."""
    link_bps: float
    """Line rate of the links in bits/s."""
    counts: Counts
    samples: tuple[Sample, ...]
    attestation: Attestation
    hops: tuple[Hop, ...]
    flags: tuple[str, ...]
    """What a reader must know before using the figures, such as `generator-limited`."""


class Deployment(Options):
    """What it took to deploy one chain from nothing."""

    format: Literal["middlebench-deployment/1"] = "middlebench-deployment/1"
    testbed: str
    started_at: str
    plan: dict[str, Any]
    """The chain plan: bridges, middleboxes and their ports."""
    components: Components
    environment: str
    """Id of the environment that it was deployed in; empty outside of a sweep."""
    fingerprint: str
    steps_s: dict[str, float]
    """Seconds by step, in order."""
    total_s: float
    """Seconds from nothing to the first probe that came back through every hop."""
    middleboxes: tuple[dict[str, Any], ...]
    """Start time and memory of each middlebox."""


class Provision(Options):
    """A testbed, looked at and found fit: what it is, and what was chosen where the config says `auto`."""

    format: Literal["middlebench-provision/1"] = "middlebench-provision/1"
    testbed: str
    description: str
    options: dict[str, Any]
    """The testbed's composition with every `auto` replaced by the choice."""
    components: Components
    choices: tuple[dict[str, Any], ...]
    """The alternatives that were measured, with their rates."""
    environment: str
    """Id of the environment that it was found in."""


_Model = TypeVar("_Model", bound=Options)


def read(model: type[_Model], path: Path) -> _Model:
    """Return the record in ``path``.

    Raises:
        RecordError: the file is not there, or is not such a record.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise RecordError(f"reading {path}", "there is no such file") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise RecordError(
            f"reading {path}",
            f"it is not a {model.__name__} record: {key}: {first['msg']}",
            "remove it to have it made anew",
        ) from error


def write(record: Options, path: Path) -> None:
    """Write a record to ``path``, whole or not at all."""
    write_text(path, record.model_dump_json(indent=1) + "\n")
