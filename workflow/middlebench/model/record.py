"""What a cell leaves on the disk: integers counted, the samples, and the evidence that they may be believed.

Below this module nothing knows of figures; above it nothing knows of hosts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from middlebench.model.cell import Cell
from middlebench.model.frames import MOST_FLOWS
from middlebench.model.latency_result import LatencyTrial
from middlebench.model.load import OfferedLoad, SearchParameters
from middlebench.model.mix import Mix
from middlebench.model.options import Count, Options
from middlebench.model.search_result import Search
from middlebench.model.usage import Usage

PROTOCOL = "3"
"""Version of how a cell is measured. Raise it when a change makes older records incomparable: all cells are
then measured again, which no other change of code does."""

WITHOUT_KVM = "emulated (TCG)"
"""How a record's components say that virtual machines ran without the processor's help."""

LINKS_COSTLY = "links-costly"
"""Flag of a cell in which more than :data:`LINKS_SHARE` of the server's processor time went to emulated links."""

LINKS_SHARE = 0.1

SERVER_SHARED = "server-shared"
"""Flag of a cell in which other programs took more than :data:`OTHERS_SHARE` of the server's processor time."""

OTHERS_SHARE = 0.1

WINDOW_TOO_SHORT = "window-too-short"
"""Flag of a cell whose chain passed on more frames outside of the window than its rate in the window explains."""

GENERATOR_LIMITED = "offered-below-intended"
"""Flag of a cell whose generator offered less than was intended."""

UNCONFIRMED = "offered-unconfirmed"
"""Flag of a cell whose generator counts by itself, and claims more frames than reached the middlebox server."""

LATENCY_TRIALS = 5
"""How many trials a cell takes besides when it is to tell how long frames take."""


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
    def traffic_s(self) -> float:
        """Seconds of warm-up and window of one trial."""
        return self.warm_up_s + self.window_s

    @property
    def timeout_s(self) -> float:
        """Seconds that the traffic of a cell may take at the most.

        A search goes on to the end of the trial in which its time is over.
        """
        search_s = self.search.timeout_s + self.search.final_trial_s if self.search else 0.0
        trials = 1 + (LATENCY_TRIALS if self.latency else 0)
        return search_s + trials * self.traffic_s


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


class Attestation(Options):
    """Evidence that the record is valid: the chain was the planned one before and after, and forwarded."""

    fingerprint: str
    """SHA-256 of the live chain, the same before and after the trial."""
    probes_sent: int
    probes_returned: int
    """Came back byte for byte, through every hop."""
    checked_packets: Count = 0
    """Frames of the trial's load that were picked out at the receiver, and were what the functions on their way must
    have made of them; 0 where all middleboxes forward."""


class Record(Options):
    """One cell, measured."""

    format: Literal["middlebench-record/3"] = "middlebench-record/3"
    cell: Cell
    mix: Mix | None = None
    """The sizes of the frames where they are several."""
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
