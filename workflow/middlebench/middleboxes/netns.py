"""A middlebox without a virtual machine: a network namespace with a two-port Linux bridge.

It is the baseline that a virtual machine is compared with: the same kernel forwards the frames,
with nothing to boot and no memory of its own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.middleboxes.base import Middleboxes, MiddleboxOptions, Start, Watch
from middlebench.middleboxes.shared.wires import check_wires, join
from middlebench.model.frames import SENDER_MAC
from middlebench.model.functions.function import Function
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.reading import MiddleboxReading
from middlebench.system.errors import HostError, MiddleboxError

CREATE = """
set -eu
mtu=$1
shift
while [ $# -gt 0 ]; do
    name=$1 ingress=$2 egress=$3
    shift 3
    ip -batch - << END
netns add $name
link add name $ingress mtu $mtu type veth peer name in mtu $mtu netns $name
link add name $egress mtu $mtu type veth peer name out mtu $mtu netns $name
END
    ip netns exec $name sh -eu -c '
        for key in all default; do
            [ ! -e /proc/sys/net/ipv6/conf/$key ] || echo 1 > /proc/sys/net/ipv6/conf/$key/disable_ipv6
        done
        for table in iptables ip6tables arptables; do
            [ ! -e /proc/sys/net/bridge/bridge-nf-call-$table ] || echo 0 > /proc/sys/net/bridge/bridge-nf-call-$table
        done
        ip -batch -' << END
link add name forward mtu $mtu type bridge stp_state 0 forward_delay 0 ageing_time 0 mcast_snooping 0
link set dev in master forward
link set dev out master forward
link set dev in arp off up
link set dev out arp off up
link set dev forward arp off up
END
    for port in $ingress $egress; do # a computer that is not ours alone may have IPv6 on
        [ ! -e /proc/sys/net/ipv6/conf/$port ] || echo 1 > /proc/sys/net/ipv6/conf/$port/disable_ipv6
    done
    printf 'link set dev %s arp off up\\nlink set dev %s arp off up\\n' $ingress $egress | ip -batch -
done
"""
"""Arguments: the MTU, then each middlebox's name and two ports.

The bridge learns nothing (ageing 0): with two ports, flooding is forwarding. IPv6 is off before any
port is up, so that no router solicitation is ever sent; no packet filter is asked about bridged frames.
"""

IP_HOOKS = """
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
echo 1 > /proc/sys/net/ipv4/ip_forward
ip -batch - << END
addr add 192.0.2.2/30 dev forward
neigh add 192.0.2.1 lladdr $1 nud permanent dev forward
route add default via 192.0.2.1 dev forward
END
"""
"""Argument: the sender's Ethernet address.

The kernel translates a bridged frame's destination only where it knows a route to the new one over the same bridge,
and it writes that neighbour's Ethernet address into the frame (br_nf_pre_routing_finish of net/bridge). The addresses
are of the block for documentation (RFC 5737) and never leave the namespace.
"""

IP_HOOKS_ARE_THERE = """
[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ||
    { echo 'the kernel module br_netfilter is not loaded' >&2; exit 1; }
"""

DESTROY = """
for name in $(ip netns list | awk -v label="$1-" 'index($1, label) == 1 { print $1 }'); do
    number=${name#"$1-"}
    port=$1-${number%%-*}
    printf 'link del dev %s-in\\nlink del dev %s-out\\nnetns del %s\\n' $port $port $name |
        ip -force -batch - 2> /dev/null
done
exit 0
"""

LIVE = """
ip -oneline link show type veth | awk -F '[ :@]+' '{ print "port", $2, $1 }'
for name in $(ip netns list | awk -v label="$1-" 'index($1, label) == 1 { print $1 }'); do
    stat --dereference --format="namespace $name %i" /run/netns/$name
done
"""
"""The kernel may give the inode of a namespace to the next one, but never the index of a port."""


class Options(MiddleboxOptions):
    """Network namespaces that forward with a Linux bridge."""

    driver: Literal["netns"]
    """A network namespace with a two-port Linux bridge: the baseline without a virtual machine."""

    programs: ClassVar = ("ip", "tc")

    @property
    def port_kinds(self) -> tuple[PortKind, ...]:
        """How a namespace can be joined to a switch."""
        return (PortKind.VETH,)

    def offers(self, function: Function) -> bool:
        """Whether nftables can do it to bridged frames."""
        return function.nftables is not None

    def build(self, host: Host, mtu: int, kind: PortKind) -> Middleboxes:
        """Return the middleboxes on ``host``."""
        del kind  # there is only one
        return NetnsMiddleboxes(self, host, mtu)


class NetnsMiddleboxes:
    """The middlebox driver; see :class:`middlebench.middleboxes.base.Middleboxes`."""

    def __init__(self, options: Options, host: Host, mtu: int) -> None:
        self._options = options
        self._host = host
        self._mtu = mtu

    def check(self, plan: Plan) -> None:
        """Have nftables check the rules of each function, and tc the wires, in a namespace that nobody else sees."""
        if plan.wires:
            check_wires(self._host)
        functions = {middlebox.function.name: middlebox.function for middlebox in plan.middleboxes}
        for function in functions.values():
            if function.nftables:
                script = (IP_HOOKS_ARE_THERE if function.ip_hooks else "") + "exec nft --check --file -"
                command = ["unshare", "--net", "sh", "-euc", script]
                self._nft(command, function, f"checking the rules of {function.name}")

    def create(self, plan: Plan) -> Mapping[str, str]:
        """Make a namespace, two veth pairs and a bridge for each middlebox, and the wires between them."""
        names = [middlebox.name for middlebox in plan.middleboxes]
        words = [word for middlebox in plan.middleboxes for word in (middlebox.name, *middlebox.ports)]
        try:
            self._host.run(["sh", "-c", CREATE, f"{LABEL}-create", str(self._mtu), *words])
        except HostError as error:
            made = set[str]()
            with contextlib.suppress(HostError):  # the first error is the one to be told
                made = set(self.live())
            first = next((name for name in names if name not in made), names[-1])
            raise MiddleboxError(f"making middlebox {first}", error.happened, error.advice, error.result) from error
        join(self._host, plan.wires)
        for middlebox in plan.middleboxes:
            function, name = middlebox.function, middlebox.name
            if function.nftables:
                script = (IP_HOOKS if function.ip_hooks else "") + "exec nft -f -"
                command = ["ip", "netns", "exec", name, "sh", "-euc", script, f"{LABEL}-rules", SENDER_MAC]
                self._nft(command, function, f"loading the rules of {function.name} into {name}")
        return {}

    def wait_until_ready(self, plan: Plan) -> list[Start]:
        """Return at once: a bridge forwards from the moment it is up."""
        return [
            Start(name=middlebox.name, ready_s=None, resident_kib=None, private_kib=None)
            for middlebox in plan.middleboxes
        ]

    def live(self) -> dict[str, str]:
        """Return our namespaces by name, with the inode and the ports' indices that identify each."""
        result = self._host.run(["sh", "-c", LIVE, f"{LABEL}-live", LABEL])
        facts = [line.split() for line in result.stdout.splitlines()]
        ports = {name: index for kind, name, index in facts if kind == "port"}
        return {
            name: "network namespace {}, ports {} and {}".format(inode, *(ports.get(each) for each in _ports(name)))
            for kind, name, inode in facts
            if kind == "namespace"
        }

    def read(self) -> dict[str, MiddleboxReading]:
        """Return each namespace's identity.

        It has no process: the kernel forwards on nobody's account (softirq). It has no counts of its own either:
        both ends of a veth pair share theirs.
        """
        return {name: MiddleboxReading(identity) for name, identity in self.live().items()}

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watch]:
        """Watch nothing: a namespace cannot die by itself, and a change of it shows in its identity."""
        yield Watch(fired=threading.Event())

    def destroy(self) -> None:
        """Remove our namespaces; their ports go with them."""
        self._host.run(["sh", "-c", DESTROY, f"{LABEL}-destroy", LABEL])
        if left := sorted(self.live()):
            raise MiddleboxError(
                f"removing network namespaces on {self._host.name}",
                f"still there: {', '.join(left)}",
                "see `ip netns pids` for what runs in them",
            )

    def _nft(self, command: Sequence[str], function: Function, doing: str) -> None:
        """Hand a function's rules to nftables."""
        result = self._host.run(command, stdin=function.nftables or "", check=False)
        if result.status != 0:
            raise MiddleboxError(
                f"{doing} on {self._host.name}",
                result.stderr.strip().partition("\n")[0] or f"exit status {result.status}",
                "run `make setup`, which installs nftables; this kernel may lack a part of it",
                result,
            )

    def describe(self) -> str:
        """Return the kind of middlebox."""
        return "network namespace with a Linux bridge"


def _ports(name: str) -> tuple[str, str]:
    """Return the ports on the server of the middlebox of this name, whatever its function is."""
    label, number, *_ = name.split("-")
    return f"{label}-{number}-in", f"{label}-{number}-out"
