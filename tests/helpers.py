"""What tests of live parts share: waiting for a condition, seeing what is left, passing single frames."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from middlebench.config.testbed import TestbedOptions, composed
from middlebench.hosts.base import Host
from middlebench.middleboxes.qemu import machine
from middlebench.model.plan import Middlebox
from middlebench.model.reading import PortCounters
from middlebench.model.record import Settings
from middlebench.switches.shared.readings import parse_ports
from middlebench.system.locks import lock
from middlebench.testbed import Testbed, site_of, stand_up
from middlebench.trials.convergence import tear_down
from middlebench.trials.probing import PROBES

PROJECT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 30.0
POLL_SECONDS = 0.02
MAKE_SECONDS = 600.0

_Found = TypeVar("_Found")


def eventually(condition: Callable[[], _Found], what: str, limit_s: float = LIMIT_SECONDS) -> _Found:
    """Return the first true value of ``condition``; fail when ``what`` does not come true in time."""
    end = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"within {limit_s:g} s it did not come true that {what}")
        time.sleep(POLL_SECONDS)
    return found


def composition(
    *,
    switch: dict[str, Any] | None = None,
    middlebox: dict[str, Any] | None = None,
    rate_mbps: float = 1000.0,
    idle_s: float = 900.0,
) -> dict[str, Any]:
    """Return a testbed's file as a value; every ``auto`` that costs time to choose is chosen."""
    return {
        "description": "a testbed of the tests",
        "site": {"driver": "namespaces", "link": {"rate_mbps": rate_mbps}, "idle_s": idle_s},
        "switch": switch or {"driver": "private-openvswitch", "datapath": "userspace", "port_type": "system"},
        "middlebox": middlebox or {"driver": "netns"},
        "generator": {"driver": "trafgen"},
    }


def compose(**changes: Any) -> TestbedOptions:
    """Return :func:`composition` as the model that the library takes."""
    return composed(composition(**changes), "the tests")


@contextmanager
def standing(options: TestbedOptions) -> Iterator[Testbed]:
    """Have a testbed stand, with no chain on it yet."""
    try:
        yield stand_up("tests", options)
    finally:
        site_of("tests", options).close()


@contextmanager
def without_chain(options: TestbedOptions) -> Iterator[Testbed]:
    """Have a testbed stand with no chain on it, and leave it so: computers and switch stay for the next test."""
    testbed = stand_up("tests", options)
    try:
        yield testbed
    finally:
        tear_down(testbed)


def settings(**changes: Any) -> Settings:
    """Return settings of a short trial."""
    return Settings(
        **{"window_s": 0.2, "warm_up_s": 0.1, "sample_interval_s": 0.1, "offered_load": "maximum"} | changes
    )


@dataclass(frozen=True)
class Footprint:
    """All by which what was started with one runtime folder shows on this machine, seen from outside."""

    runtime: Path

    def processes(self) -> dict[int, str]:
        """Return the names of live processes that were started with this runtime folder, by process id."""
        marker = f"MIDDLEBENCH_RUNTIME={self.runtime}".encode()
        found = {}
        for entry in _processes():
            try:
                if marker in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue  # it ended in between
        return found

    def named(self, name: str) -> list[int]:
        """Return the live processes of this name."""
        return [pid for pid, each in self.processes().items() if each == name]

    def machine(self, name: str) -> int:
        """Return the process id, as seen from outside, of the virtual machine of this name."""
        for pid in self.named("qemu-system-x86"):
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            if words[words.index("-name") + 1] == name:
                return pid
        return pytest.fail(f"there is no machine {name}")

    def running(self, text: str) -> list[int]:
        """Return the live processes whose command line has this text."""
        found = []
        for pid in self.processes():
            with suppress(OSError):
                if text in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace"):
                    found.append(pid)
        return found

    def holder(self) -> int:
        """Return the process id of the holder."""
        return int(json.loads((self.runtime / "holder.json").read_text())["pid"])

    def namespaces(self) -> frozenset[str]:
        """Return the namespaces that are the testbed's own, such as ``net:[4026532000]``."""
        own = set(_namespaces_of(Path("/proc/self")))
        found = {each for pid in self.processes() for each in _namespaces_of(Path(f"/proc/{pid}"))}
        names = Path(f"/proc/{self.holder()}/root/run/netns").glob("*")
        return frozenset(found - own | {f"net:[{name.stat().st_ino}]" for name in names})

    def remains(self, namespaces: frozenset[str], ended_at: float) -> list[str]:
        """Return, a sentence each, what is still there of the testbed, and of ``namespaces`` that it had.

        The kernel removes a network namespace, and its interfaces with it, with the last process and the
        last mount that refer to it. It may give the number to the next one: what started after the testbed
        ended (``ended_at``, seconds since boot) is somebody else's.
        """
        found = [f"process {pid} ({name})" for pid, name in self.processes().items()]
        for entry in _processes():
            inside = namespaces.intersection(_namespaces_of(entry))
            if inside and _started_at(entry) < ended_at:
                found.append(f"process {entry.name} in {', '.join(inside)}")
        for mount in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            if str(self.runtime) in mount or any(each in mount for each in namespaces):
                found.append(f"mount {mount}")
        return found

    def demand_nothing_left(self, namespaces: frozenset[str] = frozenset()) -> None:
        """Fail when something is still there that does not go away."""
        ended_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        end = time.monotonic() + LIMIT_SECONDS
        while remains := self.remains(namespaces, ended_at):
            if time.monotonic() > end:
                pytest.fail(f"left behind: {'; '.join(remains)}")
            time.sleep(POLL_SECONDS)

    def kill_all(self) -> None:
        """End whatever a failed test left."""
        for pid in self.processes():
            kill(pid)


