"""What moving frames cost the middlebox server: a hop, and what the emulated links took. Pure, from a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from middlebench.model.record import Record


@dataclass(frozen=True)
class HopCost:
    """What switch and middleboxes used to bring one frame by one hop, a middlebox and the bridge behind it."""

    processor_us: float
    """Processor time in µs."""
    context_switches: float | None
    """How often their threads gave up or lost the processor; None where that is not known of all."""
    io_calls: float | None
    """Their system calls that read or wrote; None where that is not known of all."""


def hop_cost(record: Record) -> HopCost | None:
    """Return what a frame cost at a hop; None where it is not known.

    A frame that is lost half-way counts for the hops that it came through. What polls is busy without frames, so that
    its time says nothing.
    """
    parts = (*record.usage.switch, *record.usage.middleboxes)
    passed = sum(hop.tx_packets for hop in record.hops[:-1])
    if not passed or not record.usage.middleboxes or any(part.polls for part in parts):
        return None
    return HopCost(
        processor_us=1e6 * sum(part.cpu_s for part in parts) / passed,
        context_switches=_each([part.context_switches for part in parts], passed),
        io_calls=_each([part.io_calls for part in parts], passed),
    )


def _each(counts: Sequence[int | None], passed: int) -> float | None:
    """Return the sum of counts for each frame that passed; None where one of them is not known."""
    known = [each for each in counts if each is not None]
    return sum(known) / passed if len(known) == len(counts) else None


def untaken_ratio(record: Record) -> float | None:
    """Return which share of the frames sent in the trial no bridge took, from 0 to 1; None where nobody can say.

    What they cost is the links' and, where they overflow the first port's ring, the sender's.
    """
    sent, first = record.counts.trial_sent_packets, record.hops[0]
    taken = first.rx_packets if first.matched_packets is None else first.matched_packets
    return max(0.0, 1 - taken / sent) if sent else None
