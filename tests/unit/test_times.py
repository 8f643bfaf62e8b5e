"""Times of frames, summed up: percentiles to three digits, nothing lost in them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from middlebench.diagnosis.latency import latency_trial, times_of
from middlebench.model.search_result import Search
from middlebench.model.traffic import Timing
from middlebench.trials.latency import IDLE_PACKETS_PER_SECOND, carried, timed_load
from middlebench.trials.trial import counts_of
from test_trial import LOAD, TRAFFIC

FEW = examples(max_examples=25)
TIMES = st.lists(st.integers(1, 10**10), min_size=1, max_size=60)


@given(TIMES)
@FEW
def test_percentiles_are_those_of_the_sorted_times_to_three_digits(nanoseconds: list[int]):
    times = times_of(nanoseconds)
    ordered = sorted(nanoseconds)
    for percentile, found in ((50, times.p50_us), (90, times.p90_us), (99, times.p99_us), (99.9, times.p999_us)):
        exact = ordered[max(1, math.floor(percentile / 100 * len(ordered) + 0.5)) - 1] / 1e3  # the nearest rank
        assert found == pytest.approx(exact, rel=2e-3, abs=2e-3)
    assert times.max_us == ordered[-1] / 1e3


@given(TIMES)
@FEW
def test_histogram_that_is_kept_holds_every_frame(nanoseconds: list[int]):
    histogram = HdrHistogram.decode(times_of(nanoseconds).histogram.encode())
    assert histogram.get_total_count() == len(nanoseconds)
    assert histogram.get_value_at_percentile(50) / 1e3 == pytest.approx(times_of(nanoseconds).p50_us, rel=1e-3)


def test_lost_frames_are_counted_beside_the_times_and_are_in_none():
    trial = latency_trial("chain", 0.9, LOAD, counts_of(LOAD, TRAFFIC), Timing(100, 97, (5000,) * 90))
    assert (trial.timed_packets, trial.timed_lost_packets) == (100, 3)
    assert (trial.sent_packets, trial.lost_packets) == (2600, 10)
    assert (trial.times.p50_us, trial.times.max_us) == (5.0, 5.0)


def test_where_no_frame_arrived_there_is_no_time():
    trial = latency_trial("chain", 0.9, LOAD, counts_of(LOAD, TRAFFIC), Timing(100, 0, ()))
    assert trial.times is None
    assert trial.timed_lost_packets == 100


@pytest.mark.parametrize(("asked", "rate"), [(0, IDLE_PACKETS_PER_SECOND), (500, 500), (10**7, 1000)])
def test_timed_load_is_paced_between_idle_and_the_cells_own(asked, rate):
    load = timed_load(replace(LOAD, saturating=True, flows=7), asked)
    assert (load.packets_per_second, load.saturating, load.latency, load.flows) == (rate, False, True, 7)


def test_chain_carries_what_its_trial_received_or_what_a_search_found():
    counts = counts_of(LOAD, TRAFFIC)
    assert carried(counts, None) == 1990 / 2.0
    found = Search(
        goal="NDR", loss_ratio=0, library="", minimum_pps=1, maximum_pps=100, lower_bound_pps=40, upper_bound_pps=41,
        conditional_throughput_pps=40, flags=(), seconds=1, trials=(),
    )  # fmt: skip
    assert carried(counts, found) == 40
    assert carried(counts, found.model_copy(update={"lower_bound_pps": None})) == 0
