"""Prepares the ports of a network namespace that plays a computer: shaped, plain, and silent by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.sites.base import LinkOptions

OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro")
"""Offloads are off so that a frame on the link is a frame as it was sent (ethtool(8), -K)."""


@dataclass(frozen=True)
class Shaper:
    """How a port is held to the line rate."""

    burst_bytes: int = 32 * 1024
    """Bytes that may pass at once. The default is the smallest burst that keeps a 1 Gb/s token bucket exact
    at the kernel's timer resolution (tried)."""
    backlog_bytes: int = 1_000_000
    """Bytes that may wait for their turn."""


PREPARE_PORTS = """
set -eu
rate=$1 burst=$2 limit=$3 mtu=$4 cpus=$5 offloads=$6
shift 6
for key in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$key ] || echo 1 > /proc/sys/net/ipv6/conf/$key/disable_ipv6
done
mount -t sysfs sysfs /sys
for port; do
    ip link set dev "$port" mtu "$mtu"
    ethtool -K "$port" $offloads > /dev/null
    tc qdisc replace dev "$port" root handle 1: stab overhead 24 mpu 84 linklayer ethernet \\
        tbf rate "$rate" burst "$burst" limit "$limit" || echo "limit: no token bucket shaper on $port"
    { echo "$cpus" > /sys/class/net/$port/queues/rx-0/rps_cpus; } 2> /dev/null ||
        echo "limit: receive packet steering needs root:" \\
            "frames that reach $port are first handled on the sender's processor"
    ip link set dev "$port" arp off up
done
"""
"""Shell, so that a computer is prepared by one command; the arguments are its positional parameters.

IPv6 is off because router solicitations are stray frames; the shaper counts 24 B of overhead a
frame, and 84 B at the least, as Ethernet does.
"""

DEFAULT_SHAPER = Shaper()


def prepare_ports(
    computer: Host, ports: Sequence[str], link: LinkOptions, shaper: Shaper = DEFAULT_SHAPER
) -> list[str]:
    """Prepare ``ports`` of a computer; return what the kernel did not let us set up, a sentence each.

    Raises:
        HostError: a port is missing or cannot be set up.
    """
    mask = f"{sum(1 << cpu for cpu in computer.cpus):x}"
    offloads = " ".join(f"{offload} off" for offload in OFFLOADS)
    result = computer.run(
        [
            *("unshare", "--mount", "sh", "-c", PREPARE_PORTS, f"{LABEL}-prepare-ports"),
            *(f"{link.rate_bps:.0f}bit", str(shaper.burst_bytes), str(shaper.backlog_bytes), str(link.mtu)),
            *(mask, offloads, *ports),
        ]
    )
    return [
        f"{computer.name}: {line.removeprefix('limit: ')}"
        for line in result.stdout.splitlines()
        if line.startswith("limit: ")
    ]
