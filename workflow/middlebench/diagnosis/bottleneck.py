"""What limited a cell: a verdict from its counts, from where its packets were dropped and from who was busy. Pure.

The rules, in this order; the thresholds are below and in :mod:`middlebench.diagnosis.processors`, with their reasons.

1. Counters that contradict each other by more than a hundredth of the loss (of a negligible loss, where even less
   was lost) decide nothing: *unknown*.
2. The loss is negligible. Then the chain kept up, and what limited the cell is what fed it: the *generator*
   where less was offered than intended; the *offered load* where no more was asked for; else the *link*.
   Exception: some links hold the sender back until the server takes frames (veth since Linux 6.16). Then less is
   offered though the test computer has time left, and rules 4 and 5 decide.
   Whatever was lost, it is the *link* where as much arrived in the window as the link carries.
3. Most of the loss is in flow tables: that is the *switch*'s doing, whoever is busy, for it is a rule and not
   haste. Or it is on a link to or from the server: the *link*'s. Exception: what was lost on the first link did not
   fit into the ring of the server's port; where processors were used up, rules 4 and 5 decide.
4. Otherwise packets were dropped from a queue whose reader did not come round in time. Where no processor time was left
   that is the *server CPU*, and the place only says whose turn came too late.
5. Where some was left, but somebody had used up all that was theirs, it is them: the *switch* or the *middlebox*
   whose process used up a processor, or the *switch* whose system, Xen's dom0, used up the virtual ones it has.
6. Where nobody had, it is the kind of element that holds most of the loss: a *middlebox* for what it lost itself
   or what piled up and was dropped in the port in front of it, at a bridge or at the end of a wire, a *switch* for the
   rest of a bridge's losses.
   Where no kind holds most of it: *unknown*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from middlebench.diagnosis.accounting import FLOW_TABLE, OUT, Account, Loss, account
from middlebench.diagnosis.processors import BUSY, busy_ratio, limited_by_processors, time_left, usage_in_words
from middlebench.model.frames import FULL
from middlebench.model.record import Bottleneck, Cause, Counts, Hop, MiddleboxCounts, WireCounts
from middlebench.model.usage import Usage
from middlebench.system.text import percent

NEGLIGIBLE_LOSS = 0.01
"""Loss below this share of the packets sent counts as noise, and the chain as one that kept up: one trial on a shared
machine scatters by as much, and a queue may overflow once when traffic begins."""
DOUBT = 0.01
"""Counters that contradict each other by up to this share of the loss do not change a verdict."""
FIRST_LINK = "link 0"
"""The link to the server. What is lost there did not fit into the ring of the server's port."""
MOST = 0.5
"""A kind of element is to blame when it holds more than this share of the loss."""


def bottleneck_of(
    counts: Counts,
    line_rate_packets: float,
    hops: Sequence[Hop],
    middleboxes: Sequence[MiddleboxCounts],
    usage: Usage,
    negligible: float = NEGLIGIBLE_LOSS,
    wires: Sequence[WireCounts] = (),
) -> Bottleneck:
    """Return what limited a cell.

    Args:
        counts: its counts.
        line_rate_packets: packets that the link could have carried in the window.
        hops: what each bridge counted.
        middleboxes: what each middlebox counted itself.
        usage: who used how much of the processors.
        negligible: share of the packets that may be lost by a chain that kept up, and stay unsent by a generator that
            did. In a throughput search its goal says that.
        wires: what was counted between two middleboxes without a bridge.
    """
    found = account(counts.trial_sent_packets, counts.trial_received_packets, hops, middleboxes, wires)
    cause, why = _verdict(counts, line_rate_packets, found, hops, middleboxes, usage, negligible)
    place = str(found.worst.place) if found.worst else ""
    return Bottleneck(
        cause=cause,
        place=place,
        lost_packets=found.lost,
        unaccounted_packets=found.unaccounted,
        evidence="; ".join((why, _loss_in_words(found), *usage_in_words(usage))),
    )


def _verdict(
    counts: Counts,
    line_rate_packets: float,
    found: Account,
    hops: Sequence[Hop],
    middleboxes: Sequence[MiddleboxCounts],
    usage: Usage,
    negligible: float,
) -> tuple[Cause, str]:
    """Return the cause and the rule that found it, in words."""
    if found.unaccounted > DOUBT * max(found.lost, negligible * found.sent):
        return "unknown", f"the counters contradict each other by {found.unaccounted:,} packets"
    if found.lost < negligible * found.sent or not found.lost:
        return _fed(counts, line_rate_packets, usage, negligible)
    if counts.received_packets >= (1 - negligible) * line_rate_packets:
        return "link", f"{percent(counts.received_packets / line_rate_packets)} of the line rate arrived"
    by_processors = limited_by_processors(usage)
    if by_processors and _on_links(found, FIRST_LINK) > MOST * found.lost:
        share = percent(_on_links(found, FIRST_LINK) / found.lost)
        return by_processors[0], f"{share} of what was lost overflowed the server's ring while {by_processors[1]}"
    return _by_rule(found) or by_processors or _by_place(found, hops, middleboxes, usage)


