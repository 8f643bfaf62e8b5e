"""Joins two domains without Open vSwitch: a plain Linux bridge of two ports, which Xen's own script puts on it.

Ports of domains come and go with them, so the bridges are made before the domains and removed behind them.
"""

from __future__ import annotations

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.model.plan import Link, Plan
from middlebench.system.errors import MiddleboxError

PREFIX = f"{LABEL}-wire"
ADVICE = "the kernel needs the module `bridge` (`modprobe bridge` as root), or leave `pipeline` out"
MAKE = """
set -eu
for name; do
    ip link add name "$name" type bridge stp_state 0 forward_delay 0 ageing_time 0 mcast_snooping 0
    [ ! -e "/proc/sys/net/ipv6/conf/$name" ] || echo 1 > "/proc/sys/net/ipv6/conf/$name/disable_ipv6"
    ip link set dev "$name" arp off up
done
"""
"""Arguments: the bridges. They learn nothing (ageing 0): with two ports, flooding is forwarding."""
REMOVE = """
for path in /sys/class/net/"$1"*; do
    [ ! -e "$path" ] || ip link del dev "${path##*/}" || exit 1
done
"""
"""Argument: what the names of the bridges begin with."""


def bridges_of(plan: Plan) -> dict[str, str]:
    """Return the bridge, of ours or of the switch, that each port of a middlebox is on."""
    found = {port: bridge.name for bridge in plan.bridges for port in bridge.ports}
    for wire in plan.wires:
        found |= dict.fromkeys((wire.source_port, wire.destination_port), _name(plan, wire))
    return found


def script_of(bridge: str) -> str:
    """Return Xen's script that puts a port on a bridge."""
    return "vif-bridge" if bridge.startswith(PREFIX) else "vif-openvswitch"


def check(host: Host, plan: Plan) -> None:
    """Demand that the host can make the bridges of a plan, by trying it where nobody else sees it.

    Raises:
        MiddleboxError: it cannot.
    """
    if plan.wires:
        _run(host, "unshare", "--net", "sh", "-c", MAKE, f"{LABEL}-wires", f"{PREFIX}0")


def make(host: Host, plan: Plan) -> None:
    """Make the bridges of a plan.

    Raises:
        MiddleboxError: one could not be made.
    """
    if plan.wires:
        _run(host, "sh", "-c", MAKE, f"{LABEL}-wires", *(_name(plan, wire) for wire in plan.wires))


def remove(host: Host) -> None:
    """Remove all bridges of ours, whatever plan they are of.

    Raises:
        MiddleboxError: one could not be removed.
    """
    _run(host, "sh", "-c", REMOVE, f"{LABEL}-wires", PREFIX)


def _run(host: Host, *command: str) -> None:
    result = host.run(command, check=False)
    if result.status != 0:
        happened = result.stderr.strip().partition("\n")[0] or f"exit status {result.status}"
        raise MiddleboxError(f"joining domains on {host.name}", happened, ADVICE, result)


def _name(plan: Plan, wire: Link) -> str:
    """Return the bridge of a wire: it has the number of the middlebox that the wire leads to."""
    (index,) = (each.index for each in plan.middleboxes if each.ingress_port == wire.destination_port)
    return f"{PREFIX}{index}"
