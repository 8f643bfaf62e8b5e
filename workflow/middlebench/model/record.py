"""What a cell leaves on the disk: integers counted, the samples, and the evidence that they may be believed.

Below this module nothing knows of figures; above it nothing knows of hosts.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from middlebench.model.cell import Cell
from middlebench.model.frames import MOST_FLOWS
from middlebench.model.load import OfferedLoad, SearchParameters
from middlebench.model.options import Options
from middlebench.system.errors import RecordError
from middlebench.system.files import write_text

PROTOCOL = "2"
"""Version of how a cell is measured. Raise it when a change makes older records incomparable: all cells are
then measured again, which no other change of code does."""

MOST_PROBLEMS = 5
"""How many contradictions of a record a message names."""

LINKS_COSTLY = "links-costly"
"""Flag of a cell in which more than :data:`LINKS_SHARE` of the server's processor time went to emulated links."""
LINKS_SHARE = 0.1
GENERATOR_LIMITED = "offered-below-intended"
"""Flag of a cell whose generator offered less than was intended."""
UNCONFIRMED = "offered-unconfirmed"
"""Flag of a cell whose generator counts by itself, and claims more frames than reached the middlebox server."""

LATENCY_TRIALS = 5
"""How many trials a cell takes besides when it is to tell how long frames take."""

Count = Annotated[int, Field(ge=0, lt=2**63)]


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
    sample_interval_s: float
    offered_load: OfferedLoad
    """`maximum`, kpkt/s, or the goal of a throughput search."""
    search: SearchParameters | None = None
    """How the search goes on; None without one."""
    flows: Annotated[int, Field(ge=1, le=MOST_FLOWS)] = 1
    """Flows that the frames belong to, in turn."""
    latency: bool = False
    """Whether frames were timed, in trials of their own behind the one that the counts are of."""

    @property
    def timeout_s(self) -> float:
        """Seconds that the traffic of a cell may take at the most.

        A search goes on to the end of the trial in which its time is over.
        """
        search_s = self.search.timeout_s + self.search.final_trial_s if self.search else 0.0
        trials = 1 + (LATENCY_TRIALS if self.latency else 0)
        return search_s + trials * (self.warm_up_s + self.window_s)


class Components(Options):
    """Names and versions of what took part, as the drivers report them."""

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
    """One bridge: what was counted at it during the trial, in the direction of travel.

    All counts are differences of readings before the first frame and after the drain, so they are exact.
    """

    bridge: str
    ingress: dict[str, int]
    """Frames received (rx) at each port at which frames of the paths arrive, as the kernel counts that port."""
    matched_packets: int | None
    """Taken from these ports and looked up in the flow table; None where the switch does not say."""
    forwarded_packets: int | None
    """Sent to an egress port by a flow of ours; None where the switch does not say."""
    egress: dict[str, int]
    """Frames transmitted (tx) at each port at which they leave, as the kernel counts that port."""
    dropped: dict[str, int]
    """Dropped at each of these because nobody took them from it, by its driver or by its queue; as far as the kernel
    counts them."""

    @property
    def rx_packets(self) -> int:
        """Frames that reached the bridge."""
        return sum(self.ingress.values())

    @property
    def tx_packets(self) -> int:
        """Frames that left the bridge."""
        return sum(self.egress.values())


class MiddleboxCounts(Options):
    """What one middlebox itself counted during the trial, in the direction of travel."""

    name: str
    ingress_port: str
    egress_port: str
    rx_packets: int | None
    """Received at its ingress port; None where it cannot say."""
    tx_packets: int | None
    """Transmitted at its egress port; None where it cannot say."""


class WireCounts(Options):
    """What was counted at both ends of a link that joins two middleboxes without a bridge."""

    source_port: str
    destination_port: str
    rx_packets: int
    """Came out of the middlebox at its start."""
    tx_packets: int
    """Went into the middlebox at its end."""


class ProcessorUsage(Options):
    """What one processor did while traffic ran, in seconds.

    In the window where one machine is both computers, and always of the test computer; else in all of the trial.
    """

    cpu: int
    busy_s: float
    """Did anything for anybody, or was stolen."""
    softirq_s: float
    """Of that: in the kernel, moving frames (and other deferred work) on nobody's account."""
    stolen_s: float
    """Of that: was given to somebody else by a hypervisor."""
    idle_s: float


class ProcessUsage(Options):
    """What one process, or one virtual machine, used between the readings before and after the trial."""

    name: str
    cpu_s: float
    """Processor seconds of all of its threads."""
    busiest_thread_s: float
    """Processor seconds of the thread that used most."""
    context_switches: int | None
    """How often its threads gave up or lost the processor; None where that is not known."""
    polls: bool = False
    """Whether it takes a processor all the time, work or not, so that being busy says nothing of it."""


