"""Which interfaces of a host must be left alone: those that somebody needs to reach it, or uses otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.system.errors import HostError

STACKED_KINDS = frozenset({"vlan", "macvlan", "macvtap", "ipvlan"})
KERNEL_SWITCH = "ovs-system"
"""Master of every port of Open vSwitch's kernel datapath, whichever bridge it is on."""

LOOK = """
set -eu
ip -json -details address show
ip -json route show table all default
ip -json -6 route show table all default
client=${SSH_CONNECTION:-}
[ "$client" ] && ip -json route get "${client%% *}" 2> /dev/null || echo '[]'
"""
"""Where there is no SSH connection, or (in a network namespace) no way to its other end, no interface carries it."""


@dataclass(frozen=True)
class Network:
    """A host's interfaces and the routes that matter to whoever works on it, as ``ip -json`` tells them."""

    interfaces: Mapping[str, Mapping[str, Any]]
    default_routes: frozenset[str]
    """Interfaces that carry a default route, of any table and family."""
    ssh_routes: frozenset[str]
    """Interfaces by which the host answers the SSH client that asks."""

    def objections(self, port: str, *, switched: bool) -> list[str]:
        """Return, a sentence each, why ``port`` must not be taken; none when it may be.

        Args:
            port: the interface.
            switched: whether it may be on a bridge of Open vSwitch (whose owner is then to be asked).
        """
        found = self.interfaces.get(port)
        if found is None:
            return [f"there is no interface {port} (there are: {', '.join(sorted(self.interfaces))})"]
        objections = []
        if "LOOPBACK" in found.get("flags", ()):
            objections.append(f"{port} is the loopback interface")
        if port in self.ssh_routes:
            objections.append(f"{port} carries the SSH connection by which we are here")
        if port in self.default_routes:
            objections.append(f"{port} carries a default route")
        addresses = [each["local"] for each in found.get("addr_info", ()) if each.get("scope") != "link"]
        if addresses:
            objections.append(f"{port} has the address {', '.join(addresses)}")
        master = found.get("master")
        if master and not (switched and master == KERNEL_SWITCH):
            objections.append(f"{port} is part of {master}")
        objections += [
            f"{name} is stacked on {port}"
            for name, each in self.interfaces.items()
            if each.get("link") == port and each.get("linkinfo", {}).get("info_kind") in STACKED_KINDS
        ]
        return objections


def look_at_network(host: Host) -> Network:
    """Return the host's interfaces and routes.

    Raises:
        HostError: they could not be read.
    """
    said = host.run(["sh", "-c", LOOK, f"{LABEL}-look"]).stdout
    decoder, parts = json.JSONDecoder(), []
    while said := said.strip():
        part, end = decoder.raw_decode(said)
        parts.append(part)
        said = said[end:]
    addresses, *defaults, ssh = parts
    return Network(
        interfaces={each["ifname"]: each for each in addresses if "ifname" in each},
        default_routes=frozenset(route["dev"] for routes in defaults for route in routes if "dev" in route),
        ssh_routes=frozenset(route["dev"] for route in ssh if "dev" in route),
    )


def demand_free(host: Host, ports: Sequence[str], *, switched: bool = False) -> None:
    """Return if all ``ports`` may be taken for measuring.

    Raises:
        HostError: one must be left alone; every reason is named.
    """
    network = look_at_network(host)
    objections = [text for port in ports for text in network.objections(port, switched=switched)]
    if objections:
        raise HostError(
            f"taking {' and '.join(ports)} of {host.name} for measuring",
            "; ".join(objections),
            "name two interfaces that serve nothing but the measurement (`ports` in the testbed's file); "
            "`ip -brief address` on that host lists them all",
        )
