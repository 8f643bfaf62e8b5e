"""What the parts of a plan counted, for tests of all that is made of counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from middlebench.model.plan import Plan
from middlebench.model.record import Hop, MiddleboxCounts


class Passed(NamedTuple):
    """What a bridge counted in frames; of several ports a number each, or all of it at the first."""

    rx: int | tuple[int, ...] = 100
    matched: int | None = 100
    forwarded: int | None = 100
    tx: int | tuple[int, ...] = 100
    dropped: int = 0


def hops_of(plan: Plan, passed: Iterable[Passed]) -> list[Hop]:
    """Return what the bridges of a plan counted, in their order."""
    return [
        Hop(
            bridge=bridge.name,
            ingress=_by_port(bridge.ingress_ports, each.rx),
            matched_packets=each.matched,
            forwarded_packets=each.forwarded,
            egress=_by_port(bridge.egress_ports, each.tx),
            dropped=_by_port(bridge.egress_ports, each.dropped),
        )
        for bridge, each in zip(plan.bridges, passed, strict=True)
    ]


def middleboxes_of(plan: Plan, counted: Iterable[tuple[int | None, int | None]] = ()) -> list[MiddleboxCounts]:
    """Return what the middleboxes of a plan received and sent, in their order; without counts they count nothing."""
    return [
        MiddleboxCounts(
            name=each.name, ingress_port=each.ingress_port, egress_port=each.egress_port, rx_packets=rx, tx_packets=tx
        )
        for each, (rx, tx) in zip(
            plan.middleboxes, tuple(counted) or [(None, None)] * len(plan.middleboxes), strict=True
        )
    ]


def _by_port(ports: tuple[str, ...], packets: int | tuple[int, ...]) -> dict[str, int]:
    numbers = packets if isinstance(packets, tuple) else (packets, *[0] * (len(ports) - 1))
    return dict(zip(ports, numbers, strict=True))