class MachineUsage(Options):
    """The machine below the server's own system, where a hypervisor makes that one domain among others (Xen's dom0)."""

    processors: Annotated[int, Field(ge=1)]
    """How many the machine has."""
    dom0_s: Annotated[float, Field(ge=0)]
    """Processor seconds of the server's own system between two readings, as the hypervisor counts them."""
    domains_s: Annotated[float, Field(ge=0)]
    """Processor seconds of all other domains between the same readings."""
    elapsed_s: Annotated[float, Field(gt=0)]
    """Seconds between these readings."""


class Usage(Options):
    """Processor time and context switches of everybody who took part. Empty where a driver cannot say."""

    traffic_s: float
    """Seconds from the first frame to the last one. The readings lie somewhat further apart."""
    test_computer: tuple[ProcessorUsage, ...]
    middlebox_server: tuple[ProcessorUsage, ...]
    """As the server's own system sees them."""
    generator: tuple[ProcessUsage, ...]
    switch: tuple[ProcessUsage, ...]
    middleboxes: tuple[ProcessUsage, ...]
    machine: MachineUsage | None = None
    """None where the server's own system has the machine to itself; else its processors are virtual ones."""
    links: tuple[ProcessUsage, ...] = ()
    """What was used on the server to play its network cards, where the links are emulated: the instrument's own."""


Cause = Literal["offered load", "generator", "link", "switch", "middlebox", "server CPU", "unknown"]
"""What can limit a cell; see :mod:`middlebench.diagnosis.bottleneck`."""


class Bottleneck(Options):
    """What limited the cell: the verdict and what it rests on.

    Where the load was searched for, all of it is of the search's ``limiting_trial``, just above the throughput.
    """

    cause: Cause
    place: str
    """Where most of the lost packets were dropped, such as `bridge 0 (in)`; empty where none was lost."""
    lost_packets: int
    """Of the whole trial."""
    unaccounted_packets: Count
    """By how many packets the counters along the chain contradict each other."""
    evidence: str
    """In words and figures."""


class SearchTrial(Options):
    """One trial of a throughput search. Every frame of it counts, from the first to the end of the drain."""

    intended_pps: Annotated[float, Field(gt=0)]
    """Intended load in packets/s."""
    duration_s: Annotated[float, Field(gt=0)]
    """Seconds that it should take to send all frames."""
    sending_s: Annotated[float, Field(ge=0)]
    """Seconds that it took, as the sending port's counters were read."""
    intended_packets: Count
    """Frames that should be sent."""
    offered_packets: Count
    """Frames that left the sender."""
    forwarded_packets: Count
    """Frames that reached the receiver."""
    lost_packets: Count
    """Frames that left the sender and had not reached the receiver when nothing moved any more."""
    warm_up: bool
    """Whether it was to warm the chain up, and counts for nothing."""


class Search(Options):
    """A throughput search: what was looked for, what was found, and every trial in order."""

    goal: str
    """Such as `NDR`."""
    loss_ratio: float
    """Largest share of a trial's frames that may be missing, unsent ones included."""
    library: str
    """What searched."""
    minimum_pps: float
    """Smallest load of the search, in packets/s."""
    maximum_pps: float
    """Largest load, in packets/s: the line rate."""
    lower_bound_pps: float | None
    """Largest load found that meets the goal; None where the smallest load already misses it."""
    upper_bound_pps: float | None
    """Smallest load above it that misses the goal; None where the line rate meets it."""
    conditional_throughput_pps: float
    """What is forwarded at the lower bound (RFC 9971): the bound less the loss of the worst trial that counts; 0
    without one."""
    flags: tuple[str, ...]
    """What a reader must know before using the bounds."""
    limiting_trial: Annotated[int, Field(ge=1)] | None = None
    """Number, from 1, of the trial at the upper bound by which it was judged what limits the cell; None where the line
    rate meets the goal."""
    seconds: float
    """How long the search took."""
    trials: tuple[SearchTrial, ...]


class Times(Options):
    """How long frames took from the sender to the receiver, in microseconds."""

    p50_us: float
    """What half of them did not exceed."""
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    histogram: str
    """All of them, in nanoseconds, as an HdrHistogram encodes itself (version 2, compressed, base64)."""


