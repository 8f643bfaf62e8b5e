"""Where the packets of a trial were dropped: the difference between each counter and the next one. Pure.

On a path every packet passes the counters in this order::

    sent  | link 0 |  bridge 0: rx | in | matched | flow table | forwarded | out | tx
          | middlebox 1: | in | rx | inside | tx | out |
          |  bridge 1: rx ...  bridge n: ... tx  | link 1 |  received

What lies between two neighbouring counters is a *place*, within one link, bridge or middlebox. Where paths part and
meet, the counters of a node's ports are added up on each side. The packets lost at all places add up to those sent
and not received, whatever the counters say. Where more packets are counted behind a place than before it, counters
contradict each other, and that is said.

One contradiction has an explanation. Open vSwitch tells a flow's count some time in the half second after
the frames; when the flow table changes in between, it credits them to the flow that would take them *now*.
So a drop rule that comes during a trial is credited with frames that had been forwarded before it came.
They have left the bridge, as its port shows: they are taken off the flow table's loss, and said (*credited*).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from middlebench.model.record import Hop, MiddleboxCounts, WireCounts

IN, FLOW_TABLE, INSIDE, OUT = "in", "flow table", "inside", "out"
SIDES = {"bridge": (IN, FLOW_TABLE, OUT), "middlebox": (IN, INSIDE, OUT)}
"""A bridge drops packets between a port and the switch (*in*), by a flow or for want of one (*flow table*), and by
sending them to a port that does not take them (*out*); a middlebox likewise, *inside* being its function."""


@dataclass(frozen=True)
class Place:
    """One place at which packets can be dropped, between two counters."""

    kind: str
    """``link``, ``wire`` (between two middleboxes), ``bridge`` or ``middlebox``."""
    index: int
    """Which one; of links 0 is the one to the middlebox server, 1 the one back, and a wire has the index of the
    middlebox that it leads to."""
    sides: tuple[str, ...] = ()
    """Which of its sides; several where no counter lies between them; none for a link."""

    def __str__(self) -> str:
        """Return the place as a reader calls it, such as ``bridge 2 (flow table)``."""
        whole = self.sides == SIDES.get(self.kind, ())
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
    """In the direction of travel, those of nothing too; their sum is ``lost``."""
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
    def worst(self) -> Loss | None:
        """The place where most packets were lost, the first of several; None where none was."""
        worst = max(self.losses, key=lambda loss: loss.packets)
        return worst if worst.packets > 0 else None

    def __str__(self) -> str:
        """Return where packets were lost, the worst place first, and what does not add up, for a sentence."""
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


def account(
    sent: int,
    received: int,
    hops: Sequence[Hop],
    middleboxes: Sequence[MiddleboxCounts],
    wires: Sequence[WireCounts] = (),
) -> Account:
    """Return where the packets of a trial were dropped.

    ``sent`` are packets that left the test computer, ``received`` those that came back to it.
    """
    credited = {f"bridge {index}": packets for index, hop in enumerate(hops) if (packets := _credited(hop))}
    from_middleboxes = {each.egress_port for each in middleboxes}
    to_middleboxes = {each.ingress_port for each in middleboxes}
    arrived = sum(counted for hop in hops for port, counted in hop.ingress.items() if port not in from_middleboxes)
    left = sum(counted for hop in hops for port, counted in hop.egress.items() if port not in to_middleboxes)
    losses = [Loss(Place("link", 0), sent - arrived)]
    for first, places in _in_order_of_travel(hops, middleboxes, wires):
        last = first
        for place, behind in places:
            losses.append(Loss(place, last - behind))
            last = behind
    losses.append(Loss(Place("link", 1), left - received))
    return Account(sent, received, tuple(losses), credited)


Places = tuple[int, list[tuple[Place, int]]]
"""What was counted before a node, and each place within it with the counter behind it."""


def _in_order_of_travel(
    hops: Sequence[Hop], middleboxes: Sequence[MiddleboxCounts], wires: Sequence[WireCounts]
) -> list[Places]:
    """Return the counters of every node and wire, each behind those that its frames come from.

    The first bridge comes first and the last one last. Between them a middlebox comes behind the wire that leads to it,
    and in front of the bridge of its own number.
    """
    handed = {port: packets for hop in hops for port, packets in hop.egress.items()}
    handed |= {wire.destination_port: wire.tx_packets for wire in wires}
    taken = {port: packets for hop in hops for port, packets in hop.ingress.items()}
    taken |= {wire.source_port: wire.rx_packets for wire in wires}
    found: dict[tuple[float, int], Places] = {}
    for index, hop in enumerate(hops):
        forwarded = None if hop.forwarded_packets is None else hop.forwarded_packets + _credited(hop)
        places = list(_within("bridge", index, hop.matched_packets, forwarded, hop.tx_packets))
        found[math.inf if 0 < index == len(hops) - 1 else index, 2] = (hop.rx_packets, places)
    for index, own in enumerate(middleboxes, start=1):
        into, out_of = handed.get(own.ingress_port, 0), taken.get(own.egress_port, 0)
        places = list(_within("middlebox", index, own.rx_packets, own.tx_packets, out_of))
        found[index, 1] = (into, places)
    index_of = {own.ingress_port: index for index, own in enumerate(middleboxes, start=1)}
    for wire in wires:
        index = index_of.get(wire.destination_port, 0)
        found[index, 0] = (wire.rx_packets, [(Place("wire", index), wire.tx_packets)])
    return [found[place] for place in sorted(found)]


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
    if hop.matched_packets is None or hop.forwarded_packets is None:
        return 0
    left_before = hop.tx_packets - hop.forwarded_packets
    return left_before if left_before > 0 and hop.tx_packets <= hop.matched_packets else 0
