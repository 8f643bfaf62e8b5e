"""How long a machine takes from exec to its word of readiness, against QEMU saying no more than its version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import boot_agent
from figure import Figure
from middlebench.config.testbed import TestbedOptions
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.middleboxes.qemu import machine
from middlebench.model.topologies import plan_of
from middlebench.system.deadline import Deadline
from middlebench.testbed import site_of

TARGET = 1.5
EMPTY_MACHINE = [
    *(machine.QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", "-machine", "none", "-S"),
    *("-monitor", "stdio"),
]
"""A machine without processor, memory or device, which is told to quit: the least that QEMU can be started for."""
STARTS_A_ROUND = 8


def measure_starting(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the time to readiness as a multiple of ``qemu-system-x86_64 --version``."""
    assert isinstance(options.middlebox, qemu.Options)
    hosts = site_of("bench", options).open()
    server = hosts.middlebox_server
    (middlebox,) = plan_of("chain", 1, hosts.server_ports).middleboxes
    machines = qemu.QemuMiddleboxes(options.middlebox, server, mtu=1500)
    machines.destroy()
    server.run(["sh", "-c", qemu.TAPS, "taps", "1500", *middlebox.ports])
    server.run(["mkdir", "-p", machine.FOLDER])
    times = STARTS_A_ROUND * rounds
    request = {
        "version": [machine.QEMU, "--version"],
        "empty": EMPTY_MACHINE,
        "machine": machine.command_line(options.middlebox, qemu.UNIKERNEL.absolute(), middlebox, {}),
        "environment": qemu.ENVIRONMENT,
        "log": f"{machine.FOLDER}/{middlebox.name}.log",
        "word": qemu.UNIKERNEL_READY,
        "times": times,
    }
    # On all processors: QEMU has a thread for the guest and one for everything else.
    everywhere = ["taskset", "--cpu-list", ",".join(map(str, sorted({*hosts.test_computer.cpus, *server.cpus})))]
    result = server.run(
        [*everywhere, server.python, "-I", "-S", "-c", Path(boot_agent.__file__).read_text(encoding="utf-8")],
        stdin=json.dumps(request),
        deadline=Deadline(10.0 * times),
    )
    machines.destroy()
    found = json.loads(result.stdout)
    version, empty, ready = (min(found[each]) for each in ("version", "empty", "ready"))
    say(
        f"starting: version after {version * 1000:.1f} ms, an empty machine after {empty * 1000:.1f} ms "
        f"({empty / version:.2f} ×), ours ready after {ready * 1000:.1f} ms"
    )
    return [Figure("exec → ready against `qemu --version`", ready / version, TARGET, " ×", False, found)]
