"""What limited a cell: a verdict from its counts, from where its packets died and from who was busy. Pure.

The rules, in this order; the thresholds are below, with their reasons.

1. Counters that leave more than a hundredth of the loss without a place, or contradict each other by as
   much, decide nothing: *unknown*.
2. Nothing was lost. Then the chain kept up, and what limited the cell is what fed it: the *generator*
   where less was offered than intended; the *offered load* where no more was asked for; else the *link*.
3. Packets were lost. A flow table that drops is the *switch*'s doing, whoever is busy: it is a rule, not
   haste. A loss on a link is the *link*'s.
4. Otherwise packets died in a queue whose reader did not come round in time. Where the middlebox server
   had no processor time left that is the *server CPU*, and the place only says whose turn came too late.
5. Where it had, but one process had used up a processor of its own, it is that process: the *switch* or
   the *middlebox*.
6. Where nobody was busy, it is the element that holds most of the loss: a *middlebox* for what it lost
   itself or what piled up and was refused in the port in front of it, a *switch* for the rest of a
   bridge's losses. Without any element that holds most of it: *unknown*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from middlebench.evidence.accounting import FLOW_TABLE, OUT, Account, Place, account
from middlebench.record import Cause, Counts, Hop, Limit, MiddleboxCounts, ProcessorUsage, ProcessUsage, Usage

NEGLIGIBLE_LOSS = 0.01
"""Below this share of the packets sent the chain kept up: the noise of one trial on a shared machine is of that
size, and a queue may overflow once when traffic begins."""
OFFERED = 0.99
"""Offered below this share of intended is the generator's limit (as the flag `generator-limited` has it)."""
BUSY = 0.95
"""Processors that were busy for this share of the traffic had nothing left to give: what is missing to 1 is the
resolution of the kernel's ticks (10 ms: 1 % of a window of 1 s at each end) and the moments in which every queue
happens to be empty."""
DOUBT = 0.01
"""Packets without a place up to this share of the loss do not change a verdict."""
MOST = 0.5
"""An element, or a kind of it, is to blame when it holds more than this share of the loss."""


def limit_of(
    counts: Counts, line_rate_packets: float, hops: Sequence[Hop], middleboxes: Sequence[MiddleboxCounts], usage: Usage
) -> Limit:
    """Return what limited a cell.

    Args:
        counts: its counts.
        line_rate_packets: packets that the link could have carried in the window.
        hops: what each bridge counted.
        middleboxes: what each middlebox counted itself.
        usage: who used how much of the processors.
    """
    found = account(counts.trial_sent_packets, counts.trial_received_packets, hops, middleboxes)
    cause, why = _verdict(counts, line_rate_packets, found, hops, usage)
    place = str(found.deadliest) if found.deadliest else ""
    return Limit(
        cause=cause,
        place=place,
        lost_packets=found.lost,
        unaccounted_packets=found.unaccounted,
        evidence="; ".join((why, _loss_in_words(found), *_usage_in_words(usage))),
    )


def busy_ratio(processors: Sequence[ProcessorUsage]) -> float | None:
    """Return which share of their time processors were busy, from 0 to 1; None where there are none."""
    busy_s = sum(each.busy_s for each in processors)
    all_s = busy_s + sum(each.idle_s for each in processors)
    return busy_s / all_s if all_s else None


def _verdict(
    counts: Counts, line_rate_packets: float, found: Account, hops: Sequence[Hop], usage: Usage
) -> tuple[Cause, str]:
    """Return the cause and the rule that found it, in words."""
    if found.unaccounted > DOUBT * max(found.lost, NEGLIGIBLE_LOSS * found.sent):
        return "unknown", f"the counters leave {found.unaccounted:,} packets without a place"
    if found.lost < NEGLIGIBLE_LOSS * found.sent or not found.lost:
        return _fed(counts, line_rate_packets)
    return _by_rule(found) or _by_processors(usage) or _by_place(found, hops)


def _by_rule(found: Account) -> tuple[Cause, str] | None:
    """Return what drops whoever is busy, where it has most of the loss."""
    ruled = sum(loss.packets for loss in found.losses if loss.places[0].sides == (FLOW_TABLE,))
    if ruled > MOST * found.lost:
        return "switch", f"the flow table dropped {_percent(ruled / found.lost)} of what was lost"
    on_links = sum(loss.packets for loss in found.losses if loss.places[0].kind == "link")
    if on_links > MOST * found.lost:
        return "link", f"{_percent(on_links / found.lost)} of what was lost died on a link"
    return None


