"""Losses by place add up to the loss of the trial, whatever the counters say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.accounting import account
from middlebench.model.record import Hop, MiddleboxCounts

COUNTS = st.integers(min_value=0, max_value=10**9)
MAYBE = st.none() | COUNTS


def hop(entered=100, taken=100, forwarded=100, left=100, refused=0) -> Hop:
    return Hop(
        bridge="mbench-br0",
        ingress_port="a",
        egress_port="b",
        entered_packets=entered,
        taken_packets=taken,
        forwarded_packets=forwarded,
        left_packets=left,
        refused_packets=refused,
    )


def own(taken=100, given_=100) -> MiddleboxCounts:
    return MiddleboxCounts(name="mbench-1", taken_packets=taken, given_packets=given_)


HOPS = st.lists(st.builds(hop, COUNTS, MAYBE, MAYBE, COUNTS), min_size=1, max_size=5)


@given(st.data())
def test_losses_add_up_to_what_was_sent_and_not_received_for_any_counters(data):
    hops = data.draw(HOPS)
    middleboxes = [data.draw(st.builds(own, MAYBE, MAYBE)) for _ in hops[1:]]
    sent, received = data.draw(COUNTS), data.draw(COUNTS)
    found = account(sent, received, hops, middleboxes)
    assert sum(loss.packets for loss in found.losses) == sent - received == found.lost
    gains = -sum(loss.packets for loss in found.contradictions)
    assert sum(max(loss.packets, 0) for loss in found.losses) == found.lost + gains
    assert found.unaccounted == gains >= 0


@given(st.data())
def test_every_place_of_the_chain_is_in_exactly_one_loss(data):
    hops = data.draw(HOPS)
    middleboxes = [data.draw(st.builds(own, MAYBE, MAYBE)) for _ in hops[1:]]
    found = account(10, 5, hops, middleboxes)
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
        (107, [hop()], [], 100, "link 0"),
        (100, [hop(taken=93, forwarded=93, left=93)], [], 93, "bridge 0 (in)"),
        (100, [hop(forwarded=93, left=93)], [], 93, "bridge 0 (flow table)"),
        (100, [hop(left=93)], [], 93, "bridge 0 (out)"),
        (100, [hop()], [], 93, "link 1"),
        (100, [hop(), hop(93, 93, 93, 93)], [own(93, 93)], 93, "middlebox 1 (in)"),
        (100, [hop(), hop(93, 93, 93, 93)], [own(100, 93)], 93, "middlebox 1 (inside)"),
        (100, [hop(), hop(93, 93, 93, 93)], [own(100, 100)], 93, "middlebox 1 (out)"),
        (100, [hop(), hop(93, 93, 93, 93)], [own(None, None)], 93, "middlebox 1"),
        (100, [hop(), hop(93, 93, 93, 93)], [own(100, None)], 93, "middlebox 1 (inside or out)"),
        (100, [hop(taken=None, forwarded=None, left=93)], [], 93, "bridge 0"),
        (100, [hop(taken=None, forwarded=93, left=93)], [], 93, "bridge 0 (in or flow table)"),
    ],
)
def test_place_of_a_loss_is_named_as_narrowly_as_the_counters_allow(sent, hops, middleboxes, received, place):
    found = account(sent, received, hops, middleboxes)
    assert str(found.deadliest.place) == place
    assert found.deadliest.packets == 7
    assert found.unaccounted == 0
    assert f"{received:,} arrived; lost at {place}: 7" in str(found)


def test_nothing_lost_is_said_in_one_sentence():
    found = account(100, 100, [hop(), hop()], [own()])
    assert found.deadliest is None
    assert str(found) == "all 100 packets arrived"


def test_deadliest_place_comes_first_in_words():
    found = account(200_100, 95, [hop(entered=200_000, taken=150_000, forwarded=150_000, left=100), hop()], [own()])
    assert str(found) == (
        "of 200,100 packets 95 arrived; lost at bridge 0 (out): 149,900, lost at bridge 0 (in): 50,000, "
        "lost at link 0: 100, lost at link 1: 5"
    )


def test_frames_that_left_before_the_flow_came_that_is_credited_with_them_are_not_its_loss():
    found = account(1027, 44, [hop(entered=1027, taken=1027, forwarded=0, left=44)], [])
    assert [loss.packets for loss in found.losses] == [0, 0, 983, 0, 0]
    assert found.unaccounted == 0
    assert str(found) == (
        "of 1,027 packets 44 arrived; lost at bridge 0 (flow table): 983, "
        "44 more counted as dropped by the flow table of bridge 0, which had left it before"
    )


def test_counters_that_contradict_each_other_are_said_and_never_clamped():
    found = account(100, 100, [hop(entered=100, taken=90, forwarded=104, left=100)], [])
    assert [loss.packets for loss in found.losses] == [0, 10, -14, 4, 0]
    assert not found.credited
    assert found.unaccounted == 14
    assert "14 more behind bridge 0 (flow table) than before it" in str(found)
