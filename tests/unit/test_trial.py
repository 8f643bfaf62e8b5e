from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.frames import line_rate_pps, wire_bits
from middlebench.model.record import GENERATOR_LIMITED, UNCONFIRMED, WINDOW_TOO_SHORT, Components, Settings
from middlebench.model.traffic import Load, Traffic
from middlebench.model.usage import Usage
from middlebench.sites.base import LinkOptions
from middlebench.system.errors import TrialError
from middlebench.trials.cell import components_of, flags_of
from middlebench.trials.trial import counts_of, load_of, problems_of

LINK_BPS = 1e9
LINK = LinkOptions(rate_mbps=1000)
LOAD = Load(800, packets_per_second=1000, saturating=False, warm_up_s=0.5, window_s=2, sample_interval_s=1)
TRAFFIC = Traffic(
    window_s=2.0,
    offered_packets=2000,
    received_packets=1990,
    offered_bytes=1_600_000,
    received_bytes=1_592_000,
    trial_sent_packets=2600,
    trial_received_packets=2590,
    unexpected_packets=0,
    traffic_s=2.6,
    processors=(),
    machine="this one",
    usage=None,
    samples=(),
    raw="",
)


def study_settings(offered_load) -> Settings:
    return Settings(window_s=2, warm_up_s=0.5, sample_interval_s=1, offered_load=offered_load)


@given(frame_bytes=st.integers(min_value=60, max_value=9014), kpps=st.floats(min_value=0.005, max_value=1e7))
def test_load_is_what_was_asked_for_but_never_above_line_rate(frame_bytes, kpps):
    load = load_of(frame_bytes, study_settings(kpps), LINK_BPS)
    line_rate = line_rate_pps(LINK_BPS, frame_bytes)
    assert load.packets_per_second == min(kpps * 1000, line_rate)
    assert load.saturating == (kpps * 1000 >= line_rate)


def test_load_that_would_leave_a_window_empty_is_refused():
    with pytest.raises(TrialError, match=r"0\.1 packets/s make 0\.2 frames"):
        load_of(60, study_settings(0.0001), LINK_BPS)


def test_claim_that_nobody_confirms_is_flagged():
    assert flags_of(counts_of(LOAD, TRAFFIC), unconfirmed=True) == (UNCONFIRMED,)


def test_maximum_load_is_the_line_rate():
    load = load_of(1500, study_settings("maximum"), LINK_BPS)
    assert (load.packets_per_second, load.saturating) == (line_rate_pps(LINK_BPS, 1500), True)
    assert (load.frame_bytes, load.warm_up_s, load.window_s, load.sample_interval_s) == (1500, 0.5, 2, 1)


@given(rate=st.floats(min_value=1, max_value=2e6), window_s=st.floats(min_value=0.01, max_value=3600))
def test_intended_packets_are_those_of_the_time_that_really_passed(rate, window_s):
    counts = counts_of(replace(LOAD, packets_per_second=rate), replace(TRAFFIC, window_s=window_s))
    assert counts.intended_packets == round(rate * window_s)
    assert (counts.offered_packets, counts.received_packets) == (2000, 1990)


def test_every_frame_of_a_bounded_load_counts():
    load = replace(LOAD, packets=3000, warm_up_s=0)
    counts = counts_of(load, TRAFFIC)
    assert (counts.intended_packets, counts.offered_packets, counts.received_packets) == (3000, 2600, 2590)
    assert (counts.offered_bytes, counts.received_bytes) == (2600 * 800, 2590 * 800)


def test_record_names_what_sent_the_frames():
    testbed = Components(switch="a switch", middlebox="a middlebox", generator="trafgen 1")
    assert components_of(testbed, TRAFFIC) == testbed
    paced = components_of(testbed, replace(TRAFFIC, sender="another sender"))
    assert paced == Components(switch="a switch", middlebox="a middlebox", generator="another sender")


@pytest.mark.parametrize(("offered", "flags"), [(1979, (GENERATOR_LIMITED,)), (1980, ()), (2000, ())])
def test_offer_below_what_was_intended_is_the_limit_of_the_generator(offered, flags):
    assert flags_of(counts_of(LOAD, replace(TRAFFIC, offered_packets=offered))) == flags


@pytest.mark.parametrize(("received", "flags"), [(498, (WINDOW_TOO_SHORT,)), (499, ()), (1990, ())])
def test_window_that_half_of_the_frames_missed_was_too_short(received, flags):
    used = Usage(traffic_s=2.6, test_computer=(), middlebox_server=(), generator=(), switch=(), middleboxes=())
    counts = counts_of(LOAD, replace(TRAFFIC, received_packets=received, trial_received_packets=1296))
    assert flags_of(counts, usage=used) == flags


def test_good_trial_is_believed():
    assert problems_of(LOAD, LINK, TRAFFIC) == []


LINE_RATE = line_rate_pps(LINK_BPS, 800) * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"offered_packets": 0}, "sent nothing"),
        ({"unexpected_packets": 1}, "not ours"),
        ({"trial_received_packets": 2601}, "2601 frames arrived of 2600 sent"),
        ({"offered_packets": round(LINE_RATE * 1.02)}, "offered in 2 s are above line rate"),
        ({"received_packets": round(LINE_RATE * 1.02)}, "received in 2 s are above line rate"),
    ],
)
def test_trial_that_cannot_be_is_void(changes, words):
    (problem,) = problems_of(LOAD, LINK, replace(TRAFFIC, **changes))
    assert words in problem


def test_trial_at_line_rate_is_believed():
    assert problems_of(LOAD, LINK, replace(TRAFFIC, offered_packets=round(LINE_RATE))) == []


@given(
    rate_mbps=st.floats(min_value=1, max_value=1e4),
    frame_bytes=st.integers(min_value=60, max_value=1514),
    window_s=st.floats(min_value=0.1, max_value=60),
)
def test_trial_above_line_rate_by_more_than_a_burst_is_void(rate_mbps, frame_bytes, window_s):
    link = LinkOptions(rate_mbps=rate_mbps)
    load = replace(LOAD, frame_bytes=frame_bytes)
    at_line_rate = line_rate_pps(link.rate_bps, frame_bytes) * (window_s * 1.01 + 0.002)
    burst = link.burst_bytes * 8 / wire_bits(frame_bytes)
    for packets, void in ((at_line_rate + burst - 1, False), (at_line_rate + burst + 1, True)):
        traffic = replace(TRAFFIC, window_s=window_s, offered_packets=int(packets), received_packets=0)
        assert bool(problems_of(load, link, traffic)) == void


def test_burst_at_a_gigabit_is_the_smallest_that_keeps_a_token_bucket_exact_and_two_frames_where_links_are_slow():
    assert LinkOptions(rate_mbps=1000).burst_bytes == 32 * 1024
    assert LinkOptions(rate_mbps=2).burst_bytes == 2 * 1538
