"""Losses by place add up to the loss of the trial, whatever the counters say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.accounting import account
from middlebench.model.plan import Plan
from middlebench.model.record import WireCounts
from middlebench.model.topologies import plan_of
from plan_counts import Passed, hops_of, middleboxes_of

COUNTS = st.integers(min_value=0, max_value=10**9)
MAYBE = st.none() | COUNTS
Own = tuple[int | None, int | None]
"""What a middlebox counts itself: frames received, and sent."""


def account_of(plan: Plan, sent: int, hops: list[Passed], middleboxes: list[Own], received: int, wires=()):
    """Account for what the parts of a plan counted."""
    return account(sent, received, hops_of(plan, hops), middleboxes_of(plan, middleboxes), wires)


def chain(sent: int, hops: list[Passed], middleboxes: list[Own], received: int):
    return account_of(plan_of("chain", len(middleboxes), UPLINKS), sent, hops, middleboxes, received)


UPLINKS = ("eth0", "eth1")
HOPS = st.lists(st.builds(Passed, COUNTS, MAYBE, MAYBE, COUNTS), min_size=1, max_size=5)


@given(st.data())
def test_losses_add_up_to_what_was_sent_and_not_received_for_any_counters(data):
    hops = data.draw(HOPS)
    middleboxes = [data.draw(st.tuples(MAYBE, MAYBE)) for _ in hops[1:]]
    sent, received = data.draw(COUNTS), data.draw(COUNTS)
    found = chain(sent, hops, middleboxes, received)
    assert sum(loss.packets for loss in found.losses) == sent - received == found.lost
    gains = -sum(loss.packets for loss in found.contradictions)
    assert sum(max(loss.packets, 0) for loss in found.losses) == found.lost + gains
    assert found.unaccounted == gains >= 0


@given(st.data())
def test_every_place_of_the_chain_is_in_exactly_one_loss(data):
    hops = data.draw(HOPS)
    middleboxes = [data.draw(st.tuples(MAYBE, MAYBE)) for _ in hops[1:]]
    found = chain(10, hops, middleboxes, 5)
    sides = [
        (place.kind, place.index, side)
        for place in (loss.place for loss in found.losses)
        for side in place.sides or ("whole",)
    ]
    expected = [("link", 0, "whole")]
    for index in range(len(hops)):
        if index:
            expected += [("middlebox", index, side) for side in ("in", "inside", "out")]
        expected += [("bridge", index, side) for side in ("in", "flow table", "out")]
    assert sides == [*expected, ("link", 1, "whole")]


@pytest.mark.parametrize(
    ("sent", "hops", "middleboxes", "received", "place"),
    [
        (107, [Passed()], [], 100, "link 0"),
        (100, [Passed(matched=93, forwarded=93, tx=93)], [], 93, "bridge 0 (in)"),
        (100, [Passed(forwarded=93, tx=93)], [], 93, "bridge 0 (flow table)"),
        (100, [Passed(tx=93)], [], 93, "bridge 0 (out)"),
        (100, [Passed()], [], 93, "link 1"),
        (100, [Passed(), Passed(93, 93, 93, 93)], [(93, 93)], 93, "middlebox 1 (in)"),
        (100, [Passed(), Passed(93, 93, 93, 93)], [(100, 93)], 93, "middlebox 1 (inside)"),
        (100, [Passed(), Passed(93, 93, 93, 93)], [(100, 100)], 93, "middlebox 1 (out)"),
        (100, [Passed(), Passed(93, 93, 93, 93)], [(None, None)], 93, "middlebox 1"),
        (100, [Passed(), Passed(93, 93, 93, 93)], [(100, None)], 93, "middlebox 1 (inside or out)"),
        (100, [Passed(matched=None, forwarded=None, tx=93)], [], 93, "bridge 0"),
        (100, [Passed(matched=None, forwarded=93, tx=93)], [], 93, "bridge 0 (in or flow table)"),
    ],
)
def test_place_of_a_loss_is_named_as_narrowly_as_the_counters_allow(sent, hops, middleboxes, received, place):
    found = chain(sent, hops, middleboxes, received)
    assert str(found.worst.place) == place
    assert found.worst.packets == 7
    assert found.unaccounted == 0
    assert f"{received:,} arrived; lost at {place}: 7" in str(found)


def test_nothing_lost_is_said_in_one_sentence():
    found = chain(100, [Passed(), Passed()], [(100, 100)], 100)
    assert found.worst is None
    assert str(found) == "all 100 packets arrived"


def test_worst_place_comes_first_in_words():
    found = chain(200_100, [Passed(rx=200_000, matched=150_000, forwarded=150_000, tx=100), Passed()], [(100, 100)], 95)
    assert str(found) == (
        "of 200,100 packets 95 arrived; lost at bridge 0 (out): 149,900, lost at bridge 0 (in): 50,000, "
        "lost at link 0: 100, lost at link 1: 5"
    )


def test_frames_that_left_before_the_flow_came_that_is_credited_with_them_are_not_its_loss():
    found = chain(1027, [Passed(rx=1027, matched=1027, forwarded=0, tx=44)], [], 44)
    assert [loss.packets for loss in found.losses] == [0, 0, 983, 0, 0]
    assert found.unaccounted == 0
    assert str(found) == (
        "of 1,027 packets 44 arrived; lost at bridge 0 (flow table): 983, "
        "44 more counted as dropped by the flow table of bridge 0, which had left it before"
    )


def test_counters_that_contradict_each_other_are_said_and_never_clamped():
    found = chain(100, [Passed(rx=100, matched=90, forwarded=104, tx=100)], [], 100)
    assert [loss.packets for loss in found.losses] == [0, 10, -14, 4, 0]
    assert not found.credited
    assert found.unaccounted == 14
    assert "14 more behind bridge 0 (flow table) than before it" in str(found)


def test_losses_of_paths_side_by_side_are_told_apart():
    plan = plan_of("parallel", 2, UPLINKS)
    hops = [Passed(tx=(50, 50)), Passed((50, 20), 70, 70, 69, dropped=1)]
    found = account_of(plan, 103, hops, [], 67)
    lost = {str(loss.place): loss.packets for loss in found.losses if loss.packets}
    assert lost == {"link 0": 3, "middlebox 2": 30, "bridge 1 (out)": 1, "link 1": 2}
    assert [loss.place.kind for loss in found.losses if loss.place.kind != "bridge"] == [
        *("link", "middlebox", "middlebox", "link")
    ]


def test_wire_between_two_middleboxes_is_a_place():
    plan = plan_of("pipeline", 2, UPLINKS)
    (wire,) = plan.wires
    counts = WireCounts(
        source_port=wire.source_port, destination_port=wire.destination_port, rx_packets=100, tx_packets=90
    )
    found = account_of(plan, 100, [Passed(), Passed(80, 80, 80, 80)], [(100, 100), (90, 90)], 80, [counts])
    lost = {str(loss.place): loss.packets for loss in found.losses if loss.packets}
    assert lost == {"wire 2": 10, "middlebox 2 (out)": 10}
