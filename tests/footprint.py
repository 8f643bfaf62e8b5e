"""What a run of ours leaves on this machine, seen from outside: processes, namespaces, mounts."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import LIMIT_SECONDS, POLL_SECONDS


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
