"""Runs on either computer, in front of another agent's text: what its processors and single processes have used.

Standard library only; see :func:`middlebench.usage.agent_text`. All values only ever grow, from the
start of the machine or of the process on.
"""

import os
import resource

TICKS = os.sysconf("SC_CLK_TCK")


def processors() -> str:
    """Return the lines of /proc/stat (proc(5)) that tell how each processor has spent its time."""
    with open("/proc/stat") as table:
        return "".join(line for line in table if line.startswith("cpu"))


def machine() -> str:
    """Return what tells this machine, since it was booted, from every other one."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def process_usage(pid: int) -> "dict[str, object] | None":
    """Return the seconds of each of a process's threads, and how often they gave up or lost the processor.

    None where there is no such process (any more).
    """
    threads, switches = {}, 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            threads[thread] = (int(fields[11]) + int(fields[12])) / TICKS
            with open(f"/proc/{pid}/task/{thread}/status") as file:
                switches += sum(int(line.split()[1]) for line in file if "voluntary_ctxt_switches" in line)
    except OSError:
        return None
    return {"threads_s": threads, "switches": switches}


def children_usage() -> "dict[str, object]":
    """Return what processes that we started, and that have ended, have used: as :func:`process_usage` of one thread."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"threads_s": {"all": used.ru_utime + used.ru_stime}, "switches": used.ru_nvcsw + used.ru_nivcsw}
