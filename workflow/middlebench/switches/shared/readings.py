"""What Open vSwitch and the kernel say of bridges and ports, as values. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from middlebench.model.live import LiveBridge, LiveSwitch, PortState
from middlebench.model.plan import Rule
from middlebench.model.reading import BridgeCounters, PortCounters
from middlebench.model.sharing import UdpPorts

STATISTICS = re.compile(r"(duration|n_packets|n_bytes|n_offload_packets|n_offload_bytes)=[^,]*, ")
FLOW = re.compile(
    r"^duration=[^,]+, n_packets=\d+, n_bytes=\d+, (?P<udp>udp,)?in_port=(?P<ingress>\d+)"
    r"(?(udp),tp_(?P<side>src|dst)=(?P<value>\w+)/(?P<mask>\w+)),actions=output:(?P<egress>\d+)$"
)
"""A flow of ours, as ``ovs-appctl bridge/dump-flows`` shows it (default table and priority go unsaid)."""
SIDES: Mapping[str, Literal["source", "destination"]] = {"src": "source", "dst": "destination"}
PACKETS = re.compile(r"\bn_packets=(?P<packets>\d+)")
PORT_COLUMNS = 16
"""Of /proc/net/dev behind an interface's name: eight of what it received, eight of what it sent."""
WORK_CONSERVING = ("pfifo_fast", "pfifo", "bfifo", "fq_codel", "fq", "codel", "sfq", "mq")
"""Queueing disciplines that hold no frame back from a device that takes them (tc(8)): they drop where it does not."""
HIDDEN_TABLE = "table_id=254"
"""The daemon's internal table, which every bridge has."""
DATAPATH_PORT = re.compile(
    r"^ *port \d+: (?P<name>\S+) \(dpdkvhostuser.*\n"
    r" *RX packets:(?P<rx>\d+) errors:\S+ dropped:(?P<rx_dropped>\d+) .*\n"
    r" *TX packets:(?P<tx>\d+) errors:\S+ dropped:(?P<tx_dropped>\d+) ",
    re.MULTILINE,
)
"""A vhost-user port and its counters, as ``ovs-appctl dpctl/show -s`` shows them."""


def parse_ports(table: str) -> dict[str, PortCounters]:
    """Return the counters of every interface in a text of /proc/net/dev (proc(5)), whose first two lines are a head.

    Raises:
        ValueError: this is not such a text.
    """
    found = {}
    for line in table.splitlines()[2:]:
        name, _, rest = line.rpartition(":")
        values = [int(word) for word in rest.split()]
        if len(values) != PORT_COLUMNS:
            raise ValueError(f"this is not a row of /proc/net/dev: {line!r}")
        found[name.strip()] = PortCounters(values[1], values[9], values[3], values[11])
    return found


def parse_datapath_ports(text: str) -> dict[str, PortCounters]:
    """Return the counters of the vhost-user ports, which are no devices of the kernel, by name.

    The text is that of ``ovs-appctl dpctl/show -s``.
    """
    return {
        found["name"]: PortCounters(*(int(found[key]) for key in ("rx", "tx", "rx_dropped", "tx_dropped")))
        for found in DATAPATH_PORT.finditer(text)
    }


def with_queues(ports: Mapping[str, PortCounters], queues: Mapping[str, tuple[str, int]]) -> dict[str, PortCounters]:
    """Return the ports' counters with what their queues dropped because the device took no frames.

    The driver of a Xen domain's port stops its queue while the domain takes nothing: what overflows is dropped there,
    and not counted by the device.

    Args:
        ports: counters by port, as the devices count.
        queues: the root queueing discipline of each, and the frames that it dropped. A shaper's are left out: it drops
            by its own rule.
    """
    dropped = {name: drops for name, (kind, drops) in queues.items() if kind in WORK_CONSERVING}
    return {name: replace(port, tx_dropped=port.tx_dropped + dropped.get(name, 0)) for name, port in ports.items()}


def live_switch(answer: Mapping[str, Any]) -> LiveSwitch:
    """Return the bridges from the agent's description of them."""
    return LiveSwitch(
        bridges={bridge["name"]: live_bridge(bridge) for bridge in answer["bridges"]},
        identity=json.dumps(
            [
                answer["daemon"],
                *([each["name"], each["deployment"], each["datapath_type"]] for each in answer["bridges"]),
            ]
        ),
        port_states={port: PortState(**state) for port, state in answer["states"].items()},
        composition=next((each["composition"] for each in answer["bridges"]), ""),
    )


def bridge_counters(described: Mapping[str, Any]) -> BridgeCounters:
    """Return what one bridge's flows have counted, from the agent's description of it.

    The rules of the daemon's own table are among them: they count what no flow took. Flows of ours from one port to
    another are counted as one.
    """
    ours = {flow: " to ".join(rule[:2]) for rule, flow in _ours(described)}
    flows: dict[str, int] = {}
    for line in described["flows"].splitlines():
        if match := PACKETS.search(line):
            flow = STATISTICS.sub("", line).strip()
            name = ours.get(flow, flow)
            flows[name] = flows.get(name, 0) + int(match["packets"])
    return BridgeCounters(flows=flows, forwarding={rule[:2]: ours[flow] for rule, flow in _ours(described)})


def _ours(described: Mapping[str, Any]) -> Iterator[tuple[Rule, str]]:
    """Yield the flows from one working port to another: what each does, and its text."""
    working = {each["ofport"]: each["name"] for each in described["interfaces"] if not each["error"]}
    for line in described["flows"].splitlines():
        if match := FLOW.match(line):
            ends = [working.get(int(match[side])) for side in ("ingress", "egress")]
            if all(ends):
                rule: Rule = (str(ends[0]), str(ends[1]))
                if match["udp"]:
                    rule = (*rule, UdpPorts(SIDES[match["side"]], int(match["value"], 0), int(match["mask"], 0)))
                yield rule, STATISTICS.sub("", line).strip()


def live_bridge(described: Mapping[str, Any]) -> LiveBridge:
    """Return one bridge from the agent's description of it."""
    ours = {flow: rule for rule, flow in _ours(described)}
    foreign = [
        f"port {each['name']} does not work: {each['error']}" for each in described["interfaces"] if each["error"]
    ]
    for line in described["flows"].splitlines():
        flow = STATISTICS.sub("", line).strip()
        if flow and HIDDEN_TABLE not in flow and flow not in ours:
            foreign.append(f"flow {flow} is not ours")
    return LiveBridge(
        ports=frozenset(each["name"] for each in described["interfaces"] if not each["error"]),
        flows=frozenset(ours.values()),
        foreign=tuple(sorted(foreign)),
    )