def _by_processors(usage: Usage) -> tuple[Cause, str] | None:
    """Return who had used up all processors, or one of its own."""
    busy = busy_ratio(usage.middlebox_server)
    if busy is not None and busy >= BUSY:
        return "server CPU", "the server had no processor time left"
    parts: tuple[tuple[Cause, Sequence[ProcessUsage]], ...] = (
        ("switch", usage.switch),
        ("middlebox", usage.middleboxes),
    )
    for cause, processes in parts:
        for process in processes:
            own = process.busiest_thread_s / usage.traffic_s if usage.traffic_s else 0.0
            if own >= BUSY:
                return cause, f"{process.name} used {_percent(min(own, 1))} of a processor, others were free"
    return None


def _by_place(found: Account, hops: Sequence[Hop]) -> tuple[Cause, str]:
    """Return the kind of element that holds most of the loss while nobody was busy."""
    by_cause: Counter[Cause] = Counter()
    for loss in found.losses:
        by_cause[_owner(loss.places[0], loss.packets, hops)] += loss.packets
    cause, most = by_cause.most_common(1)[0]
    if most > MOST * found.lost:
        return cause, f"{_percent(most / found.lost)} of what was lost died at a {cause} while processors were free"
    return "unknown", "no kind of element holds most of the loss, and processors were free"


def _fed(counts: Counts, line_rate_packets: float) -> tuple[Cause, str]:
    """Return what fed a chain that kept up."""
    share = counts.offered_packets / counts.intended_packets if counts.intended_packets else 1.0
    if share < OFFERED:
        return "generator", f"it offered {_percent(share)} of what was asked for"
    if counts.intended_packets < OFFERED * line_rate_packets:
        asked = counts.intended_packets / line_rate_packets
        return "offered load", f"no more than {_percent(asked)} of the line rate was asked for, and all of it was sent"
    return "link", f"{_percent(counts.offered_packets / line_rate_packets)} of the line rate was offered"


def _owner(place: Place, packets: int, hops: Sequence[Hop]) -> Cause:
    """Return whose queue it is that packets died in.

    A tap keeps frames until its virtual machine takes them, and drops what does not fit any more: what a bridge's
    port refused is the loss of the middlebox behind it.
    """
    if place.kind == "link":
        return "link"
    if place.kind == "middlebox":
        return "middlebox"
    last = place.index == len(hops) - 1
    refused = place.sides == (OUT,) and hops[place.index].refused_packets > MOST * packets
    return "middlebox" if refused and not last else "switch"


def _loss_in_words(found: Account) -> str:
    if not found.lost:
        return f"all {found.sent:,} packets arrived"
    text = f"{found.lost:,} of {found.sent:,} packets were lost"
    if found.deadliest:
        text += f", {found.deadliest.packets:,} of them at {found.deadliest}"
    return text


def _usage_in_words(usage: Usage) -> list[str]:
    """Return who was how busy, as far as it is known."""
    words = []
    for name, processors in (("the server", usage.middlebox_server), ("the test computer", usage.test_computer)):
        busy = busy_ratio(processors)
        if busy is not None:
            words.append(f"{_processors(name, processors)} {_percent(busy)} busy")
    server_s = sum(each.busy_s + each.idle_s for each in usage.middlebox_server)
    if not usage.traffic_s or not server_s:
        return words
    number = len(usage.middlebox_server)
    softirq, busy = (
        sum(getattr(each, name) for each in usage.middlebox_server) / server_s * number
        for name in ("softirq_s", "busy_s")
    )
    shares = {
        "the switch": sum(each.cpu_s for each in usage.switch) / usage.traffic_s,
        "the middleboxes": sum(each.cpu_s for each in usage.middleboxes) / usage.traffic_s,
    }
    shares["the kernel and others"] = max(0.0, busy - sum(shares.values()))
    used = ", ".join(f"{who} {_percent(share)}" for who, share in shares.items() if share)
    # Without fine-grained accounting the kernel charges its work on frames to whoever happens to run.
    return [
        *words,
        f"of one processor there {used}; on whose account ever, {_percent(softirq)} went into moving frames",
    ]


def _processors(owner: str, processors: Sequence[ProcessorUsage]) -> str:
    return f"{owner}'s one processor was" if len(processors) == 1 else f"{owner}'s {len(processors)} processors were"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
