"""The throughput search, against simulated devices whose throughput is known."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from middlebench.model.load import Goal, SearchParameters
from middlebench.model.record import GENERATOR_LIMITED
from middlebench.model.search_result import Search, SearchTrial
from middlebench.system.errors import TrialError
from middlebench.trials.search import NO_LOWER_BOUND, Passed, limiting_trial, minimum_pps, search_throughput, summary
from MLRsearch import Config, MultipleLossRatioSearch, SearchGoal

LINE_RATE = 148_810.0
NDR = Goal(0.0)
PARAMETERS = SearchParameters(warm_up_s=0, duration_sum_s=5)

Device = Callable[[float, float, int], Passed]


def limited(capacity_pps: float, most_pps: float = float("inf")) -> Device:
    """A device that forwards ``capacity_pps`` and drops the rest, behind a generator that offers ``most_pps``."""

    def run(seconds: float, packets_per_second: float, packets: int) -> Passed:
        del packets_per_second
        offered = min(packets, int(most_pps * seconds)) if most_pps != float("inf") else packets
        return Passed(offered, min(offered, int(capacity_pps * seconds)), seconds)

    return run


def noisy(capacity_pps: float, spread: float, seed: int) -> Device:
    """A device whose capacity is another one in each trial."""
    chance = random.Random(seed)

    def run(seconds: float, packets_per_second: float, packets: int) -> Passed:
        del packets_per_second
        capacity = capacity_pps * (1 + chance.uniform(-spread, spread))
        return Passed(packets, min(packets, int(capacity * seconds)), seconds)

    return run


def searched(device: Device, goal: Goal = NDR, parameters: SearchParameters = PARAMETERS) -> Search:
    return search_throughput(goal, parameters, LINE_RATE, device)


def test_defaults_are_those_of_the_library():
    goal, config, ours = SearchGoal(), Config(), SearchParameters()
    assert (ours.relative_width, ours.exceed_ratio) == (goal.relative_width, goal.exceed_ratio)
    assert (ours.initial_trial_s, ours.final_trial_s) == (goal.initial_trial_duration, goal.final_trial_duration)
    assert ours.duration_sum_s == goal.duration_sum
    assert (ours.preceding_targets, ours.expansion_coefficient) == (goal.preceding_targets, goal.expansion_coefficient)
    assert (ours.warm_up_s, ours.timeout_s) == (config.warmup_duration, config.search_duration_max)


@settings(max_examples=30)
@given(
    capacity=st.floats(min_value=1_000, max_value=LINE_RATE * 0.99),
    loss_ratio=st.sampled_from([0.0, 0.001, 0.005, 0.1]),
    width=st.sampled_from([0.005, 0.02]),
)
def test_bounds_enclose_the_throughput_of_the_device_within_the_width(capacity, loss_ratio, width):
    parameters = PARAMETERS.model_copy(update={"relative_width": width})
    found = searched(limited(capacity), Goal(loss_ratio), parameters)
    throughput = capacity / (1 - loss_ratio)
    if found.upper_bound_pps is None:
        assert found.lower_bound_pps == LINE_RATE <= throughput
        return
    # A trial of one second has a whole number of frames.
    assert found.lower_bound_pps - 1 <= throughput <= found.upper_bound_pps + 1
    assert 1 - found.lower_bound_pps / found.upper_bound_pps <= width
    assert found.conditional_throughput_pps <= found.lower_bound_pps
    assert found.conditional_throughput_pps == pytest.approx(capacity, rel=width + 1e-3, abs=2)
    assert not found.flags


@settings(max_examples=15)
@given(capacity=st.floats(min_value=5_000, max_value=100_000), seed=st.integers(min_value=0, max_value=1000))
def test_bounds_of_a_noisy_device_lie_in_its_noise(capacity, seed):
    found = searched(noisy(capacity, 0.05, seed), Goal(0.005))
    assert capacity * 0.94 <= found.lower_bound_pps < found.upper_bound_pps <= capacity * 1.06
    assert 1 - found.lower_bound_pps / found.upper_bound_pps <= PARAMETERS.relative_width


def test_every_trial_is_kept_with_its_counts():
    asked = []
    device = limited(50_000)

    def run(seconds: float, packets_per_second: float, packets: int) -> Passed:
        asked.append((seconds, packets_per_second, packets))
        return device(seconds, packets_per_second, packets)

    found = searched(run, parameters=SearchParameters(duration_sum_s=3))
    assert [(each.duration_s, each.intended_pps, each.intended_packets) for each in found.trials] == asked
    assert [each.warm_up for each in found.trials] == [True, *[False] * (len(asked) - 1)]
    for each in found.trials:
        assert each.intended_packets == round(each.intended_pps * each.duration_s)
        assert each.lost_packets == each.offered_packets - each.forwarded_packets >= 0
        assert found.minimum_pps <= each.intended_pps <= found.maximum_pps == LINE_RATE


def test_bounds_are_loads_that_were_tried():
    found = searched(limited(50_000))
    tried = {each.intended_pps for each in found.trials}
    assert {found.lower_bound_pps, found.upper_bound_pps} <= tried


def test_device_that_passes_everything_has_no_upper_bound():
    found = searched(limited(LINE_RATE * 2))
    assert (found.lower_bound_pps, found.upper_bound_pps, found.flags) == (LINE_RATE, None, ())
    assert "the line rate of 148810 packets/s meets it" in summary(found)


def test_device_that_loses_at_any_load_has_no_lower_bound_and_a_throughput_of_0():
    def run(seconds: float, packets_per_second: float, packets: int) -> Passed:
        del packets_per_second
        return Passed(packets, packets - 1, seconds)

    found = searched(run)
    assert (found.lower_bound_pps, found.conditional_throughput_pps) == (None, 0)
    assert found.upper_bound_pps == found.minimum_pps == minimum_pps(PARAMETERS, LINE_RATE)
    assert found.flags == (NO_LOWER_BOUND,)
    assert f"even {found.minimum_pps:.0f} packets/s miss it" in summary(found)


def test_load_that_the_generator_cannot_offer_is_an_upper_bound_and_flagged():
    found = searched(limited(LINE_RATE, most_pps=30_000))
    assert found.lower_bound_pps <= 30_001 <= found.upper_bound_pps + 1
    assert found.flags == (GENERATOR_LIMITED,)
    assert all(each.lost_packets == 0 for each in found.trials)


def test_void_trial_ends_the_search():
    trials = []

    def run(seconds: float, packets_per_second: float, packets: int) -> Passed:
        trials.append(packets)
        if len(trials) == 4:
            raise TrialError("measuring", "the trial is void")
        return limited(50_000)(seconds, packets_per_second, packets)

    with pytest.raises(TrialError, match="void"):
        searched(run)
    assert len(trials) == 4


def test_search_that_takes_too_long_says_what_to_change():
    with pytest.raises(TrialError, match="has not ended") as caught:
        searched(limited(50_000), parameters=PARAMETERS.model_copy(update={"timeout_s": 1e-6}))
    assert "search.timeout_s" in str(caught.value)


def test_search_that_the_library_gives_up_is_an_error_that_says_what_to_do(monkeypatch):
    def give_up(*_: object) -> None:
        raise RuntimeError("Internal error: no clo nor chi.")

    monkeypatch.setattr(MultipleLossRatioSearch, "main_loop", give_up)
    with pytest.raises(TrialError, match=r"searching for the NDR: the library MLRsearch .* no clo nor chi") as caught:
        searched(limited(50_000))
    assert "what to try: " in str(caught.value)


@pytest.mark.parametrize("line_rate", [500, 8_202, 9_001])
def test_line_rate_may_be_below_the_smallest_load_of_the_library(line_rate):
    found = search_throughput(NDR, PARAMETERS, line_rate, limited(line_rate / 2))
    assert found.lower_bound_pps <= line_rate / 2 + 1 <= found.upper_bound_pps + 2
    assert found.maximum_pps == line_rate


def tried(load_pps: float, lost: int, *, unsent: int = 0, warm_up: bool = False) -> SearchTrial:
    """A trial of a second that lost so many of its frames."""
    packets = round(load_pps)
    return SearchTrial(
        intended_pps=load_pps,
        duration_s=1,
        sending_s=1,
        intended_packets=packets,
        offered_packets=packets - unsent,
        forwarded_packets=packets - unsent - lost,
        lost_packets=lost,
        warm_up=warm_up,
    )


@pytest.mark.parametrize(
    ("trials", "loss_ratio", "number"),
    [
        ([tried(1000, 900), tried(100, 0), tried(200, 1)], 0, 3),
        ([tried(200, 9, warm_up=True), tried(200, 0), tried(200, 5), tried(200, 2), tried(200, 3)], 0, 5),
        ([tried(200, 5), tried(200, 1)], 0, 1),
        ([tried(200, 1), tried(200, 3), tried(100, 90)], 0.01, 2),
        ([tried(200, 0, unsent=4)], 0.01, 1),
    ],
    ids=["the bound and no other load", "the median of those that miss the goal", "of two the larger", "PDR", "unsent"],
)
def test_what_limits_is_judged_by_a_trial_that_misses_the_goal_at_the_upper_bound(trials, loss_ratio, number):
    assert limiting_trial(200, trials, loss_ratio) == number


def test_nothing_limits_above_a_line_rate_that_meets_the_goal():
    assert searched(limited(LINE_RATE * 2)).limiting_trial is None


@given(capacity=st.floats(min_value=1_000, max_value=LINE_RATE * 0.99), loss_ratio=st.sampled_from([0.0, 0.005]))
def test_trial_that_shows_the_limit_is_at_the_upper_bound_and_misses_the_goal(capacity, loss_ratio):
    found = searched(limited(capacity), Goal(loss_ratio), PARAMETERS.model_copy(update={"relative_width": 0.02}))
    if found.upper_bound_pps is None:
        return
    trial = found.trials[found.limiting_trial - 1]
    assert trial.intended_pps == found.upper_bound_pps
    assert trial.lost_packets > loss_ratio * trial.intended_packets


@given(
    line_rate=st.floats(min_value=2.5, max_value=1e8),
    share=st.floats(min_value=1e-6, max_value=0.99),
    seconds=st.floats(min_value=0.1, max_value=60),
)
def test_smallest_load_is_below_the_line_rate(line_rate, share, seconds):
    parameters = SearchParameters(
        minimum_load=share, initial_trial_s=seconds, final_trial_s=seconds, duration_sum_s=seconds
    )
    assert 0 < minimum_pps(parameters, line_rate) < line_rate


def test_what_the_search_does_is_told_trial_by_trial():
    told: list[str] = []
    found = search_throughput(NDR, PARAMETERS, LINE_RATE, limited(50_000), told.append)
    assert len(told) == len(found.trials) + 1
    assert told[0].startswith("trial 1: 148810 packets/s for 1 s: 148810 of 148810 sent, 98810 lost")
    assert told[-1] == summary(found)
