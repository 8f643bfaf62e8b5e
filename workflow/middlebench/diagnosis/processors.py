"""Who used up processor time, and whether any was left. Pure.

What polls (ClickOS, say) takes a whole processor, work or not: that it was busy says nothing, and its time is
left out. That it got *less* than a whole processor says that there were too few.

Where middleboxes are domains beside the server's own system (Xen's dom0), its processors are virtual: all of them
may be busy while the machine's are not, and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from middlebench.model.record import Cause
from middlebench.model.usage import ProcessorUsage, ProcessUsage, Usage
from middlebench.system.text import percent

BUSY = 0.95
"""Processors that were busy for this share of the traffic had nothing left to give: what is missing to 1 is the
resolution of the kernel's ticks (10 ms: 1 % of a window of 1 s at each end) and the moments in which every queue
happens to be empty."""


@dataclass(frozen=True)
class Pool:
    """Processors that several share, and how much of them was used while traffic ran."""

    owner: str
    """Whose they are, such as ``the server's``."""
    number: int
    busy: float
    """How many of them were busy, on average; 0 to ``number``."""
    polling: float = 0.0
    """How many of those were busy with what polls."""

    @property
    def free(self) -> float | None:
        """Share of the time that was free, of what polling left, from 0 to 1; None where it left next to nothing."""
        left = self.number - self.polling
        used = max(0.0, self.busy - self.polling)
        return 1 - used / left if left > (1 - BUSY) * self.number else None

    @property
    def exhausted(self) -> bool:
        """Whether no time was left for anybody."""
        return self.free is not None and 1 - self.free >= BUSY

    def __str__(self) -> str:
        """Return how busy they were, for a sentence."""
        number = "one processor was" if self.number == 1 else f"{self.number} processors were"
        polling = f" ({percent(self.polling / self.number)} with polling)" if self.polling else ""
        return f"{self.owner} {number} {percent(self.busy / self.number)} busy{polling}"


def busy_ratio(processors: Sequence[ProcessorUsage]) -> float | None:
    """Return which share of their time processors were busy, from 0 to 1; None where there are none."""
    busy_s = sum(each.busy_s for each in processors)
    all_s = busy_s + sum(each.idle_s for each in processors)
    return busy_s / all_s if all_s else None


def links_share(usage: Usage) -> float | None:
    """Return which share of the server's processor time went to emulated links, from 0 to 1; None where unknown."""
    available_s = usage.traffic_s * len(usage.middlebox_server)
    if not usage.links or not available_s:
        return None
    return sum(each.cpu_s for each in usage.links) * _during_traffic(usage) / available_s


def others_share(usage: Usage) -> float | None:
    """Return which share of the server's processor time other programs than ours took, from 0 to 1; None where unknown.

    That is what programs used there outside of the kernel, but for ours; what the kernel did for them is not told from
    what it did for frames. The kernel samples which of the two a process was in: so it is no more than was left beside
    all that ours used.
    """
    server, ours = usage.middlebox_server, (*usage.switch, *usage.middleboxes)
    user_s = [each.user_s for each in server if each.user_s is not None]
    ours_s = [each.user_s for each in ours if each.user_s is not None]
    all_s = sum(each.busy_s + each.idle_s for each in server)
    if usage.machine or not all_s or len(user_s) + len(ours_s) < len(server) + len(ours):
        return None
    of_traffic = _during_traffic(usage) / (usage.traffic_s * len(server))
    in_programs = sum(user_s) / all_s - sum(ours_s) * of_traffic
    beside_ours = sum(each.busy_s - each.stolen_s for each in server) / all_s
    beside_ours -= sum(each.cpu_s for each in (*ours, *usage.links)) * of_traffic
    return max(0.0, min(in_programs, beside_ours))


def limited_by_processors(usage: Usage) -> tuple[Cause, str] | None:
    """Return who had used up all processors, or all that were theirs, and why, in words; None where nobody had."""
    for each in (*usage.switch, *usage.middleboxes):
        if each.polls and (got := _share(each, usage)) < BUSY:
            return "server CPU", f"{each.name} polls, and got {percent(got)} of the processor that it always wants"
    server, machine = _server(usage), _machine(usage)
    machine_has_time = machine is not None and machine.free is not None and not machine.exhausted
    if server and server.exhausted and machine_has_time:
        return "switch", f"all of {server.owner} processors were used up while {time_left(usage)}"
    for pool in (machine, server):
        if pool and pool.exhausted:
            return "server CPU", f"{percent(pool.free or 0.0)} of {pool.owner} processor time was left"
    parts: tuple[tuple[Cause, Sequence[ProcessUsage]], ...] = (
        ("switch", usage.switch),
        ("middlebox", usage.middleboxes),
    )
    for cause, processes in parts:
        for each in processes:
            if not each.polls and (own := _share(each, usage)) >= BUSY:
                return cause, f"{each.name} used {percent(min(own, 1))} of a processor while {time_left(usage)}"
    return None


