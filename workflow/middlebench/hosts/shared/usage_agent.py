"""Runs on either computer, in front of another agent's text: what its processors and single processes have used.

Standard library only; see :func:`middlebench.hosts.shared.agents.agent_text`. All values only ever grow, from the
start of the machine or of the process on.
"""

import ctypes
import os
import resource
import signal

PR_SET_PDEATHSIG = 1  # linux/prctl.h
TICKS = os.sysconf("SC_CLK_TCK")
STATES = {"": "has ended", "T": "is stopped", "t": "is stopped by a debugger", "X": "has ended", "Z": "has ended"}
"""What a process's state (proc(5)) says of one that does not run."""


def end_with_parent(by: int = signal.SIGKILL) -> None:
    """Have the kernel end the calling process together with its parent (prctl(2)): for between fork and exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def process_state(pid: int) -> str:
    """Return the letter of a process's state (proc(5)); nothing where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def processors() -> str:
    """Return the lines of /proc/stat (proc(5)) that tell how each processor has spent its time."""
    with open("/proc/stat", encoding="utf-8") as table:
        return "".join(line for line in table if line.startswith("cpu"))


def machine() -> str:
    """Return what tells this machine, since it was booted, from every other one."""
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()


def process_usage(pid: int) -> "dict[str, object] | None":
    """Return the processor seconds of a process, and seconds and context switches of each of its threads.

    The seconds of the process, those of them outside of the kernel (``user_s``), and its system calls that read or
    write, include those of threads that have ended; of context switches the kernel keeps no such sum (proc(5)). None
    where there is no such process (any more).
    """
    seconds: dict[str, float] = {}
    switches: dict[str, int] = {}
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            user_s, kernel_s = _seconds(file.read())
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as file:
                used_s = sum(_seconds(file.read()))
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                switched = sum(int(line.split()[1]) for line in file if "voluntary_ctxt_switches" in line)
        except OSError:  # the thread has just ended; the process has not
            continue
        seconds[thread], switches[thread] = used_s, switched
    return {
        "cpu_s": user_s + kernel_s,
        "user_s": user_s,
        "threads_s": seconds,
        "switches": switches,
        "io_calls": _io_calls(pid),
    }


def _io_calls(pid: int) -> "int | None":
    """Return how many system calls of a process have read or written; None where this kernel does not count them."""
    try:
        with open(f"/proc/{pid}/io", encoding="utf-8") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("sysc"))
    except OSError:
        return None


def _seconds(stat: str) -> "tuple[float, float]":
    """Return the processor seconds in the text of a ``stat`` file (proc(5), fields 14 and 15): user's and kernel's."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def children_usage() -> "dict[str, object]":
    """Return what the processes used that we started and that have ended, as :func:`process_usage` of one thread."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    return {"cpu_s": seconds, "threads_s": {"all": seconds}, "switches": {"all": used.ru_nvcsw + used.ru_nivcsw}}
