"""Frames that were picked out of a load: each must be what the functions of its own path make of its own flow."""

from dataclasses import replace

import pytest
from middlebench.config.functions import functions_of, load_functions
from middlebench.diagnosis.sampled import is_sampled, wrong_frame
from middlebench.model.frames import SENDER_IP, udp_frame
from middlebench.model.functions.lists import address
from middlebench.model.packets import packet_of
from middlebench.model.plan import Plan
from middlebench.model.topologies import plan_of
from middlebench.model.traffic import Load
from test_trial import TRAFFIC

LOAD = Load(100, packets_per_second=1000, saturating=True, warm_up_s=0.5, window_s=2, sample_interval_s=1, flows=8)
KNOWN = load_functions()
POOLS = [address("198.18.128.0", hop) for hop in (1, 2)]


def plan(functions: str) -> Plan:
    return plan_of("parallel", 2, ("in", "out"), functions_of(functions, 2, KNOWN))


def translated(flow: int, pool: str, port: int, **changes) -> bytes:
    sent = packet_of(udp_frame(100, flow=flow))
    return sent.changed(source_address=pool, source_port=port, **changes).frame()


def complaint(functions: str, *frames: bytes) -> str:
    found = wrong_frame(plan(functions), LOAD, replace(TRAFFIC, sample=tuple((frame, 1) for frame in frames)))
    return found.problem if found else ""


def test_frames_are_judged_by_the_path_of_their_flow():
    assert complaint("nat", *(translated(flow, POOLS[flow % 2], 5000 + flow // 2) for flow in range(8))) == ""
    assert (
        complaint("nat", translated(1, POOLS[0], 5000))
        == f"its source address is {POOLS[0]}, not {POOLS[1]} to {POOLS[1]}"
    )
    assert complaint("nat+filter", translated(0, POOLS[0], 5000), udp_frame(100, flow=1)) == ""


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([translated(0, POOLS[0], 5000), translated(0, POOLS[0], 5001)], "the flow is split"),
        ([translated(0, POOLS[0], 5000), translated(2, POOLS[0], 5000)], "two flows are mixed"),
        ([translated(0, SENDER_IP, 5000)], "its source address is 198.18.0.1"),
        ([translated(0, POOLS[0], 5000)[:-1] + b"x"], "its UDP checksum is wrong"),
        ([translated(0, POOLS[0], 5000)[:-1]], "no flow that was sent"),
        ([translated(0, POOLS[0], 5000, payload=b"x")], "byte 40 is"),
        ([translated(8, POOLS[0], 5000)], "no flow that was sent"),
        ([bytes(100)], "no flow that was sent"),
    ],
)
def test_frame_that_is_wrong_is_described(frames, words):
    assert words in complaint("nat", *frames)


def test_only_loads_are_looked_at_whose_frames_are_changed_or_stopped_and_known_in_advance():
    assert is_sampled(plan("filter+forward"), LOAD)
    assert not is_sampled(plan("forward"), LOAD)
    assert not is_sampled(plan("nat"), replace(LOAD, latency=True))
