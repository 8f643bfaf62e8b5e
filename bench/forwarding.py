"""How many frames a second one machine forwards, ours against Linux, from tap to tap without a switch."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import tap_agent
from figure import Figure
from linux_guest import linux_guest
from middlebench.config.testbed import TestbedOptions
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.model.topologies import plan_of
from middlebench.sites.base import Hosts
from middlebench.testbed import site_of

TARGET = 4.0
WARM_UP_S, WINDOW_S = 0.5, 1.5
SHARES = (1.0, 1.3, 1.7, 2.2)
"""Paces to try, as shares of what came through a flood: a machine that is drowned in frames forwards fewer."""
FLOOD = 1.2
"""A flood offers at least so many times what comes out; else it is the generator's rate that was measured."""


def measure_forwarding(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return our rate as a multiple of a Linux guest's under the same QEMU and accelerator."""
    assert isinstance(options.middlebox, qemu.Options)
    linux = linux_guest(say).model_copy(update={"accelerator": options.middlebox.accelerator})
    kinds = {"unikernel": options.middlebox, "linux": linux}
    hosts = site_of("bench", options).open()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    for number in range(rounds):
        for name in sorted(kinds, reverse=number % 2 == 0):
            found[name].append(_rates(kinds[name], hosts, say))
            best = max(found[name][-1].values())
            say(f"forwarding, round {number + 1}: {name} {best / 1000:.1f} kpkt/s")
    # The two of one round are neighbours in time: what else the machine does meanwhile meets both alike.
    ratios = [max(a.values()) / max(b.values()) for a, b in zip(*found.values(), strict=True)]
    values = {**found, "ratios": ratios}
    name = "one machine, 60 B: packets/s against a Linux guest"
    return [Figure(name, statistics.median(ratios), TARGET, " ×", True, values)]


def _rates(kind: qemu.Options, hosts: Hosts, say: Callable[[str], None]) -> dict[str, float]:
    """Return packets/s by pace, of a machine that is made and removed here."""
    server = hosts.middlebox_server
    plan = plan_of("chain", 1, hosts.server_ports)
    machines = qemu.QemuMiddleboxes(kind, server, mtu=1500)
    machines.destroy()
    machines.create(plan)
    machines.wait_until_ready(plan)
    # The sender has the test computer's processors, the machine the server's.
    processors = ",".join(map(str, hosts.test_computer.cpus))
    agent = [*("taskset", "--cpu-list", processors), server.python, "-I", "-S", "-c", _AGENT]

    def rate(pace: float) -> float:
        words = [*agent, *plan.middleboxes[0].ports, str(pace), str(WARM_UP_S), str(WINDOW_S)]
        packets, seconds, tried = map(float, server.run(words).stdout.split())
        if not pace and tried < FLOOD * packets:
            say(f"generator-limited: {packets:.0f} frames came out of {tried:.0f}")
        return packets / seconds

    # Not counted: a kernel that has just said that it is up has other things to do yet.
    rate(0)
    flood = rate(0)
    rates = {"flood": flood, **{f"paced at {share:g} × flood": rate(flood * share) for share in SHARES}}
    machines.destroy()
    return rates


_AGENT = Path(tap_agent.__file__).read_text(encoding="utf-8")
