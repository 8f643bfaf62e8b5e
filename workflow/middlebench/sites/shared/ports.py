"""Prepares the ports of a computer that we make: shaped, plain, and silent by themselves; reads what they are."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.hosts.shared import devices_agent
from middlebench.hosts.shared.agents import answer_of, script_text
from middlebench.model.frames import MINIMUM_FRAME_BYTES, WIRE_OVERHEAD_BYTES
from middlebench.model.traffic import Load
from middlebench.sites.base import LinkOptions
from middlebench.sites.shared import port_state_agent
from middlebench.system.errors import HostError
from middlebench.system.locks import lock
from middlebench.system.text import changes

OFFLOADS = ("rx", "tx", "sg", "tso", "gso")
"""Offloads are off so that a frame on the link is a frame as it was sent (ethtool(8), -K). For GRO see below."""

PORT_STATES = script_text(devices_agent, port_state_agent)

SHAPE_PORTS = """
set -eu
rate=$1 burst=$2 limit=$3 overhead=$4 least=$5
shift 5
for port; do
    tc qdisc replace dev "$port" root handle 1: stab overhead "$overhead" mpu "$least" linklayer ethernet \\
        tbf rate "$rate" burst "$burst" limit "$limit" || echo "limit: no token bucket shaper on $port"
done
"""
"""Shell, so that all ports are shaped by one command; the arguments are its positional parameters.

The shaper counts the overhead of each frame on the wire, and the smallest frame at the least, as Ethernet does.
"""

PREPARE_PORTS = """
set -eu
mtu=$1 offloads=$2 polled=$3
shift 3
for key in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$key ] || echo 1 > /proc/sys/net/ipv6/conf/$key/disable_ipv6
done
mount -t sysfs sysfs /sys
for port; do
    ip link set dev "$port" mtu "$mtu"
    ethtool -K "$port" $offloads gro off > /dev/null
    ip link set dev "$port" arp off up
    [ "$polled" ] || continue
    ip link set dev "$port" gro_max_size 1 2> /dev/null ||
        echo "limit: frames of TCP that reach $port may be merged: the kernel takes no gro_max_size"
    { ethtool -K "$port" gro on && echo 1 > /sys/class/net/$port/threaded; } > /dev/null 2>&1 ||
        echo "limit: frames that reach $port are received on the processor that sent them: it has no polling thread"
done
"""
"""IPv6 is off because router solicitations are unexpected frames.

