"""Prepares the ports of a computer that we make: shaped, plain, and silent by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.sites.base import LinkOptions

OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro")
"""Offloads are off so that a frame on the link is a frame as it was sent (ethtool(8), -K)."""

SHAPE_PORTS = """
set -eu
rate=$1 burst=$2 limit=$3
shift 3
for port; do
    tc qdisc replace dev "$port" root handle 1: stab overhead 24 mpu 84 linklayer ethernet \\
        tbf rate "$rate" burst "$burst" limit "$limit" || echo "limit: no token bucket shaper on $port"
done
"""
"""Shell, so that all ports are shaped by one command; the arguments are its positional parameters.

The shaper counts 24 B of overhead a frame, and 84 B at the least, as Ethernet does.
"""

PREPARE_PORTS = """
set -eu
mtu=$1 cpus=$2 offloads=$3
shift 3
for key in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$key ] || echo 1 > /proc/sys/net/ipv6/conf/$key/disable_ipv6
done
mount -t sysfs sysfs /sys
for port; do
    ip link set dev "$port" mtu "$mtu"
    ethtool -K "$port" $offloads > /dev/null
    { echo "$cpus" > /sys/class/net/$port/queues/rx-0/rps_cpus; } 2> /dev/null ||
        echo "limit: receive packet steering needs root:" \\
            "frames that reach $port are first handled on the sender's processor"
    ip link set dev "$port" arp off up
done
"""
"""IPv6 is off because router solicitations are stray frames."""


def prepare_ports(computer: Host, ports: Sequence[str], link: LinkOptions) -> list[str]:
    """Prepare ``ports`` of a namespace that plays a computer; return what the kernel did not let us, a sentence each.

    Raises:
        HostError: a port is missing or cannot be set up.
    """
    mask = f"{sum(1 << cpu for cpu in computer.cpus):x}"
    offloads = " ".join(f"{offload} off" for offload in OFFLOADS)
    script = ("unshare", "--mount", "sh", "-c", PREPARE_PORTS, f"{LABEL}-prepare-ports")
    limits = _limits(computer, [*script, str(link.mtu), mask, offloads, *ports])
    return shape_ports(computer, ports, link) + limits


def shape_ports(computer: Host, ports: Sequence[str], link: LinkOptions) -> list[str]:
    """Hold what leaves by ``ports`` to the line rate; return what the kernel did not let us, a sentence each.

    Raises:
        HostError: there is no `tc` on the computer.
    """
    bucket = (f"{link.rate_bps:.0f}bit", str(link.burst_bytes), str(link.backlog_bytes))
    return _limits(computer, ["sh", "-c", SHAPE_PORTS, f"{LABEL}-shape-ports", *bucket, *ports])


def _limits(computer: Host, argv: Sequence[str]) -> list[str]:
    return [
        f"{computer.name}: {line.removeprefix('limit: ')}"
        for line in computer.run(argv).stdout.splitlines()
        if line.startswith("limit: ")
    ]