def _by_rule(found: Account) -> tuple[Cause, str] | None:
    """Return what drops whoever is busy, where it has most of the loss."""
    ruled = sum(loss.packets for loss in found.losses if loss.place.sides == (FLOW_TABLE,))
    if ruled > MOST * found.lost:
        return "switch", f"the flow table dropped {percent(ruled / found.lost)} of what was lost"
    on_links = _on_links(found)
    if on_links > MOST * found.lost:
        return "link", f"{percent(on_links / found.lost)} of what was lost was lost on a link"
    return None


def _on_links(found: Account, *only: str) -> int:
    """Return how many packets were lost on links, or on those of them that are named."""
    places = [(loss.place, loss.packets) for loss in found.losses if loss.place.kind == "link"]
    return sum(packets for place, packets in places if not only or str(place) in only)


def _by_place(
    found: Account, hops: Sequence[Hop], middleboxes: Sequence[MiddleboxCounts], usage: Usage
) -> tuple[Cause, str]:
    """Return the kind of element that holds most of the loss, where nobody had used up what they have."""
    lost: Counter[tuple[Cause, str]] = Counter()
    kinds: Counter[Cause] = Counter()
    for loss in found.losses:
        cause, element = _owner(loss, hops, middleboxes)
        lost[cause, element] += loss.packets
        kinds[cause] += loss.packets
    cause, packets = kinds.most_common(1)[0]
    share = f"{percent(packets / found.lost)} of what was lost was lost at a {cause}"
    if packets <= MOST * found.lost:
        return "unknown", f"no kind of element holds most of the loss (only {share}), and {time_left(usage)}"
    element, packets = max(((name, lost[kind, name]) for kind, name in lost if kind == cause), key=lambda each: each[1])
    return cause, f"{share} while {time_left(usage)}, {packets:,} packets at {element}"


def _fed(counts: Counts, line_rate_packets: float, usage: Usage, negligible: float) -> tuple[Cause, str]:
    """Return what fed a chain that kept up, or what held its feed back."""
    if counts.offered_packets < (1 - negligible) * counts.intended_packets:
        by_processors = limited_by_processors(usage)
        feeder = busy_ratio(usage.test_computer)
        if by_processors and feeder is not None and feeder < BUSY:
            return by_processors[0], f"the sender waited for room on the link while {by_processors[1]}"
        return "generator", f"it offered {counts.offered_packets:,} of {counts.intended_packets:,} packets asked for"
    if counts.intended_packets < FULL * line_rate_packets:
        asked = counts.intended_packets / line_rate_packets
        return "offered load", f"no more than {percent(asked)} of the line rate was asked for, and all of it was sent"
    return "link", f"{percent(counts.offered_packets / line_rate_packets)} of the line rate was offered"


def _owner(loss: Loss, hops: Sequence[Hop], middleboxes: Sequence[MiddleboxCounts]) -> tuple[Cause, str]:
    """Return whose queue it is that packets were dropped from: the kind of element, and which one.

    The port of a virtual machine keeps frames until it takes them, and drops what does not fit any more: what a
    bridge's port dropped is the loss of the middlebox behind it.
    """
    place = loss.place
    if place.kind == "link":
        return "link", str(place)
    if place.kind == "wire":
        return "middlebox", f"middlebox {place.index}, to which the wire leads"
    if place.kind == "middlebox":
        return "middlebox", f"middlebox {place.index}"
    dropped = hops[place.index].dropped if OUT in place.sides else {}
    behind = {
        each.ingress_port: index for index, each in enumerate(middleboxes, start=1) if each.ingress_port in dropped
    }
    if sum(dropped[port] for port in behind) > MOST * max(loss.packets, 0):
        port = max(behind, key=dropped.__getitem__)
        return "middlebox", f"middlebox {behind[port]}, whose port {port} dropped {dropped[port]:,}"
    return "switch", f"bridge {place.index}"


def _loss_in_words(found: Account) -> str:
    if not found.lost:
        return f"all {found.sent:,} packets arrived"
    text = f"{found.lost:,} of {found.sent:,} packets were lost"
    if found.worst:
        text += f", {found.worst.packets:,} of them at {found.worst.place}"
    return text