A veth hands each frame to its receiver at once, on the sender's processor, unless its receiving end has a NAPI
context: GRO gives it one (drivers/net/veth.c). Then frames wait in a ring, and a kernel thread takes them from it in
batches: it plays the network card, on whatever processor it is bound to. `gro_max_size` is smaller than any two frames,
so that GRO merges none (net/core/gro.c).
"""

POLLING_THREAD = re.compile(r"napi/(.+)-\d+")
"""Name of the kernel thread that polls an interface (net/core/dev.c)."""

WAITING_SINCE = (6, 16)
"""The version of Linux since which the sender waits when the ring of a veth is full (drivers/net/veth.c). Before, what
did not fit was dropped."""

SET_UP_LOCK = Path("/run/middlebench-polled-ports.lock")
"""One for all users of this machine that may bind such threads."""
SET_UP_SECONDS = 60.0
"""What setting up takes at the most: some tenths of a second on an idle machine."""


def prepare_ports(computer: Host, ports: Sequence[str], link: LinkOptions, *, polled: bool = False) -> list[str]:
    """Prepare ``ports`` of a namespace that plays a computer; return what the kernel did not let us, a sentence each.

    Where they are ``polled`` a kernel thread each receives what reaches them, else whoever sends it.

    Raises:
        HostError: a port is missing or cannot be set up.
    """
    offloads = " ".join(f"{offload} off" for offload in OFFLOADS)
    script = ("unshare", "--mount", "sh", "-c", PREPARE_PORTS, f"{LABEL}-prepare-ports")
    limits = _limits(computer, [*script, str(link.mtu), offloads, "polled" if polled else "", *ports])
    return shape_ports(computer, ports, link) + limits


@contextmanager
def polled_by(cpus: Sequence[int], ports: Collection[str], limits: list[str]) -> Iterator[list[int]]:
    """Bind the polling threads of ports that are set up in this context to processors; yield their process ids.

    They are threads of the kernel of this machine, named after their interfaces, whatever namespace these are in. Other
    testbeds' ports have the same names: one testbed at a time sets up what is polled, if anything. Root in a
    container may not bind the threads; that is added to ``limits``, a sentence.

    Raises:
        LockError: another testbed has not set up its ports for :data:`SET_UP_SECONDS`.
    """
    threads = list[int]()
    if not ports:
        yield threads
        return
    with lock(SET_UP_LOCK, "setting up ports that are polled", wait_s=SET_UP_SECONDS):
        before = set(_polling_threads(ports))
        yield threads
        threads += sorted(set(_polling_threads(ports)) - before)
    for thread in threads:
        try:
            os.sched_setaffinity(thread, cpus)
        except PermissionError:
            limits.append("the kernel threads that poll the links run on any processor: we may not bind them")
            return


def poll_for(threads: Collection[int], load: Load) -> None:
    """Set when the threads that poll ports take frames from the rings: of a paced load each at once.

    Of a flood they do so in batches (SCHED_BATCH, sched(7)), when the sender waits for room: threads that interrupt it
    for every few frames cost 50,000 changes of thread a second instead of 3,000, and a third of the load of 60 B
    that it could offer, where both share a processor (tried, Linux 6.18). Where a full ring drops frames instead,
    threads do not wait for that. Who may not bind these threads may not do this either.
    """
    batches = not load.paced and sender_waits(os.uname().release)
    for thread in threads:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.sched_setscheduler(thread, os.SCHED_BATCH if batches else os.SCHED_OTHER, os.sched_param(0))


def sender_waits(release: str) -> bool:
    """Whether a kernel of this release makes a sender wait for room in a veth's ring."""
    major, minor = re.findall(r"\d+", release)[:2]
    return (int(major), int(minor)) >= WAITING_SINCE


def _polling_threads(ports: Collection[str]) -> Iterator[int]:
    """Yield the process ids of the kernel threads that poll interfaces of these names, in any namespace."""
    for entry in Path("/proc").iterdir():
        try:
            found = entry.name.isdigit() and POLLING_THREAD.fullmatch(
                (entry / "comm").read_text(encoding="utf-8").strip()
            )
        except OSError:
            continue  # it ended in between
        if found and found[1] in ports:
            yield int(entry.name)


def shape_ports(computer: Host, ports: Sequence[str], link: LinkOptions) -> list[str]:
    """Hold what leaves by ``ports`` to the line rate; return what the kernel did not let us, a sentence each.

    Raises:
        HostError: there is no `tc` on the computer.
    """
    bucket = (f"{link.rate_bps:.0f}bit", str(link.burst_bytes), str(link.backlog_bytes))
    frames = (str(WIRE_OVERHEAD_BYTES), str(MINIMUM_FRAME_BYTES + WIRE_OVERHEAD_BYTES))
    return _limits(computer, ["sh", "-c", SHAPE_PORTS, f"{LABEL}-shape-ports", *bucket, *frames, *ports])


def read_ports(computer: Host, ports: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what matters of each port: which interface it is, and how it is set up; nothing of one that is gone.

    Raises:
        HostError: the computer is gone, or does not answer.
    """
    result = computer.run(computer.script(PORT_STATES, *ports))
    return answer_of(result, HostError, f"reading the ports {', '.join(ports)} of {computer.name}")


def changed_ports(computer: Host, before: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what is other by now than :func:`read_ports` found it ``before``, a phrase each."""
    try:
        now = read_ports(computer, tuple(before))
    except HostError as error:
        return [f"the ports of {computer.name} cannot be read: {error.happened}"]
    gone = [f"{port} of {computer.name} is gone" for port in before if port not in now]
    there = {port: facts for port, facts in before.items() if port in now}
    return gone + list(changes(there, now, computer.name))


def _limits(computer: Host, argv: Sequence[str]) -> list[str]:
    return [
        f"{computer.name}: {line.removeprefix('limit: ')}"
        for line in computer.run(argv).stdout.splitlines()
        if line.startswith("limit: ")
    ]
