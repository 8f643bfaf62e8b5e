"""Which interfaces of a host must be left alone: those that somebody needs to reach it, or uses otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, TypeAdapter

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.system.errors import HostError

STACKED_KINDS = frozenset({"vlan", "macvlan", "macvtap", "ipvlan"})
KERNEL_SWITCH = "ovs-system"
"""Master of every port of Open vSwitch's kernel datapath, whichever bridge it is on."""

SHOW_NETWORK = """
set -eu
export LC_ALL=C
set -- ${SSH_CONNECTION:-}
show() { "$@"; printf '\\n---\\n'; }
show echo "$@"
show ip -V
show ip -json -details address show
show ip -json route show table all default
show ip -json -6 route show table all default
case ${1:-} in
    '') ;;
    *%*) show ip -json route get "${1%%%*}" oif "${1#*%}" ;; # a link-local address has its interface behind a %
    *) show ip -json route get "$1" ;;
esac
"""


class Address(BaseModel):
    """An address of an interface."""

    local: str = ""
    scope: str = ""


class LinkInfo(BaseModel):
    """What kind of an interface it is."""

    info_kind: str = ""


class Interface(BaseModel):
    """An interface, with the keys of ``ip -json -details address show`` that matter here."""

    ifname: str
    flags: tuple[str, ...] = ()
    addr_info: tuple[Address, ...] = ()
    master: str = ""
    link: str | None = None
    linkinfo: LinkInfo = LinkInfo()


class Route(BaseModel):
    """A route, with the one key of ``ip -json route`` that matters here; a multipath route has its devices below."""

    dev: str = ""
    nexthops: tuple[Route, ...] = ()

    @property
    def devices(self) -> frozenset[str]:
        """The interfaces by which it leads."""
        return frozenset({self.dev} - {""}).union(*(hop.devices for hop in self.nexthops))


ROUTES = TypeAdapter(tuple[Route, ...])


@dataclass(frozen=True)
class Network:
    """A host's interfaces and the routes that matter to whoever works on it, as ``ip -json`` tells them."""

    interfaces: Mapping[str, Interface]
    default_routes: frozenset[str]
    """Interfaces that carry a default route, of any table and family."""
    ssh_ports: frozenset[str]
    """Interfaces by which the host answers the SSH client that asks, and those that have the address it asked at."""

    def objections(self, port: str, *, switched: bool) -> list[str]:
        """Return, a sentence each, why ``port`` must not be taken; none when it may be.

        Where ``switched``, it may be on a bridge of Open vSwitch, whose owner is then to be asked.
        """
        found = self.interfaces.get(port)
        if found is None:
            return [f"there is no interface {port} (there are: {', '.join(sorted(self.interfaces))})"]
        objections = []
        if "LOOPBACK" in found.flags:
            objections.append(f"{port} is the loopback interface")
        if port in self.ssh_ports:
            objections.append(f"{port} carries the SSH connection by which we are here")
        if port in self.default_routes:
            objections.append(f"{port} carries a default route")
        addresses = [each.local for each in found.addr_info if each.scope != "link"]
        if addresses:
            objections.append(f"{port} has the address {', '.join(addresses)}")
        if found.master and not (switched and found.master == KERNEL_SWITCH):
            objections.append(f"{port} is part of {found.master}")
        objections += [
            f"{name} is stacked on {port}"
            for name, each in self.interfaces.items()
            if each.link == port and each.linkinfo.info_kind in STACKED_KINDS
        ]
        return objections


def read_network(host: Host) -> Network:
    """Return the host's interfaces and routes.

    Raises:
        HostError: they could not be read, or not understood.
    """
    doing = f"finding out which interfaces of {host.name} must be left alone"
    try:
        shown = host.run(["sh", "-c", SHOW_NETWORK, f"{LABEL}-network"]).stdout
    except HostError as error:
        raise HostError(doing, "its interfaces and routes could not be read", error.advice, error.result) from error
    connection, version, interfaces, *routes = (text.strip() for text in shown.split("\n---\n")[:-1])
    try:
        return parse_network(connection.split(), interfaces, routes)
    except ValueError as error:
        raise HostError(
            doing,
            f"what its `ip` ({version}) printed is not what is known of it: {error}",
            "iproute2 4.18 or newer is needed there",
        ) from error


def parse_network(connection: Sequence[str], interfaces: str, routes: Sequence[str]) -> Network:
    """Return what the commands printed, as values.

    ``connection`` are the words of SSH_CONNECTION: the client's address and port, and the host's; none without one.
    ``routes`` are the default routes of both families, and the way to the SSH client.

    Raises:
        ValueError: it is not what is expected.
    """
    found = TypeAdapter(tuple[Interface, ...]).validate_json(interfaces)
    devices = [
        frozenset[str]().union(*(route.devices for route in ROUTES.validate_json(text or "[]"))) for text in routes
    ]
    ssh_ports = frozenset[str]()
    if connection:
        if not devices[-1]:
            raise ValueError(f"no interface leads to {connection[0]}, from where the SSH connection comes")
        asked_at = connection[2].partition("%")[0]
        having = {each.ifname for each in found if any(address.local == asked_at for address in each.addr_info)}
        ssh_ports = devices[-1] | having
    return Network(
        interfaces={each.ifname: each for each in found}, default_routes=devices[0] | devices[1], ssh_ports=ssh_ports
    )


def demand_free(host: Host, ports: Sequence[str], *, switched: bool = False) -> None:
    """Return if all ``ports`` may be taken for measuring.

    Raises:
        HostError: one must be left alone; every reason is named.
    """
    network = read_network(host)
    objections = [text for port in ports for text in network.objections(port, switched=switched)]
    if objections:
        raise HostError(
            f"taking {' and '.join(ports)} of {host.name} for measuring",
            "; ".join(objections),
            "name two interfaces that serve nothing but the measurement (`ports` in the testbed's file); "
            "`ip -brief address` on that host lists them all",
        )
