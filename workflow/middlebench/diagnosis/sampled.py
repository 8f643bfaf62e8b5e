"""Whether frames of a trial's load are what the functions on their way must have made of them. Pure.

Each is compared, byte by byte, to what became of the frame that its flow sent; by the description that probes use.
"""

from __future__ import annotations

from typing import NamedTuple

from middlebench.model.frames import udp_frame
from middlebench.model.functions.function import FORWARD
from middlebench.model.functions.probes import Judge
from middlebench.model.packets import packet_of
from middlebench.model.plan import Plan
from middlebench.model.sharing import path_of
from middlebench.model.traffic import Load, Traffic


class WrongFrame(NamedTuple):
    """A frame that no function may have made."""

    problem: str
    flow: int
    """Number of its flow."""
    size: int
    """Its size in bytes without FCS."""


def is_sampled(plan: Plan, load: Load) -> bool:
    """Whether frames of a load are looked at: not where all middleboxes forward, or where frames say when they left."""
    return not load.latency and any(middlebox.function.name != FORWARD for middlebox in plan.middleboxes)


def wrong_frame(plan: Plan, load: Load, traffic: Traffic) -> WrongFrame | None:
    """Return the first frame of the sample that is wrong; None where all are right."""
    judges: dict[int, Judge] = {}
    for frame, _ in traffic.sample:
        packet = packet_of(frame)
        if packet is None or packet.identification >= load.flows:
            return WrongFrame("it is of no flow that was sent", 0, load.sizes[0])
        if len(frame) not in load.sizes:
            return WrongFrame(f"its {len(frame)} B are no size that was sent", packet.identification, load.sizes[0])
        flow = packet.identification
        path = path_of(flow, len(plan.paths))
        judge = judges.setdefault(path, Judge(plan.functions_on(plan.paths[path])))
        if problem := judge.problem(udp_frame(len(frame), flow=flow), frame):
            return WrongFrame(problem, flow, len(frame))
    return None
