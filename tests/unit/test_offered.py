"""What a generator cannot have offered, by its samples and by the first bridge's counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.offered import is_confirmed, stalls, unexpected_frames
from middlebench.model.record import Sample
from middlebench.model.traffic import Load
from test_trial import LOAD, TRAFFIC


def sampled(*sent: int) -> tuple[Sample, ...]:
    """Samples a second apart, by what was sent until each."""
    return tuple(Sample(t_s=second, sent_packets=packets, received_packets=0) for second, packets in enumerate(sent))


def test_window_without_a_frame_is_a_stall_and_no_throughput_of_zero():
    (problem,) = stalls(LOAD, replace(TRAFFIC, offered_packets=0))
    assert "sent nothing" in problem


@pytest.mark.parametrize("sent", [(0, 0, 2000), (0, 1000, 1000), (0, 1500, 1500, 3000)])
def test_generator_that_stops_for_a_sample_has_stalled(sent):
    (problem,) = stalls(LOAD, replace(TRAFFIC, samples=sampled(*sent)))
    assert "sent nothing for 1.000 s" in problem


def test_steady_generator_has_not_stalled():
    assert stalls(LOAD, replace(TRAFFIC, samples=sampled(0, 1000, 2000))) == []


@given(st.floats(min_value=0.1, max_value=19))
def test_sample_in_which_hardly_a_frame_was_intended_may_be_empty(packets_per_second: float):
    load = Load(800, packets_per_second, saturating=False, warm_up_s=0, window_s=2, sample_interval_s=1)
    assert stalls(load, replace(TRAFFIC, offered_packets=1, samples=sampled(0, 0, 1))) == []


def test_bounded_load_without_a_frame_is_a_stall():
    bounded = replace(LOAD, packets=100)
    assert stalls(bounded, replace(TRAFFIC, trial_sent_packets=0))
    assert stalls(bounded, replace(TRAFFIC, offered_packets=0)) == []


def test_second_generator_on_the_port_shows_at_the_first_bridge():
    (problem,) = unexpected_frames(36_451, 36_451 + 31_267)
    assert "67718 frames reached the first bridge of 36451 sent" in problem


@given(sent=st.integers(0, 10**9), lost=st.floats(0, 1))
def test_frames_that_are_lost_on_the_first_link_are_no_unexpected_frames(sent: int, lost: float):
    assert unexpected_frames(sent, round(sent * (1 - lost))) == []


@pytest.mark.parametrize(("entered", "confirmed"), [(1000, True), (990, True), (989, False), (0, False)])
def test_claim_is_confirmed_by_what_reached_the_server(entered, confirmed):
    assert is_confirmed(1000, entered) == confirmed
