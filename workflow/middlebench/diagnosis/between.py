"""What was counted and used between two readings of a testbed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from middlebench.diagnosis.usage import machine_between, of_traffic, process_between, processors_between
from middlebench.model.plan import Plan
from middlebench.model.reading import BridgeCounters, MiddleboxReading, Reading, SwitchReading
from middlebench.model.record import Hop, MiddleboxCounts, WireCounts
from middlebench.model.traffic import Traffic
from middlebench.model.usage import Usage


class Passed(NamedTuple):
    """What every counter of a plan gained between two readings, in the order in which an account takes it."""

    hops: tuple[Hop, ...]
    middleboxes: tuple[MiddleboxCounts, ...]
    wires: tuple[WireCounts, ...]


def passed_between(plan: Plan, before: Reading, after: Reading) -> Passed:
    """Return what was counted everywhere between two readings, all of whose ports are in both."""
    return Passed(
        hops_between(plan, before.switch, after.switch),
        middleboxes_between(plan, before.middleboxes, after.middleboxes),
        wires_between(plan, before.switch, after.switch),
    )


def hops_between(plan: Plan, before: SwitchReading, after: SwitchReading) -> tuple[Hop, ...]:
    """Return what was counted at each bridge between two readings, all of whose ports are in both."""
    hops = []
    for bridge in plan.bridges:
        then, now = before.bridges.get(bridge.name), after.bridges.get(bridge.name)
        matched, forwarded = _flows_between(plan.routes[bridge.name], then, now)
        hops.append(
            Hop(
                bridge=bridge.name,
                ingress={port: _at_port(port, "rx_packets", before, after) for port in bridge.ingress_ports},
                matched_packets=matched,
                forwarded_packets=forwarded,
                egress={port: _at_port(port, "tx_packets", before, after) for port in bridge.egress_ports},
                dropped={port: _at_port(port, "tx_dropped", before, after) for port in bridge.egress_ports},
            )
        )
    return tuple(hops)


def wires_between(plan: Plan, before: SwitchReading, after: SwitchReading) -> tuple[WireCounts, ...]:
    """Return what was counted at each link without a bridge between two readings, all of whose ports are in both."""
    return tuple(
        WireCounts(
            source_port=wire.source_port,
            destination_port=wire.destination_port,
            rx_packets=_at_port(wire.source_port, "rx_packets", before, after),
            tx_packets=_at_port(wire.destination_port, "tx_packets", before, after),
        )
        for wire in plan.wires
    )


def middleboxes_between(
    plan: Plan, before: Mapping[str, MiddleboxReading], after: Mapping[str, MiddleboxReading]
) -> tuple[MiddleboxCounts, ...]:
    """Return what each middlebox of ``plan`` itself counted between two readings."""
    counts = []
    for middlebox in plan.middleboxes:
        then, now = before.get(middlebox.name), after.get(middlebox.name)
        same = then is not None and now is not None and then.identity == now.identity
        counts.append(
            MiddleboxCounts(
                name=middlebox.name,
                ingress_port=middlebox.ingress_port,
                egress_port=middlebox.egress_port,
                rx_packets=_gained(then.rx_packets, now.rx_packets) if same and then and now else None,
                tx_packets=_gained(then.tx_packets, now.tx_packets) if same and then and now else None,
            )
        )
    return tuple(counts)


def usage_between(
    plan: Plan, before: Reading, after: Reading, traffic: Traffic, test_cpus: Collection[int] = ()
) -> Usage:
    """Return what everybody used between two readings with the traffic between them.

    What the traffic says of a machine's processors is of its window, and goes before the readings where both computers
    are parts of one machine; no ``test_cpus`` are all of that machine.
    """
    of_window = {each.cpu: each for each in traffic.processors}
    server = processors_between(before.switch.processors[1], after.switch.processors[0])
    if traffic.machine == after.switch.machine and all(each.cpu in of_window for each in server):
        server = tuple(of_window[each.cpu] for each in server)
    else:
        server = tuple(of_traffic(each, traffic.traffic_s) for each in server)
    switch = process_between("switch", before.switch.daemon, after.switch.daemon)
    links = {role: process_between("links", then, after.links.get(role)) for role, then in before.links.items()}
    readings = [
        (each.name, before.middleboxes[each.name].usage, after.middleboxes[each.name].usage)
        for each in plan.middleboxes
        if each.name in before.middleboxes and each.name in after.middleboxes
    ]
    middleboxes = (process_between(*each) for each in readings)
    machines = (machine_between(then, now) for _, then, now in readings)
    return Usage(
        traffic_s=round(traffic.traffic_s, 6),
        test_computer=tuple(each for each in traffic.processors if not test_cpus or each.cpu in test_cpus),
        middlebox_server=server,
        generator=tuple(each for each in (traffic.usage, links.get("test computer")) if each),
        switch=(switch,) if switch else (),
        middleboxes=tuple(each for each in middleboxes if each),
        machine=next(filter(None, machines), None),
        links=tuple(each for each in (links.get("middlebox server"),) if each),
    )


def _flows_between(
    routes: Sequence[tuple[str, str]], before: BridgeCounters | None, after: BridgeCounters | None
) -> tuple[int | None, int | None]:
    """Return how many frames a bridge's flow table took in at its ingress ports, and sent on to its egress ports.

    A flow that came meanwhile began at zero. With a flow that went its count is lost, and nothing can be said.
    ``routes`` are what the bridge forwards, forth and back in turns.
    """
    if before is None or after is None or before.flows.keys() - after.flows.keys():
        return None, None
    if any(route not in after.forwarding for route in routes):
        return None, None
    gained = {flow: packets - before.flows.get(flow, 0) for flow, packets in after.flows.items()}
    forth, back = (sum(gained[after.forwarding[route]] for route in way) for way in (routes[::2], routes[1::2]))
    return sum(gained.values()) - back, forth


def _at_port(
    port: str, counter: Literal["rx_packets", "tx_packets", "tx_dropped"], before: SwitchReading, after: SwitchReading
) -> int:
    return int(getattr(after.ports[port], counter)) - int(getattr(before.ports[port], counter))


def _gained(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