def time_left(usage: Usage) -> str:
    """Return, for a sentence, how much of the processors' time was left to those who do not poll."""
    pool = _machine(usage) or _server(usage)
    if pool is None or pool.free is None:
        return "nobody knows how much processor time was free"
    return f"{percent(pool.free)} of {pool.owner} processor time was free"


def usage_in_words(usage: Usage) -> list[str]:
    """Return who was how busy, as far as it is known, a part of a sentence each."""
    server = _server(usage)
    pools = (server, _machine(usage), _pool("the test computer's", usage.test_computer))
    words = [str(pool) for pool in pools if pool]
    if not usage.traffic_s or not server:
        return words
    switch, middleboxes = (
        sum(each.cpu_s for each in part) * _during_traffic(usage) / usage.traffic_s
        for part in (usage.switch, usage.middleboxes)
    )
    if usage.machine:  # a domain of ours has one processor
        middleboxes = sum(_share(each, usage) for each in usage.middleboxes)
    server_s = sum(each.busy_s + each.idle_s for each in usage.middlebox_server) / server.number
    softirq, stolen = (
        sum(getattr(each, name) for each in usage.middlebox_server) / server_s for name in ("softirq_s", "stolen_s")
    )
    links = links_share(usage) or 0.0
    shares = {
        "the switch": switch,
        "the emulated links": links * server.number,
        "the middleboxes": middleboxes,
        "stolen by the hypervisor": stolen,
        "the kernel and others": max(
            0.0, server.busy - stolen - switch - links * server.number - (0.0 if usage.machine else middleboxes)
        ),
    }
    used = ", ".join(f"{who} {percent(share)}" for who, share in shares.items() if round(share, 2))
    # Without fine-grained accounting the kernel charges its work on frames to whoever happens to run.
    return [*words, f"of one processor there {used}; {percent(softirq)} was softirq, whoever was charged with it"]


def _share(process: ProcessUsage, usage: Usage) -> float:
    """Return which share of a processor the busiest thread of a process used.

    Nobody works but while traffic runs, except for a domain that polls: it uses its share between the readings as well.
    """
    seconds = usage.machine.elapsed_s if process.polls and usage.machine else usage.traffic_s
    return min(1.0, process.busiest_thread_s * _during_traffic(usage) / seconds) if seconds else 0.0


def _during_traffic(usage: Usage) -> float:
    """Return which share of what processes of the server used they used while traffic ran, from 0 to 1.

    They are read before the traffic and when its frames are at rest, of a slow chain seconds later. While traffic ran
    they used no more than the processors were busy.
    """
    used_s = sum(each.cpu_s for part in (usage.switch, usage.middleboxes, usage.links) for each in part)
    busy = busy_ratio(usage.middlebox_server)
    if usage.machine or busy is None or not used_s:
        return 1.0
    return min(1.0, busy * usage.traffic_s * len(usage.middlebox_server) / used_s)


def _polling(processes: Sequence[ProcessUsage], usage: Usage) -> float:
    """Return how many processors were busy with those of these processes that poll."""
    return sum(_share(each, usage) for each in processes if each.polls)


def _pool(owner: str, processors: Sequence[ProcessorUsage], polling: float = 0.0) -> Pool | None:
    busy = busy_ratio(processors)
    return None if busy is None else Pool(owner, len(processors), busy * len(processors), polling)


def _server(usage: Usage) -> Pool | None:
    """Return the processors of the server's own system; without a hypervisor middleboxes run on them as well."""
    inside = usage.switch if usage.machine else (*usage.switch, *usage.middleboxes)
    return _pool("dom0's" if usage.machine else "the server's", usage.middlebox_server, _polling(inside, usage))


def _machine(usage: Usage) -> Pool | None:
    """Return the processors that a hypervisor deals out; None without one.

    All of it comes from the hypervisor's own two readings: what dom0's kernel counts has another span.
    """
    machine = usage.machine
    if machine is None or not usage.traffic_s:
        return None
    domains = [each for each in usage.middleboxes if each.polls]
    working_s = max(0.0, machine.domains_s - sum(each.cpu_s for each in domains))
    busy = _polling(domains, usage) + (machine.dom0_s + working_s) / usage.traffic_s
    polling = _polling((*usage.switch, *domains), usage)
    return Pool("the machine's", machine.processors, min(busy, machine.processors), polling)
