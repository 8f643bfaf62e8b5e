"""What both drivers of Open vSwitch share: bridges, ports and flows of a plan, made by its own tools.

Which instance it is (our private one, or the system's) is the drivers' affair; what is done to it is
the same. All bridges carry ``external-ids:owner``; nothing else is ever changed.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from middlebench import LABEL
from middlebench.diagnosis.usage import parse_process, parse_processors
from middlebench.hosts.base import COMMAND_SECONDS, Host
from middlebench.hosts.shared import devices_agent
from middlebench.hosts.shared.agents import agent_text, answer_of
from middlebench.model.live import LiveSwitch
from middlebench.model.plan import Plan
from middlebench.model.reading import PortCounters, SwitchReading
from middlebench.model.sharing import UdpPorts
from middlebench.switches.base import NO_SOCKETS
from middlebench.switches.shared import agent
from middlebench.switches.shared.readings import (
    bridge_counters,
    live_switch,
    parse_datapath_ports,
    parse_ports,
    with_queues,
)
from middlebench.system.command_result import CommandResult
from middlebench.system.deadline import Deadline
from middlebench.system.errors import SwitchError

OPENFLOW = "OpenFlow13"
BRIDGE_SECONDS = 3.0
"""What each bridge, or each pair of ports, may add to how long a transaction takes: AF_XDP ports take longest."""
MARGIN_SECONDS = 5.0
"""How much later than Open vSwitch's tools (OVS_CTL_TIMEOUT, ovs-vsctl(8)) their host gives up: they say why."""
ANSWERS = "ovs-vsctl --no-wait -- --columns=_uuid list Open_vSwitch && exec ovs-appctl -t ovs-vswitchd version"
ANSWER_SECONDS = 5.0
"""What database and daemon may take for that; one that hangs takes for ever."""
AGENT = agent_text(devices_agent, agent)
STEER = f"""
BEGIN {{
    list = "ovs-vsctl --data=bare --format=table --no-headings --columns=name,ofport list Interface"
    while ((list | getline) > 0) number[$1] = $2
}}
function end() {{ if (bridge && close(tool)) exit 1 }}
$1 != bridge {{ end(); bridge = $1; tool = "ovs-ofctl --no-names -O {OPENFLOW} add-flows " bridge " -" }}
{{ print $4 "in_port=" number[$2] ",actions=output:" number[$3] | tool }}
END {{ end() }}
"""
"""For awk: gives each bridge its flows (ovs-fields(7)), from lines with a bridge, the ports where frames come in and
leave, and maybe of which UDP ports; those of one bridge together. By the names of ports it would take three times as
long, since the tool asks each bridge for them."""
Settle = Literal["revalidator/purge", "revalidator/wait"]
"""How a flow's count becomes exact: `purge` has the daemon take down what its datapath has cached, with the counts, at
once (5 ms; the next frame of each bridge has its flow looked up again); `wait` waits for the next time that the daemon
does its rounds (up to 0.5 s), and touches nothing."""


class OpenVSwitch:
    """Commands to one instance of Open vSwitch.

    Args:
        host: where it runs.
        run_folder: where its sockets are (``OVS_RUNDIR``).
        datapath_type: ``system`` (the kernel's) or ``netdev`` (userspace).
        settle: how the counts of flows are brought up to date; see :data:`Settle`.
    """

    def __init__(self, host: Host, run_folder: str, datapath_type: str, *, settle: Settle) -> None:
        self._host = host
        self._run_folder = run_folder
        self._environment = ["env", *(f"OVS_{kind}DIR={run_folder}" for kind in ("RUN", "LOG", "DB"))]
        self._datapath_type = datapath_type
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

    def answers(self) -> bool:
        """Whether database and daemon answer."""
        return self._asked().status == 0

    def _asked(self) -> CommandResult:
        """Ask database and daemon something that takes them no time; it failed where one does not answer."""
        argv = ["sh", "-c", ANSWERS, f"{LABEL}-openvswitch"]
        return self.run(*argv, check=False, deadline=Deadline(ANSWER_SECONDS))

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``, closed (fail-mode secure) until flows exist."""
        deployment = uuid.uuid4().hex
        made_of = [f"external_ids:composition={plan.composition}"] if plan.composition else []
        self.transaction(
            (
                *("add-br", bridge.name, "--", "set", "Bridge", bridge.name),
                *(f"datapath_type={self._datapath_type}", "fail_mode=secure", f"protocols={OPENFLOW}"),
                *(f"external_ids:owner={LABEL}", f"external_ids:deployment={deployment}", *made_of),
            )
            for bridge in plan.bridges
        )

    def connect(self, plan: Plan, sockets: Mapping[str, str] = NO_SOCKETS) -> None:
        """Put ports on bridges, and the flows by which each bridge forwards.

        The uplinks keep the queueing discipline that they have, such as the shaper of the link: Open vSwitch would
        take it off (ovs-vswitchd.conf.db(5), QoS type ``linux-noop``).
        """
        ports = [
            ("--may-exist", "add-port", bridge.name, port, *self._interface(port, plan, sockets))
            for bridge in plan.bridges
            for port in bridge.ports
        ]
        as_it_is = ("--id=@as-it-is", "create", "QoS", "type=linux-noop", f"external_ids:owner={LABEL}")
        self.transaction([*ports, as_it_is, *(("set", "Port", uplink, "qos=@as-it-is") for uplink in plan.uplinks)])
        flows = "".join(f"{name} {_words(*rule)}\n" for name, rules in plan.rules.items() for rule in rules)
        deadline = Deadline(COMMAND_SECONDS + BRIDGE_SECONDS * len(plan.bridges))
        result = self.run("awk", STEER, check=False, stdin=flows, deadline=deadline)
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
            ports=with_queues(_port_counters(answer), answer["queues"]),
            bridges={bridge["name"]: bridge_counters(bridge) for bridge in answer["bridges"]},
            processors=(begin, end),
            machine=answer["machine"],
            daemon=parse_process(answer["usage"]),
        )

    def counters(self) -> dict[str, PortCounters]:
        """Return the counters of every port on the server, by name: the kernel's, and the daemon's of its own ports."""
        return _port_counters(self._ask("ports"))

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
        result = self._host.run(self._host.script(AGENT, verb, self._run_folder, *argv), check=False)
        return answer_of(result, SwitchError, f"reading the switch on {self._host.name}")

    def _interface(self, port: str, plan: Plan, sockets: Mapping[str, str]) -> Sequence[str]:
        """Return the words that tell ``ovs-vsctl`` of what kind a port is; none for a device of the kernel."""
        del port, plan, sockets
        return ()


def _words(ingress: str, egress: str, ports: UdpPorts | None = None) -> str:
    """Return a rule as :data:`STEER` takes it."""
    field = "tp_src" if ports and ports.side == "source" else "tp_dst"
    return f"{ingress} {egress}" + (f" udp,{field}={ports.value:#x}/{ports.mask:#x}," if ports else "")


def _port_counters(answer: Mapping[str, Any]) -> dict[str, PortCounters]:
    return parse_ports(answer["ports"]) | parse_datapath_ports(answer["datapath"])
