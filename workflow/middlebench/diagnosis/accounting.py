"""Where the packets of a trial died: the difference between each counter along the chain and the next one. Pure.

Every packet that left the test computer passes the counters in this order::

    sent  | link 0 |  bridge 0: entered | in | taken | flow table | forwarded | out | left
          | middlebox 1: | in | taken | inside | given | out |
          |  bridge 1: entered ...  bridge n: ... left  | link 1 |  received

What lies between two neighbouring counters is a *place*, within one link, bridge or middlebox. The packets lost
at all places add up to those sent and not received, whatever the counters say. A place that seems to give birth
to packets shows that counters contradict each other, and is said.

One contradiction has an explanation. Open vSwitch tells a flow's count some time in the half second after
the frames; when the flow table changes in between, it credits them to the flow that would take them *now*.
So a drop rule that comes during a trial is credited with frames that had been forwarded before it came.
They have left the bridge, as its port shows: they are taken off the flow table's loss, and said (*credited*).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from middlebench.model.record import Hop, MiddleboxCounts

IN, FLOW_TABLE, INSIDE, OUT = "in", "flow table", "inside", "out"
SIDES = {"bridge": (IN, FLOW_TABLE, OUT), "middlebox": (IN, INSIDE, OUT)}
"""A bridge loses packets between a port and the switch (*in*), by a flow or for want of one (*flow table*), and by
sending them to a port that does not take them (*out*); a middlebox likewise, *inside* being its function."""


@dataclass(frozen=True)
class Place:
    """One place of the chain at which packets can die, between two counters."""

    kind: str
    """``link``, ``bridge`` or ``middlebox``."""
    index: int
    """Which one, along the chain."""
    sides: tuple[str, ...] = ()
    """Which of its sides; several where no counter lies between them; none for a link."""

    def __str__(self) -> str:
        """Return the place as a reader calls it, such as ``bridge 2 (flow table)``."""
        whole = not self.sides or self.sides == SIDES[self.kind]
        return f"{self.kind} {self.index}" + ("" if whole else f" ({' or '.join(self.sides)})")


@dataclass(frozen=True)
class Loss:
    """What became of packets between two counters."""

    place: Place
    packets: int
    """Counted before it and not behind it; negative where more were counted behind it."""


@dataclass(frozen=True)
class Account:
    """All packets of a trial."""

    sent: int
    received: int
    losses: tuple[Loss, ...]
    """Along the chain, those of nothing too; their sum is ``lost``."""
    credited: Mapping[str, int]
    """Packets by bridge that its flow table counts as dropped though they had left the bridge."""

    @property
    def lost(self) -> int:
        """Packets that were sent and not received."""
        return self.sent - self.received

    @property
    def contradictions(self) -> tuple[Loss, ...]:
        """Places behind which more packets were counted than before them."""
        return tuple(loss for loss in self.losses if loss.packets < 0)

    @property
    def unaccounted(self) -> int:
        """By how many packets the counters contradict each other: so many of those lost have no place, or two."""
        return -sum(loss.packets for loss in self.contradictions)

    @property
    def deadliest(self) -> Loss | None:
        """The place where most packets died, the first of several; None where none did."""
        worst = max(self.losses, key=lambda loss: loss.packets)
        return worst if worst.packets > 0 else None

    def __str__(self) -> str:
        """Return where packets died, the deadliest place first, and what does not add up, for a sentence."""
        if not self.lost and not self.contradictions:
            return f"all {self.sent:,} packets arrived"
        parts = [
            f"lost at {loss.place}: {loss.packets:,}"
            for loss in sorted(self.losses, key=lambda loss: -loss.packets)
            if loss.packets > 0
        ]
        parts += [f"{-loss.packets:,} more behind {loss.place} than before it" for loss in self.contradictions]
        parts += [
            f"{packets:,} more counted as dropped by the flow table of {bridge}, which had left it before"
            for bridge, packets in self.credited.items()
        ]
        return f"of {self.sent:,} packets {self.received:,} arrived; " + ", ".join(parts)


def account(sent: int, received: int, hops: Sequence[Hop], middleboxes: Sequence[MiddleboxCounts]) -> Account:
    """Return where the packets of a trial died.

    Args:
        sent: packets that left the test computer, from the first to the last.
        received: packets that came back to it.
        hops: the bridges' counts in the order of the chain.
        middleboxes: the middleboxes' own counts, one between each two bridges.
    """
    losses, last = [], sent
    credited = {f"bridge {index}": packets for index, hop in enumerate(hops) if (packets := _credited(hop))}
    for place, behind in _counters(received, hops, middleboxes):
        losses.append(Loss(place, last - behind))
        last = behind
    return Account(sent, received, tuple(losses), credited)


def _counters(
    received: int, hops: Sequence[Hop], middleboxes: Sequence[MiddleboxCounts]
) -> Iterator[tuple[Place, int]]:
    """Yield each place along the chain with the counter behind it."""
    for index, hop in enumerate(hops):
        if index == 0:
            yield Place("link", 0), hop.entered_packets
        else:
            own = middleboxes[index - 1]
            yield from _within("middlebox", index, own.taken_packets, own.given_packets, hop.entered_packets)
        forwarded = None if hop.forwarded_packets is None else hop.forwarded_packets + _credited(hop)
        yield from _within("bridge", index, hop.taken_packets, forwarded, hop.left_packets)
    yield Place("link", 1), received


def _within(kind: str, index: int, *counters: int | None) -> Iterator[tuple[Place, int]]:
    """Yield the places of one element with the counter behind each; without a counter sides become one place."""
    sides: tuple[str, ...] = ()
    for side, counter in zip(SIDES[kind], counters, strict=True):
        sides += (side,)
        if counter is not None:
            yield Place(kind, index, sides), counter
            sides = ()


def _credited(hop: Hop) -> int:
    """Return how many packets a bridge's flows were credited with that had left by another one before."""
    if hop.taken_packets is None or hop.forwarded_packets is None:
        return 0
    left_before = hop.left_packets - hop.forwarded_packets
    return left_before if left_before > 0 and hop.left_packets <= hop.taken_packets else 0
