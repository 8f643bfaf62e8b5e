"""Intervals are Student's, and nothing is said of a single value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.data.intervals import STABLE, UNKNOWN, UNSTABLE, half_width, interval_of, stability
from scipy import stats

SAMPLES = st.lists(st.floats(1, 1e6), min_size=2, max_size=12)


def verdict(*values):
    """Return what is said of a cell with these values."""
    mean, deviation = np.mean(values), np.std(values, ddof=1) if len(values) > 1 else np.nan
    return str(stability(mean, deviation, min(values), max(values)))


@given(SAMPLES)
def test_interval_is_the_one_that_scipy_gives(values):
    interval = interval_of(values)
    scale = stats.sem(values)
    if scale > 0:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), scale)
        assert (interval.low, interval.high) == pytest.approx((low, high))
    assert interval.low <= np.mean(values) * (1 + 1e-12)
    assert interval.high >= np.mean(values) * (1 - 1e-12)


def test_interval_of_three_values_by_hand():
    interval = interval_of([9.0, 10.0, 11.0])
    assert (interval.low, interval.high) == pytest.approx((10 - 4.302653 / 3**0.5, 10 + 4.302653 / 3**0.5))


@pytest.mark.parametrize("values", [[], [3.0], [3.0, float("nan")]])
def test_fewer_than_two_values_have_no_interval(values):
    assert interval_of(values) is None


@pytest.mark.filterwarnings("error")
def test_half_width_of_single_values_is_missing():
    assert np.isnan(half_width([1.0, np.nan, 0.0], [1, 0, 1])).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((100, 101, 99), STABLE),
        ((90, 100, 110), UNSTABLE),  # 10 % exactly
        ((91, 100, 109), STABLE),
        ((100,) * 40 + (160,), UNSTABLE),  # 9 %, but one value half as much again
        ((0, 0, 0), STABLE),
        ((0, 0, 1), UNSTABLE),
        ((100,), UNKNOWN),
    ],
)
def test_limits_of_stability_are_those_of_pyperf(values, said):
    assert verdict(*values) == said


@given(SAMPLES, st.floats(0.01, 100))
def test_stability_does_not_depend_on_the_unit(values, factor):
    spread = np.std(values, ddof=1) / np.mean(values)
    if (
        abs(spread - 0.1) > 1e-6
        and abs(max(np.abs(np.array(values) / np.mean(values) - 1)) - 0.5) > 1e-6
        and spread > 1e-9
    ):
        assert verdict(*values) == verdict(*(value * factor for value in values))
