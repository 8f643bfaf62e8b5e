"""Open vSwitch, driven by its own tools: bridges, ports and flows of one plan.

How the instance is reached (our private one, or the system's) is the caller's affair; what is done
to it is the same. All bridges carry ``external-ids:owner``; nothing else is ever changed.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from middlebench import LABEL
from middlebench.diagnosis.usage import parse_process, parse_processors
from middlebench.hosts.base import COMMAND_SECONDS, CommandResult, Host
from middlebench.hosts.shared.agents import agent_text
from middlebench.model.live import LiveBridge, LiveSwitch, PortState
from middlebench.model.plan import Plan
from middlebench.model.reading import BridgeCounters, PortCounters, SwitchReading
from middlebench.switches import openvswitch_agent
from middlebench.system.deadline import Deadline
from middlebench.system.errors import SwitchError

OPENFLOW = "OpenFlow13"
BRIDGE_SECONDS = 3.0
"""What each bridge, or each pair of ports, may add to how long a transaction takes: AF_XDP ports take longest."""
MARGIN_SECONDS = 5.0
"""How much later than Open vSwitch's tools (OVS_CTL_TIMEOUT, ovs-vsctl(8)) their host gives up: they say why."""
AGENT = agent_text(openvswitch_agent)
STATISTICS = re.compile(r"(duration|n_packets|n_bytes|n_offload_packets|n_offload_bytes)=[^,]*, ")
FLOW = re.compile(
    r"^duration=[^,]+, n_packets=\d+, n_bytes=\d+, in_port=(?P<ingress>\d+),actions=output:(?P<egress>\d+)$"
)
"""A flow of ours, as ``ovs-appctl bridge/dump-flows`` shows it (default table and priority go unsaid)."""
PACKETS = re.compile(r"\bn_packets=(?P<packets>\d+)")
PORT_COLUMNS = 16
"""Of /proc/net/dev behind an interface's name: eight of what it received, eight of what it sent."""
Settle = Literal["revalidator/purge", "revalidator/wait"]
"""How a flow's count becomes exact: `purge` has the daemon take down what its datapath has cached, with the counts, at
once (5 ms; the next frame of each bridge has its flow looked up again); `wait` waits for the next time that the daemon
does its rounds (up to 0.5 s), and touches nothing."""
PORT_OPTIONS = {"afxdp": ("options:xdp-mode=native",), "afxdp-nonpmd": ("options:xdp-mode=native",)}
"""Options of ports by type. AF_XDP takes 64 MiB for each port's frames; by default Open vSwitch tries zero copy first,
which neither veth nor tap has, and takes all of it twice."""
WORK_CONSERVING = ("pfifo_fast", "pfifo", "bfifo", "fq_codel", "fq", "codel", "sfq", "mq")
"""Queueing disciplines that hold no frame back from a device that takes them (tc(8)): they drop where it does not."""
HIDDEN_TABLE = "table_id=254"
"""The daemon's internal table, which every bridge has."""


