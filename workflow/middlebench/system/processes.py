"""Identity of processes: a process id may be used again; together with its start time it is unique."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

NEEDED_CAPABILITIES = 1 << 21 | 1 << 12
"""CAP_SYS_ADMIN and CAP_NET_ADMIN (linux/capability.h): to make namespaces, and interfaces in them."""


def may_administer() -> bool:
    """Whether we need no user namespace to make namespaces and interfaces; root in a container does."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return int(effective.split()[1], 16) & NEEDED_CAPABILITIES == NEEDED_CAPABILITIES


def busy() -> str:
    """Return a remark for a message that something took too long, where this machine is overloaded; else nothing."""
    wanting, processors = os.getloadavg()[0], os.cpu_count() or 1
    if wanting <= processors:
        return ""
    return f" (this machine is busy: {wanting:.0f} processes want its {processors} processors)"


def boot_id() -> str:
    """Return the kernel's identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine, told apart from a later one with the same id."""

    pid: int
    started_ticks: int
    """Start, in clock ticks since boot (field 22 of ``/proc/PID/stat``, proc(5))."""
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return the identity of the live process ``pid``; None where there is none (a zombie is none)."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        if fields[0] in "ZX":
            return None
        return cls(pid=pid, started_ticks=int(fields[19]), boot_id=boot_id())

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def kill(self, *, wait_s: float = 10.0) -> bool:
        """Kill the process (SIGKILL) and wait for its end; return whether it ended in time."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.is_alive():
                return True
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return bool(select.select([handle], [], [], wait_s)[0])
        finally:
            os.close(handle)


def ancestors(pid: int) -> list[int]:
    """Return the process ids of the parent of ``pid``, its parent, and so on."""
    found: list[int] = []
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except FileNotFoundError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
        found.append(pid)
    return found
