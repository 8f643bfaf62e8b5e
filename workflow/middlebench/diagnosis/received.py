"""Whether what a receiver counted can be all that the chain passed on. Pure.

A chain that stops in the middle of a window leaves counts that look like a low throughput. A drain that ends too
early leaves frames on the way, which look like a loss of the last link.
"""

from __future__ import annotations

from collections.abc import Sequence

from middlebench.model.record import Hop
from middlebench.model.traffic import Load, Traffic

DEAD_SECONDS, DEAD_PACKETS = 0.3, 20
"""A chain that passes on nothing for so long at the end of a window has stopped, where so many frames were to be
expected by what it had passed on since the traffic began, and frames were offered all the time."""


def stopped(load: Load, traffic: Traffic) -> list[str]:
    """Return, as a sentence, that frames ceased to arrive before the window ended; nothing if they did not.

    Of a given number of frames the receiver is not sampled.
    """
    if load.packets is not None or not traffic.samples:
        return []
    last = traffic.samples[-1]
    still = next(each for each in traffic.samples if each.received_packets == last.received_packets)
    seconds, offered = last.t_s - still.t_s, last.sent_packets - still.sent_packets
    if seconds < DEAD_SECONDS or offered < DEAD_PACKETS:
        return []
    if not last.received_packets:
        late = f": if frames need longer than {load.warm_up_s:g} s to pass the chain, raise `warm_up_s`"
        return [
            f"nothing arrived in the window, in which {offered} frames were offered"
            + late * bool(traffic.trial_received_packets)
        ]
    before_pps = traffic.trial_received_packets / (load.warm_up_s + still.t_s)  # a stop at the window's start left 1
    if before_pps * seconds < DEAD_PACKETS:
        return []
    return [f"nothing arrived any more {still.t_s:.3f} s after the window began, while {offered} frames were offered"]


def on_the_way(carried: int, received: int, hops: Sequence[Hop]) -> list[str]:
    """Return, a sentence each, which frames were still on a link when the receiver was read last; nothing if none was.

    For links both of whose ends count the same frames, as the two of a veth pair do: what is missing on such a link has
    not been lost there, it has not arrived yet.

    Args:
        carried: packets that the first link took: those sent but for what overflowed the ring at its other end, which
            kernels before 6.16 drop (later ones stop the sender's queue; drivers/net/veth.c).
        received: packets that the receiver has counted.
        hops: what each bridge counted between readings before and after.
    """
    arrived, left = hops[0].rx_packets, hops[-1].tx_packets
    problems = []
    if arrived != carried:
        problems.append(f"{carried} frames went onto the first link, and {arrived} reached the first bridge")
    if left != received:
        problems.append(f"{left} frames left the last bridge, and {received} had arrived when the drain ended")
    return problems