class OpenVSwitch:
    """Commands to one instance of Open vSwitch.

    Args:
        host: where it runs.
        run_folder: where its sockets are (``OVS_RUNDIR``).
        datapath_type: ``system`` (the kernel's) or ``netdev`` (userspace).
        port_type: Open vSwitch's interface type for ports; empty for the default.
        settle: how the counts of flows are brought up to date; see :data:`Settle`.
    """

    def __init__(self, host: Host, run_folder: str, datapath_type: str, port_type: str = "", *, settle: Settle) -> None:
        self._host = host
        self._run_folder = run_folder
        self._environment = ["env", *(f"OVS_{kind}DIR={run_folder}" for kind in ("RUN", "LOG", "DB"))]
        self._datapath_type = datapath_type
        self._port_type = port_type
        self._settle = settle

    def run(self, *argv: str, check: bool = True, stdin: str = "", deadline: Deadline | None = None) -> CommandResult:
        """Run one of Open vSwitch's tools against this instance; it gives up by itself just before the deadline."""
        limit_s = deadline.seconds if deadline else COMMAND_SECONDS
        environment = [*self._environment, f"OVS_CTL_TIMEOUT={math.ceil(limit_s * self._host.timeout_factor)}"]
        deadline = Deadline(limit_s + MARGIN_SECONDS)
        return self._host.run([*environment, *argv], check=check, stdin=stdin, deadline=deadline)

    def transaction(self, commands: Iterable[Sequence[str]]) -> CommandResult:
        """Run many ``ovs-vsctl`` commands as one transaction, and wait until it is in effect.

        Raises:
            SwitchError: it was refused. ``ovs-vsctl`` exits 0 for a port that does not exist and says so
                on its standard error only: that is refused here too.
        """
        parts = [("--", *command) for command in commands]
        limit_s = COMMAND_SECONDS + BRIDGE_SECONDS * len(parts)
        words = [word for part in parts for word in part]
        result = self.run("ovs-vsctl", *words, check=False, deadline=Deadline(limit_s))
        if result.status != 0 or "Error detected" in result.stderr:
            raise SwitchError(f"setting up bridges on {self._host.name}", "Open vSwitch refused", result=result)
        return result

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``, closed (fail-mode secure) until flows exist."""
        deployment = uuid.uuid4().hex
        self.transaction(
            (
                *("add-br", bridge.name, "--", "set", "Bridge", bridge.name),
                *(f"datapath_type={self._datapath_type}", "fail_mode=secure", f"protocols={OPENFLOW}"),
                *(f"external_ids:owner={LABEL}", f"external_ids:deployment={deployment}"),
            )
            for bridge in plan.bridges
        )

    def connect(self, plan: Plan) -> None:
        """Put ports on bridges, and the flows by which each bridge forwards.

        The uplinks keep the queueing discipline that they have, such as the shaper of the link: Open vSwitch would
        take it off (ovs-vswitchd.conf.db(5), QoS type ``linux-noop``).
        """
        kind: tuple[str, ...] = ()
        if self._port_type:
            options = PORT_OPTIONS.get(self._port_type, ())
            kind = ("--", "set", "Interface", "{port}", f"type={self._port_type}", *options)
        ports = [
            ("--may-exist", "add-port", bridge.name, port, *(word.format(port=port) for word in kind))
            for bridge in plan.bridges
            for port in bridge.ports
        ]
        as_it_is = ("--id=@as-it-is", "create", "QoS", "type=linux-noop", f"external_ids:owner={LABEL}")
        self.transaction([*ports, as_it_is, *(("set", "Port", uplink, "qos=@as-it-is") for uplink in plan.uplinks)])
        wanted = [[name, routes] for name, routes in plan.routes.items()]
        result = self._agent("steer", stdin=json.dumps(wanted))
        if result.status != 0:
            raise SwitchError(f"setting up flows on {self._host.name}", "Open vSwitch refused", result=result)

    def live(self) -> LiveSwitch:
        """Return our bridges, their working ports and their flows."""
        return live_switch(self._ask("describe", LABEL))

    def read(self) -> SwitchReading:
        """Return our bridges with what their flows have counted, all ports' counters, and what the daemon has used."""
        answer = self._ask("read", LABEL, self._settle)
        begin, end = (parse_processors(stat, self._host.cpus) for stat in answer["processors"])
        return SwitchReading(
            live=live_switch(answer),
            ports=with_queues(parse_ports(answer["ports"]), answer["queues"]),
            bridges={bridge["name"]: bridge_counters(bridge) for bridge in answer["bridges"]},
            processors=(begin, end),
            machine=answer["machine"],
            daemon=parse_process(answer["usage"]),
        )

    def counters(self) -> dict[str, PortCounters]:
        """Return the kernel's counters of every interface of the server."""
        return interface_counters(self._host)

    def tear_down(self) -> None:
        """Remove all bridges, and what belongs to their ports, that carry our owner mark."""
        ours = f"external_ids:owner={LABEL}"
        # In this order, and not at once: the database keeps what a port refers to as long as the port is there.
        for table, key, remove in (("Bridge", "name", ("del-br",)), ("QoS", "_uuid", ("destroy", "QoS"))):
            found = self.run("ovs-vsctl", "--bare", f"--columns={key}", "find", table, ours).stdout.split()
            if found:
                self.transaction(("--if-exists", *remove, each) for each in found)

    def version(self) -> str:
        """Return the version of Open vSwitch that is installed."""
        first = self.run("ovs-vsctl", "--version").stdout.splitlines()[0]
        return first.rpartition(" ")[2]

    def _ask(self, verb: str, *argv: str) -> dict[str, Any]:
        """Return what the agent answers."""
        result = self._agent(verb, *argv)
        if result.status != 0:
            happened = result.stderr.strip().rpartition("\n")[2] or f"its agent ended with status {result.status}"
            raise SwitchError(
                f"reading the switch on {self._host.name}", happened, "run the same command again", result
            )
        return dict(json.loads(result.stdout))

    def _agent(self, verb: str, *argv: str, stdin: str = "") -> CommandResult:
        command = [self._host.python, "-I", "-S", "-c", AGENT, verb, self._run_folder, *argv]
        return self._host.run(command, stdin=stdin, check=False)


def interface_counters(host: Host) -> dict[str, PortCounters]:
    """Return the kernel's counters of all interfaces of ``host``.

    Raises:
        HostError: they could not be read.
    """
    return parse_ports(host.run(["cat", "/proc/net/dev"]).stdout)


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
    )


def bridge_counters(described: Mapping[str, Any]) -> BridgeCounters:
    """Return what one bridge's flows have counted, from the agent's description of it.

    The rules of the daemon's own table are among them: they count what no flow took.
    """
    flows: dict[str, int] = {}
    for line in described["flows"].splitlines():
        if match := PACKETS.search(line):
            name = STATISTICS.sub("", line).strip()
            flows[name] = flows.get(name, 0) + int(match["packets"])
    return BridgeCounters(flows=flows, forwarding=dict(_forwarding(described)))


def _forwarding(described: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the flows from one working port to another as (frames in at, frames out at) and the flow's text."""
    working = {each["ofport"]: each["name"] for each in described["interfaces"] if not each["error"]}
    for line in described["flows"].splitlines():
        if match := FLOW.match(line):
            ends = [working.get(int(match[side])) for side in ("ingress", "egress")]
            if all(ends):
                yield (str(ends[0]), str(ends[1])), STATISTICS.sub("", line).strip()


def live_bridge(described: Mapping[str, Any]) -> LiveBridge:
    """Return one bridge from the agent's description of it."""
    pairs = {flow: ends for ends, flow in _forwarding(described)}
    foreign = [
        f"port {each['name']} does not work: {each['error']}" for each in described["interfaces"] if each["error"]
    ]
    for line in described["flows"].splitlines():
        flow = STATISTICS.sub("", line).strip()
        if flow and HIDDEN_TABLE not in flow and flow not in pairs:
            foreign.append(f"flow {flow} is not ours")
    return LiveBridge(
        ports=frozenset(each["name"] for each in described["interfaces"] if not each["error"]),
        flows=frozenset(pairs.values()),
        foreign=tuple(sorted(foreign)),
    )
