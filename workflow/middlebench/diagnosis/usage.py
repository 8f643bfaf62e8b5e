"""Processor time, context switches and system calls: what was read at one moment, and what was used between two. Pure.

The readings themselves are taken by an agent on the host, outside of the time in which
traffic runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from middlebench.model.reading import ProcessTimes
from middlebench.model.usage import MachineUsage, ProcessorUsage, ProcessUsage

USER_HZ = 100
"""Ticks a second in which Linux tells times to user space (times(2)): 100 on all machines that it runs on but Alpha."""

NEARLY_ALL = 0.95
"""Where known threads took this share of a process's time, the rest of it is ignored: Open vSwitch writes its log by
threads that end."""


def parse_processors(stat: str, cpus: Collection[int] = ()) -> dict[int, ProcessorUsage]:
    """Return how processors have spent their time, by number.

    ``cpus`` may be empty for all.

    Raises:
        ValueError: this is not such a text, or a processor that is asked for is not in it.
    """
    found = {}
    for line in stat.splitlines():
        name, *words = line.split()
        if name == "cpu":
            continue
        user, nice, system, idle, disk, interrupt, softirq, stolen = (int(word) / USER_HZ for word in words[:8])
        cpu = int(name.removeprefix("cpu"))
        found[cpu] = ProcessorUsage(
            cpu=cpu,
            busy_s=user + nice + system + interrupt + softirq + stolen,
            softirq_s=softirq,
            stolen_s=stolen,
            idle_s=idle + disk,
            user_s=user + nice,
        )
    if missing := sorted(set(cpus) - set(found)):
        raise ValueError(f"/proc/stat tells nothing of processor {missing[0]}")
    return {cpu: times for cpu, times in found.items() if not cpus or cpu in cpus}


def parse_process(answer: Mapping[str, Any] | None, *, polls: bool = False) -> ProcessTimes | None:
    """Return what ``usage_agent.process_usage`` has answered; None where there was no such process."""
    if answer is None:
        return None
    seconds, threads, switches = float(answer["cpu_s"]), dict(answer["threads_s"]), dict(answer["switches"])
    return ProcessTimes(seconds, threads, switches, polls, answer.get("io_calls"), answer.get("user_s"))


def processors_between(
    before: Mapping[int, ProcessorUsage], after: Mapping[int, ProcessorUsage]
) -> tuple[ProcessorUsage, ...]:
    """Return what was used between two readings of the processors that are in both."""
    return tuple(
        ProcessorUsage(
            cpu=cpu,
            **{
                name: round(getattr(after[cpu], name) - getattr(before[cpu], name), 6)
                for name in ("busy_s", "softirq_s", "stolen_s", "idle_s")
            },
            user_s=_user_between(before[cpu].user_s, after[cpu].user_s),
        )
        for cpu in sorted(before.keys() & after.keys())
    )


def of_traffic(used: ProcessorUsage, traffic_s: float) -> ProcessorUsage:
    """Return what a processor did while traffic ran, from what it did between readings that lie further apart.

    Before the first frame and after the last one hardly anything happens: its busy seconds are the
    traffic's, and it idled for what is left of that.
    """
    return used.model_copy(update={"idle_s": round(max(0.0, traffic_s - used.busy_s), 6)})


def process_between(name: str, before: ProcessTimes | None, after: ProcessTimes | None) -> ProcessUsage | None:
    """Return what a process used between two readings of it; None where one of them is missing.

    A thread that is only in the second reading began meanwhile. Where a thread ended meanwhile its context switches are
    lost: the number of all is not known, unless the others used :data:`NEARLY_ALL` of the processor time. The kernel
    tells the seconds of the process and of each thread a moment apart: the process used no less than its threads did.
    """
    if before is None or after is None:
        return None
    used = [seconds - before.threads_s.get(thread, 0.0) for thread, seconds in after.threads_s.items()]
    cpu_s = max(after.cpu_s - before.cpu_s, sum(used))
    known = before.threads_s.keys() <= after.threads_s.keys() or sum(used) >= NEARLY_ALL * cpu_s
    return ProcessUsage(
        name=name,
        cpu_s=round(cpu_s, 6),
        busiest_thread_s=round(max(used, default=0.0), 6),
        context_switches=_switches_between(before.switches, after.switches) if known else None,
        io_calls=None if before.io_calls is None or after.io_calls is None else after.io_calls - before.io_calls,
        polls=after.polls,
        user_s=_user_between(before.user_s, after.user_s),
    )


def _user_between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else round(after - before, 6)


def _switches_between(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> int | None:
    if before is None or after is None:
        return None
    return sum(count - before.get(thread, 0) for thread, count in after.items())


def machine_between(before: ProcessTimes | None, after: ProcessTimes | None) -> MachineUsage | None:
    """Return what a hypervisor gave to domains between two readings of one; None where there is none."""
    then, now = (times.machine if times else None for times in (before, after))
    if then is None or now is None or now.elapsed_s <= then.elapsed_s:
        return None
    return MachineUsage(
        processors=now.processors,
        dom0_s=round(max(0.0, now.dom0_s - then.dom0_s), 6),
        domains_s=round(max(0.0, now.domains_s - then.domains_s), 6),
        elapsed_s=round(now.elapsed_s - then.elapsed_s, 6),
    )


def started_process(name: str, answer: Mapping[str, Any]) -> ProcessUsage | None:
    """Return what processes used that did not run at the first reading, from what the agent has read of them."""
    return process_between(name, ProcessTimes(0.0, {}, {}), parse_process(answer))
