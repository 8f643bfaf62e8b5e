"""What a generator is asked for, and what it has counted. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from middlebench.model.mix import FrameSize, bytes_of, size_label, sizes_of
from middlebench.model.record import Sample
from middlebench.model.usage import ProcessorUsage, ProcessUsage


@dataclass(frozen=True)
class Load:
    """What one trial asks for."""

    frame_bytes: FrameSize
    """Frame size without FCS, or the name of a mix of sizes."""
    packets_per_second: float
    """Intended load."""
    saturating: bool
    """Whether the load is meant to be all that the link carries, so that the link does the pacing."""
    warm_up_s: float
    """Seconds of traffic before the window."""
    window_s: float
    """Seconds over which frames are counted."""
    sample_interval_s: float
    """Seconds between two samples of the counters within the window."""
    packets: int | None = None
    """Frames to send in all, as the trials of a search have it; the window then is the time in which they should be
    sent, and what was not sent by then stays unsent. None: the generator sends until the window is over."""
    flows: int = 1
    """Flows that the frames belong to, in turn; each has a UDP source port of its own."""
    latency: bool = False
    """Whether some of the frames tell when they left, and are timed; such a load is paced whatever its rate."""
    sampled: bool = False
    """Whether some of the frames are to be returned as they arrived; a generator may have none."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the frames that leave one after the other, until that repeats, in bytes without FCS."""
        return sizes_of(self.frame_bytes)

    @property
    def paced(self) -> bool:
        """Whether its frames leave at a rate, and not as fast as they can be made."""
        return not self.saturating or self.latency

    @property
    def label(self) -> str:
        """Its frame size in words."""
        return size_label(self.frame_bytes)

    @property
    def mean_bytes(self) -> float:
        """Mean size of its frames, in bytes without FCS."""
        return mean(self.sizes)

    def bytes_of(self, packets: int) -> int:
        """Return how many bytes so many of its frames have, from the first one on."""
        return bytes_of(self.sizes, packets)


@dataclass(frozen=True)
class Timing:
    """Frames of one trial that were timed from the sender to the receiver."""

    sent: int
    """How many left the sender."""
    received: int
    """How many of them reached the receiver."""
    nanoseconds: tuple[int, ...]
    """How long those took that left within the window, in the order in which they left."""


@dataclass(frozen=True)
class ReceiverBytes:
    """What a receiving port says of the bytes of frames of several sizes."""

    trial: int
    """Bytes of the frames that were received in the trial."""
    counter: int
    """What the port had counted when the drain ended, since it was made."""
    excess: int
    """By how much a frame is longer to the port than it is: by its FCS, or less by its Ethernet header."""

    def later(self, counter: int, packets: int) -> ReceiverBytes:
        """Return the same once so many more frames have arrived."""
        return ReceiverBytes(self.trial + counter - self.counter - self.excess * packets, counter, self.excess)


@dataclass(frozen=True)
class Traffic:
    """What one trial counted, in integers, at the sender and at the receiver."""

    window_s: float
    """Seconds that really lay between the first and the last reading of the window."""
    offered_packets: int
    """Left the sender within the window."""
    received_packets: int
    """Reached the receiver within the window."""
    offered_bytes: int
    received_bytes: int
    trial_sent_packets: int
    """Left the sender from the first frame of the warm-up to the last one."""
    trial_received_packets: int
    """Reached the receiver in that time and in the drain after it."""
    unexpected_packets: int
    """Reached either port without being ours, as far as sizes can tell; 0 in a trial to be believed."""
    traffic_s: float
    """Seconds from the first frame to the last one."""
    processors: tuple[ProcessorUsage, ...]
    """What all processors of the machine did in the window; it may be more than the test computer."""
    machine: str
    """What tells that machine from others."""
    usage: ProcessUsage | None
    """What the generator's own processes used in the whole trial; None where that is not known."""
    samples: tuple[Sample, ...]
    raw: str
    """What the tools said, as they said it."""
    sender: str = ""
    """What sent the frames where it was not what the generator says of itself; else empty."""
    timing: Timing | None = None
    """What was timed; None where the load did not ask for it."""
    receiver_counter: int | None = None
    """What the receiving port had counted when the drain ended, since it was made; None where no port counts."""
    receiver_bytes: ReceiverBytes | None = None
    """The same in bytes, of a mix of sizes; None where the number of frames tells it."""
    overflowed_packets: int = 0
    """Sent in the trial, but the ring at the other end of the cable had no room; 0 where no port counts it."""
    claimed: bool = False
    """Whether what was sent is the sender's own word, not what a port has counted."""
    sample: tuple[tuple[bytes, int], ...] = ()
    """Some frames as they reached the receiver: each different one, and how often it was seen."""


@dataclass(frozen=True)
class Probe:
    """What became of single frames sent through the chain, each known by its payload."""

    sent: int
    returned: int
    """Came back byte for byte as they were sent."""
    unexpected: int
    """Reached the receiver and were none of the sent ones."""