@contextmanager
def runtime_folder(parent: Path) -> Iterator[Path]:
    """Have a runtime folder of the tests' own; whatever was started with it must be gone in the end."""
    folder = parent / "runtime"
    folder.mkdir(mode=0o700)
    footprint = Footprint(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIDDLEBENCH_RUNTIME", str(folder))
        try:
            yield folder
            footprint.demand_nothing_left()
        finally:
            footprint.kill_all()


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that one of the processes that run the tests has filled; the others wait for it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with lock(folder.with_suffix(".lock"), f"making {name}", wait_s=MAKE_SECONDS):
        done = folder.with_suffix(".done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def opt_in(items: Sequence[pytest.Item], folder: Path, variable: str, what: str, limit_s: float) -> None:
    """Let the tests in a folder take so long, and skip those that are not quick unless a variable of ours is 1."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.timeout(limit_s))
            if os.environ.get(variable) != "1" and item.get_closest_marker("quick") is None:
                item.add_marker(pytest.mark.skip(reason=f"{what}: set {variable}=1"))


def disguise(program: str, version: str, folder: Path) -> None:
    """Write a program of this name that is the real one in all but the version that it says."""
    folder.mkdir(exist_ok=True)
    wrapper = folder / program
    wrapper.write_text(
        f'#!/bin/sh\n[ "$1" != --version ] || {{ echo "{version}"; exit 0; }}\nexec {shutil.which(program)} "$@"\n'
    )
    wrapper.chmod(0o755)


def cripple(program: str, folder: Path) -> None:
    """Write a program of this name that says the real one's version, and fails at everything else."""
    folder.mkdir(exist_ok=True)
    wrapper = folder / program
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {shutil.which(program)} "$@"\nexit 1\n')
    wrapper.chmod(0o755)


def kill(pid: int) -> None:
    """Send SIGKILL to a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def descendants(pid: int) -> list[int]:
    """Return the process and all processes below it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in _processes():
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue  # it ended in between
        children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


FRAME_AGENT = """
import select, socket, sys
tx_port, rx_port, limit_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
receiver.bind((rx_port, 3))  # ETH_P_ALL
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sender.bind((tx_port, 0))

def next_frame():
    while select.select([receiver], [], [], limit_s)[0]:
        frame, address = receiver.recvfrom(65536)
        if address[2] != socket.PACKET_OUTGOING:
            return frame
    return b""

for line in sys.stdin:
    sender.send(bytes.fromhex(line))
    print(next_frame().hex())
"""


def pass_frames(host: Host, tx_port: str, rx_port: str, frames: Sequence[bytes], limit_s: float = 3.0) -> list[bytes]:
    """Send frames one after the other; return what arrived upon each, nothing for one that was lost."""
    result = host.run(
        host.script(FRAME_AGENT, tx_port, rx_port, str(limit_s)),
        stdin="".join(f"{frame.hex()}\n" for frame in frames),
    )
    return [bytes.fromhex(line) for line in result.stdout.splitlines()]


CONSOLE_AGENT = """
import socket, sys
console = socket.socket(socket.AF_UNIX)
console.settimeout(10)
console.connect(sys.argv[1])
console.sendall(sys.argv[2].encode())
for line in console.makefile():
    print(line, end="")
    if line.startswith(sys.argv[3]):
        break
"""


def status(host: Host, middlebox: Middlebox) -> dict[str, Any]:
    """The unikernel's own counters, asked for on its console."""
    return dict(json.loads(_console(host, middlebox, "s", "status ")[-1].removeprefix("status ")))


def table(host: Host, middlebox: Middlebox) -> list[dict[str, Any]]:
    """The entries of the table that the unikernel's function keeps, asked for on its console."""
    said = _console(host, middlebox, "t", "end of table")
    return [dict(json.loads(line.removeprefix("entry "))) for line in said if line.startswith("entry ")]


def _console(host: Host, middlebox: Middlebox, request: str, last: str) -> list[str]:
    path = f"{machine.FOLDER}/{middlebox.name}.console"
    return host.run([host.python, "-I", "-c", CONSOLE_AGENT, path, request, last]).stdout.splitlines()


EXCHANGE_AGENT = """
import json, select, socket, sys
ports, limit_s = sys.argv[1:3], float(sys.argv[3])
packets = []
for port in ports:
    packets.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    packets[-1].bind((port, 3))  # ETH_P_ALL

def exchange(here, frame, marked, mark):
    packets[here].send(frame)
    packets[here].send(marked)
    came = []
    while select.select([packets[1 - here]], [], [], limit_s)[0]:
        got, address = packets[1 - here].recvfrom(65536)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if mark in got:
            return came
        came.append(got.hex())
    return None

for line in sys.stdin:
    here, frame, marked, mark = json.loads(line)
    print(json.dumps(exchange(here, bytes.fromhex(frame), bytes.fromhex(marked), bytes.fromhex(mark))))
"""


def exchange_frames(
    host: Host, ports: tuple[str, str], frames: Sequence[tuple[int, bytes]], marked: Callable[[int, bytes], bytes]
) -> list[list[bytes] | None]:
    """Send frames one after the other, each from the port of that index; return what arrived at the other port.

    A frame that must pass goes behind each: what has not come when that one comes was dropped.

    Args:
        host: where the ports are.
        ports: two ports, each with the other one behind what is tested.
        frames: index of the port to send from, and frame.
        marked: returns a frame that must pass from that port and has these bytes somewhere.

    Returns:
        For each frame what came before its marked one did; None where that did not come.
    """
    lines = []
    for here, frame in frames:
        mark = os.urandom(12)
        lines.append(json.dumps([here, frame.hex(), marked(here, mark).hex(), mark.hex()]))
    result = host.run(host.script(EXCHANGE_AGENT, *ports, "3"), stdin="".join(f"{line}\n" for line in lines))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    return [None if answer is None else [bytes.fromhex(frame) for frame in answer] for answer in answers]


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _started_at(process: Path) -> float:
    """Return when a process started, in seconds since boot; one that ended counts as one to come."""
    try:
        ticks = (process / "stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return math.inf
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def _namespaces_of(process: Path) -> list[str]:
    found = []
    for kind in ("net", "mnt", "pid", "user"):
        try:
            found.append(str((process / "ns" / kind).readlink()))
        except OSError:
            continue  # it ended in between, or is not ours to look at
    return found


@contextmanager
def once_traffic_runs(testbed: Testbed, change: Callable[[], object]) -> Iterator[None]:
    """Make ``change`` from another thread as soon as the chain has seen many more frames than probes."""
    entrance = testbed.hosts.server_ports[0]
    before = testbed.switch.counters()[entrance].rx_packets

    def traffic_runs() -> bool:
        return testbed.switch.counters()[entrance].rx_packets > before + 10 * PROBES

    with ThreadPoolExecutor(1) as pool:
        changed = pool.submit(lambda: (eventually(traffic_runs, "traffic runs"), change()))
        yield
        changed.result()


def interface_counters(host: Host) -> dict[str, PortCounters]:
    """Return the kernel's counters of all interfaces of ``host``."""
    return parse_ports(host.run(["cat", "/proc/net/dev"]).stdout)
