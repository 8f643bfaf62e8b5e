from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.chain import plan_chain
from middlebench.convergence import LiveChain
from middlebench.errors import TrialError
from middlebench.frames import line_rate_pps
from middlebench.generators.base import Load, Traffic
from middlebench.record import Settings
from middlebench.switches.base import LiveSwitch, PortCounters
from middlebench.trial import GENERATOR_LIMITED, check, counts_of, flags_of, hops_between, load_of

LINK_BPS = 1e9
DOING = "measuring n=1, 800 B on local"
LIVE = LiveChain(LiveSwitch(bridges={}, identity="daemon 1"), middleboxes={"mbench-1": "process 1"})
LOAD = Load(800, packets_per_second=1000, saturating=False, warm_up_s=0.5, window_s=2, sample_s=1)
TRAFFIC = Traffic(
    window_s=2.0,
    offered_packets=2000,
    received_packets=1990,
    offered_bytes=1_600_000,
    received_bytes=1_592_000,
    trial_sent_packets=2600,
    trial_received_packets=2590,
    stray_packets=0,
    samples=(),
    raw="",
)


def study_settings(offered_load) -> Settings:
    return Settings(window_s=2, warm_up_s=0.5, sample_s=1, offered_load=offered_load)


@given(frame_bytes=st.integers(min_value=60, max_value=9014), kpps=st.floats(min_value=0.001, max_value=1e7))
def test_load_is_what_was_asked_for_but_never_above_line_rate(frame_bytes, kpps):
    load = load_of(frame_bytes, study_settings(kpps), LINK_BPS)
    line_rate = line_rate_pps(LINK_BPS, frame_bytes)
    assert load.packets_per_second == min(kpps * 1000, line_rate)
    assert load.saturating == (kpps * 1000 >= line_rate)


def test_maximum_load_is_the_line_rate():
    load = load_of(1500, study_settings("maximum"), LINK_BPS)
    assert (load.packets_per_second, load.saturating) == (line_rate_pps(LINK_BPS, 1500), True)
    assert (load.frame_bytes, load.warm_up_s, load.window_s, load.sample_s) == (1500, 0.5, 2, 1)


@given(rate=st.floats(min_value=1, max_value=2e6), window_s=st.floats(min_value=0.01, max_value=3600))
def test_intended_packets_are_those_of_the_time_that_really_passed(rate, window_s):
    counts = counts_of(replace(LOAD, packets_per_second=rate), replace(TRAFFIC, window_s=window_s))
    assert counts.intended_packets == round(rate * window_s)
    assert (counts.offered_packets, counts.received_packets) == (2000, 1990)


@pytest.mark.parametrize(
    ("offered", "flags"), [(1979, (GENERATOR_LIMITED,)), (1980, ()), (2000, ()), (0, (GENERATOR_LIMITED,))]
)
def test_offer_below_what_was_intended_is_the_limit_of_the_generator(offered, flags):
    assert flags_of(counts_of(LOAD, replace(TRAFFIC, offered_packets=offered))) == flags


def test_good_trial_is_believed():
    check(DOING, LOAD, LINK_BPS, TRAFFIC, LIVE, LIVE)


LINE_RATE = line_rate_pps(LINK_BPS, 800) * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stray_packets": 1}, "not ours"),
        ({"trial_received_packets": 2601}, "2601 frames arrived of 2600 sent"),
        ({"offered_packets": round(LINE_RATE * 1.02)}, "offered in 2.000 s is above line rate"),
        ({"received_packets": round(LINE_RATE * 1.02)}, "received in 2.000 s is above line rate"),
    ],
)
def test_trial_that_cannot_be_is_void(changes, words):
    with pytest.raises(TrialError) as caught:
        check(DOING, LOAD, LINK_BPS, replace(TRAFFIC, **changes), LIVE, LIVE)
    for word in ("n=1, 800 B on local", "void", words, "nothing was recorded"):
        assert word in str(caught.value)


def test_trial_at_line_rate_is_believed():
    check(DOING, LOAD, LINK_BPS, replace(TRAFFIC, offered_packets=round(LINE_RATE)), LIVE, LIVE)


def test_trial_is_void_when_the_chain_changed():
    after = replace(LIVE, middleboxes={})
    with pytest.raises(TrialError, match=r"void: middlebox mbench-1 ended"):
        check(DOING, LOAD, LINK_BPS, TRAFFIC, LIVE, after)


@given(st.data())
def test_hops_are_what_each_bridge_counted_in_between(data):
    plan = plan_chain(data.draw(st.integers(min_value=0, max_value=5)), ("eth0", "eth1"))
    numbers = st.integers(min_value=0, max_value=10**9)
    counters = st.builds(PortCounters, *[numbers] * 4)
    ports = [port for bridge in plan.bridges for port in bridge.ports]
    before = {port: data.draw(counters) for port in ports}
    gained = {port: data.draw(counters) for port in ports}
    after = {
        port: PortCounters(*(getattr(before[port], key) + getattr(gained[port], key) for key in vars(before[port])))
        for port in ports
    }
    for bridge, hop in zip(plan.bridges, hops_between(plan, before, after), strict=True):
        entrance, exit_ = gained[bridge.ingress_port], gained[bridge.egress_port]
        assert (hop.bridge, hop.ingress_port, hop.egress_port) == (bridge.name, *bridge.ports)
        assert (hop.entered_packets, hop.left_packets) == (entrance.rx_packets, exit_.tx_packets)
        assert hop.dropped_packets == sum(side.rx_dropped + side.tx_dropped for side in (entrance, exit_))
