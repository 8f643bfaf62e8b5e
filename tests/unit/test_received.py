"""Windows that fall silent and drains that end too early are told; slow and lossy chains are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.received import DEAD_SECONDS, on_the_way, stopped
from middlebench.model.record import Sample
from middlebench.model.topologies import plan_of
from middlebench.model.traffic import Load, Traffic
from plan_counts import Passed, hops_of

LOAD = Load(800, packets_per_second=1000, saturating=False, warm_up_s=0.1, window_s=1.0, sample_interval_s=0.1)


def traffic(received: list[int], sent: list[int] | None = None, step_s: float = 0.1, warm_up: int = 0) -> Traffic:
    """Traffic whose samples count so many frames from the start of the window on, and the warm-up so many before."""
    sent = sent or [100 * index for index in range(len(received))]
    samples = tuple(
        Sample(t_s=index * step_s, sent_packets=left, received_packets=arrived)
        for index, (left, arrived) in enumerate(zip(sent, received, strict=True))
    )
    return Traffic(
        window_s=step_s * (len(received) - 1),
        offered_packets=sent[-1],
        received_packets=received[-1],
        offered_bytes=0,
        received_bytes=0,
        trial_sent_packets=sent[-1],
        trial_received_packets=warm_up + received[-1],
        unexpected_packets=0,
        traffic_s=1.0,
        processors=(),
        machine="",
        usage=None,
        samples=samples,
        raw="",
    )


@pytest.mark.parametrize(
    "received",
    [
        [0, 100, 200, 200, 200, 200, 200],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 5000, 5000, 5000, 5000, 5000, 5000],
    ],
    ids=["stopped", "never began", "flood stopped"],
)
def test_chain_that_falls_silent_while_frames_are_offered_is_told(received):
    assert len(stopped(LOAD, traffic(received))) == 1


def test_chain_that_stops_as_the_window_begins_is_known_by_what_it_passed_on_in_the_warm_up():
    received = [0, 1, 1, 1, 1, 1, 1]
    assert stopped(LOAD, traffic(received)) == []
    assert len(stopped(LOAD, traffic(received, warm_up=98))) == 1


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        ([0, 100, 200, 300, 400, 500, 600], None),
        ([0, 100, 100, 100, 100, 100, 200], None),
        ([0, 100, 200, 300, 400, 400, 400], None),
        ([0, 1, 2, 3, 3, 3, 3], None),
        ([0, 100, 200, 200, 200, 200, 200], [0, 100, 200, 200, 200, 200, 200]),
    ],
    ids=["steady", "goes on", "silent for a moment", "slow", "nothing offered either"],
)
def test_chain_that_goes_on_or_is_slow_is_believed(received, sent):
    assert stopped(LOAD, traffic(received, sent)) == []


def test_load_of_so_many_frames_is_not_judged_by_samples():
    bounded = Load(800, 1000, False, 0, 1.0, 1.0, packets=1000)
    assert stopped(bounded, traffic([0, 0, 0, 0, 0, 0, 0])) == []


@given(st.lists(st.integers(min_value=20, max_value=1000), min_size=2, max_size=30))
def test_steady_stream_never_counts_as_silent(steps):
    received = [sum(steps[:index]) for index in range(len(steps) + 1)]
    assert stopped(LOAD, traffic(received, step_s=DEAD_SECONDS / 2)) == []


def passed(rx: int, tx: int) -> Passed:
    return Passed(rx, rx, tx, tx)


@pytest.mark.parametrize(
    ("sent", "received", "hops", "problems"),
    [
        (2000, 356, [passed(2000, 2000), passed(1990, 1956)], 1),
        (2000, 1956, [passed(2000, 2000), passed(1990, 1956)], 0),
        (2000, 1956, [passed(1800, 1956)], 1),
        (2000, 300, [passed(1800, 1956)], 2),
    ],
    ids=["still on the last link", "all arrived", "still on the first link", "on both"],
)
def test_frames_that_are_still_on_a_link_are_no_loss(sent, received, hops, problems):
    plan = plan_of("chain", len(hops) - 1, ("eth0", "eth1"))
    assert len(on_the_way(sent, received, hops_of(plan, hops))) == problems
