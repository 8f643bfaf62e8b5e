"""Holds the parts of a record against each other: a record that contradicts itself is not aggregated.

Pure. The trial has checked the same before it wrote the record: a fault found here means that the file was changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from statistics import mean

from middlebench.model.frames import line_rate_pps, wire_bits
from middlebench.model.mix import size_label, sizes_of
from middlebench.model.record import Record

LINE_RATE_TOLERANCE = 0.01
"""How far a rate may lie above line rate, over it: the moments of reading blur it."""
BLUR_S = 0.002
"""How much longer than told a window may have been: a reading at either end takes up to a millisecond."""
LONGEST_BURST_S = 0.1
"""Seconds of line rate that pass at once at the most: an emulated computer is late by as much."""
SHORTEST_SHARE = 0.5
"""The least share of the window asked for that a window may last."""


def contradictions(record: Record) -> list[str]:
    """Return, a sentence each, in what a record contradicts itself; none for a record that may be believed."""
    return [*_counts(record), *_samples(record), *_hops(record), *_attestation(record)]


def above_line_rate(
    packets: Mapping[str, int], frame_bytes: float, window_s: float, link_bps: float, burst_bytes: float | None = None
) -> list[str]:
    """Return, a sentence each, which of the packets counted in a window are more than a link carries.

    Besides its line rate (bits/s) it may pass one burst of the token bucket that shapes it; where that is not known,
    the longest that a site allows. ``frame_bytes`` is the mean size of the frames.
    """
    burst_bytes = LONGEST_BURST_S * link_bps / 8 if burst_bytes is None else burst_bytes
    most = line_rate_pps(link_bps, frame_bytes) * (window_s * (1 + LINE_RATE_TOLERANCE) + BLUR_S)
    most += burst_bytes * 8 / wire_bits(frame_bytes)
    return [
        f"{count} frames {side} in {window_s:g} s are above line rate ({most:.0f})"
        for side, count in packets.items()
        if count > most
    ]


def _counts(record: Record) -> Iterator[str]:
    counts, cell = record.counts, record.cell
    if counts.window_s < SHORTEST_SHARE * record.settings.window_s:
        yield f"its window of {counts.window_s:g} s is shorter than the {record.settings.window_s:g} s asked for"
    if counts.offered_packets == 0:
        yield "no frame was offered in its window"
    packets_of = {"offered": counts.offered_packets, "received": counts.received_packets}
    sizes = sizes_of(cell.frame_bytes)
    yield from above_line_rate(packets_of, mean(sizes), counts.window_s, record.link_bps)
    for side in packets_of:
        packets, size = getattr(counts, f"{side}_packets"), getattr(counts, f"{side}_bytes")
        if not packets * min(sizes) <= size <= packets * max(sizes):
            yield f"{size} bytes {side} are not {packets} frames of {size_label(cell.frame_bytes)}"
    if counts.offered_packets > counts.trial_sent_packets:
        yield f"{counts.offered_packets} frames were offered of {counts.trial_sent_packets} sent"
    if counts.received_packets > counts.trial_received_packets:
        yield f"{counts.received_packets} frames were received in the window of {counts.trial_received_packets} in all"
    if counts.trial_received_packets > counts.trial_sent_packets:
        yield f"{counts.trial_received_packets} frames were received of {counts.trial_sent_packets} sent"
    lost = counts.trial_sent_packets - counts.trial_received_packets
    if record.search is None and record.bottleneck.lost_packets != lost:
        yield f"{record.bottleneck.lost_packets} frames lost are not the {lost} that are missing"


def _samples(record: Record) -> Iterator[str]:
    counts = record.counts
    for before, after in itertools.pairwise(record.samples):
        if after.t_s <= before.t_s:
            yield f"its sample at {after.t_s:g} s comes after that at {before.t_s:g} s"
        if after.sent_packets < before.sent_packets or after.received_packets < before.received_packets:
            yield f"its counts go back at {after.t_s:g} s"
    if record.samples:
        last = record.samples[-1]
        if last.sent_packets > counts.offered_packets or last.received_packets > counts.received_packets:
            yield "its last sample holds more frames than the window"


def _hops(record: Record) -> Iterator[str]:
    counts, hops, slack = record.counts, record.hops, record.bottleneck.unaccounted_packets
    if not hops:
        yield "it names no hop"
        return
    if len(record.middleboxes) != record.cell.n:
        yield f"it counts {len(record.middleboxes)} middleboxes in a chain of {record.cell.n}"
    if hops[0].rx_packets > counts.trial_sent_packets + slack:
        yield f"{hops[0].bridge} received {hops[0].rx_packets} of {counts.trial_sent_packets} frames sent"
    if hops[-1].tx_packets + slack < counts.trial_received_packets:
        yield f"{hops[-1].bridge} sent {hops[-1].tx_packets} of {counts.trial_received_packets} frames received"
    for hop in hops:
        if hop.tx_packets > hop.rx_packets + slack:
            yield f"{hop.bridge} sent {hop.tx_packets} of {hop.rx_packets} frames received"


def _attestation(record: Record) -> Iterator[str]:
    attested = record.attestation
    if not 0 < attested.probes_sent == attested.probes_returned:
        yield f"{attested.probes_returned} of {attested.probes_sent} probes returned"
