"""Whether what a generator says that it offered can be: of its own samples, and beside the first bridge's counts. Pure.

A generator that stalls leaves a window with few frames or none, which is no throughput of a chain. One that
counts by itself may count frames that never left, and does not know of frames that others send by its port:
both show where the frames reach the middlebox server.
"""

from __future__ import annotations

import itertools

from middlebench.model.traffic import Load, Traffic

STALL_SECONDS, STALL_PACKETS = 0.5, 20
"""A generator that sends nothing for so long, in which so many frames were intended, has stalled. Shorter than that a
busy machine may well keep it from its processor."""
UNEXPECTED, UNEXPECTED_SHARE = 10, 0.001
"""How many more frames than were sent the first bridge may count: a card may tell its counts late, or see a frame of
its own kind (LLDP, a pause frame)."""
CONFIRMED = 0.99
"""Share of the frames that a generator claims which must have reached the server to call the claim confirmed."""


def stalls(load: Load, traffic: Traffic) -> list[str]:
    """Return, a sentence each, why the generator cannot have done its work all through the window; none if it did.

    Of a given number of frames the time that they took is part of what was measured.
    """
    if load.packets is not None:
        return [] if traffic.trial_sent_packets else ["the generator sent nothing"]
    if not traffic.offered_packets:
        return [f"the generator sent nothing in the window of {traffic.window_s:.3f} s"]
    for sent, group in itertools.groupby(traffic.samples, key=lambda sample: sample.sent_packets):
        moments = [sample.t_s for sample in group]
        seconds = moments[-1] - moments[0]
        if seconds >= STALL_SECONDS and load.packets_per_second * seconds >= STALL_PACKETS:
            return [f"the generator sent nothing for {seconds:.3f} s, after {sent} frames of the window"]
    return []


def unexpected_frames(sent_packets: int, rx_packets: int) -> list[str]:
    """Return, as a sentence, that more frames reached the first bridge than the generator sent; nothing otherwise."""
    if rx_packets <= sent_packets + UNEXPECTED + UNEXPECTED_SHARE * sent_packets:
        return []
    happened = f"{rx_packets} frames reached the first bridge of {sent_packets} sent"
    return [f"{happened}: somebody else sends there, or counting ended early"]


def is_confirmed(sent_packets: int, rx_packets: int) -> bool:
    """Return whether the frames that a generator claims to have sent have reached the first bridge."""
    return rx_packets >= CONFIRMED * sent_packets