class LatencyTrial(Options):
    """How long frames took in one trial. What was lost is counted beside it, and in no percentile."""

    path: Literal["chain", "direct"]
    """`direct` is the generator's cable to its own receiver: the instrument's own part."""
    load_share: Annotated[float, Field(ge=0, le=1)]
    """The load as a share of what the chain carries; 0 for an idle one."""
    packets_per_second: Annotated[float, Field(gt=0)]
    """The same in packets/s."""
    sent_packets: Count
    """All frames that left the sender."""
    lost_packets: Count
    """Those of them that had not arrived when nothing moved any more."""
    timed_packets: Count
    """Frames that carried the moment at which they left."""
    timed_lost_packets: Count
    """Those of them that had not arrived."""
    times: Times | None
    """How long the others took that left within the window; None where none of them arrived."""


class Attestation(Options):
    """Evidence that the record is valid: the chain was the planned one before and after, and forwarded."""

    fingerprint: str
    """SHA-256 of the live chain, the same before and after the trial."""
    probes_sent: int
    probes_returned: int
    """Came back byte for byte, through every hop."""


class Record(Options):
    """One cell, measured."""

    format: Literal["middlebench-record/3"] = "middlebench-record/3"
    cell: Cell
    place: Place | None = None
    """In the order of the run; None for a cell that was measured outside of it."""
    started_at: str
    """UTC, ISO 8601."""
    protocol: str = ""
    """The :data:`PROTOCOL` by which it was measured; empty in records that were made before it was noted."""
    settings: Settings
    components: Components
    environment: str
    """Id of the environment it was measured in (:mod:`middlebench.model.environment`); empty outside of a sweep."""
    session: str = ""
    """The run that it was measured in, as that run's controls name it; empty where nobody told."""
    sequence: Annotated[int, Field(ge=0)] = 0
    """Place among all measurements of the testbed, from 1 (:mod:`middlebench.model.sequence`); 0 outside of a sweep."""
    link_bps: float
    """Line rate of the links in bits/s."""
    counts: Counts
    samples: tuple[Sample, ...]
    attestation: Attestation
    hops: tuple[Hop, ...]
    middleboxes: tuple[MiddleboxCounts, ...]
    wires: tuple[WireCounts, ...] = ()
    usage: Usage
    bottleneck: Bottleneck
    flags: tuple[str, ...]
    """What a reader must know before using the figures, such as `offered-below-intended`."""
    search: Search | None = None
    """The throughput search that found the load of this cell; its counts are then of a trial at the lower bound."""
    latency: tuple[LatencyTrial, ...] = ()
    """How long frames took, at several loads; empty where that was not asked for."""
    digest: str = ""
    """SHA-256 of all the rest, set when the record is written: what changes the file afterwards shows."""

    def content_digest(self) -> str:
        """Return the SHA-256 of the record without its own digest."""
        text = json.dumps(self.model_dump(mode="json", exclude={"digest"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


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
    middleboxes: tuple[dict[str, Any], ...]
    """Start time and memory of each middlebox."""


class Provision(Options):
    """A testbed that was checked: what it is, and what was chosen where the config says `auto`."""

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


def read(model: type[_Model], path: Path, *, strict: bool = True) -> _Model:
    """Return the record in ``path``.

    With ``strict``, a value of another type that means the same is refused (``true`` or ``"1"`` for 1).

    Raises:
        RecordError: the file is not there, cannot be read, or is not such a record.
    """
    try:
        found = model.model_validate_json(path.read_bytes(), strict=strict)
    except FileNotFoundError as error:
        advice = "`snakemake --cores 1 -- all` makes what is missing"
        raise RecordError(f"reading {path}", "there is no such file", advice) from error
    except OSError as error:
        advice = "see that it is a file, and that you may read it"
        raise RecordError(f"reading {path}", str(error.strerror), advice) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        happened = f"it is not a {model.__name__} record: {key}: {first['msg']}"
        raise RecordError(f"reading {path}", happened, "remove it, and run the same command again") from error
    if isinstance(found, Record) and (problems := _problems(found)):
        happened = "it is not valid: " + "; ".join(problems[:MOST_PROBLEMS])
        raise RecordError(f"reading {path}", happened, "remove it to have its cell measured again")
    return found


def _problems(found: Record) -> list[str]:
    """Return in what a record contradicts itself, or is not what was written."""
    from middlebench.model.consistency import contradictions

    changed = found.digest and found.digest != found.content_digest()
    return contradictions(found) + (["its content was changed after it was written"] if changed else [])


def write(record: Options, path: Path) -> None:
    """Write a record to ``path``, whole or not at all."""
    if isinstance(record, Record):
        record = record.model_copy(update={"digest": record.content_digest()})
    write_text(path, record.model_dump_json(indent=1) + "\n")
