"""What a config may say of the offered load, and of the search for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.load import Goal, OfferedLoad, SearchParameters, goal_of
from pydantic import TypeAdapter, ValidationError

CHECK = TypeAdapter(OfferedLoad).validate_python


@pytest.mark.parametrize("load", ["maximum", 1, 0.5, 250.0])
def test_load_without_a_goal_is_not_searched_for(load):
    assert CHECK(load) == load
    assert goal_of(CHECK(load)) is None


@pytest.mark.parametrize(
    ("load", "ratio", "name"),
    [
        ("ndr", 0.0, "NDR"),
        ("pdr(0.005)", 0.005, "PDR 0.5 %"),
        ("pdr(.1)", 0.1, "PDR 10 %"),
        ("pdr(0.000001)", 1e-6, "PDR 0.0001 %"),
    ],
)
def test_goal_is_understood(load, ratio, name):
    assert goal_of(CHECK(load)) == Goal(ratio)
    assert Goal(ratio).name == name


@given(st.decimals(min_value="0.000001", max_value="0.999999", places=6))
def test_any_ratio_between_0_and_1_is_a_goal(ratio):
    assert goal_of(CHECK(f"pdr({ratio:f})")) == Goal(float(ratio))


@pytest.mark.parametrize(
    "load", ["pdr", "pdr()", "pdr(0)", "pdr(0.0)", "pdr(1)", "pdr(1.5)", "pdr(-0.1)", "pdr(0.5%)", "NDR", "mrr", 0, -1]
)
def test_what_is_no_load_is_refused_in_one_sentence(load):
    with pytest.raises(ValidationError) as caught:
        CHECK(load)
    (complaint,) = caught.value.errors()
    assert "`ndr`, `pdr(RATIO)`" in complaint["msg"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"initial_trial_s": 2}, "final_trial_s (1) must not be below initial_trial_s (2)"),
        ({"duration_sum_s": 0.5}, "duration_sum_s (0.5) must not be below final_trial_s (1)"),
        ({"preceding_targets": 0}, "preceding_targets must not be 0"),
        ({"relative_width": 1}, "less than 1"),
        ({"exceed_ratio": 1}, "less than 1"),
    ],
)
def test_parameters_that_the_library_would_refuse_are_refused_by_name(changes, words):
    with pytest.raises(ValidationError) as caught:
        SearchParameters(**changes)
    assert words in str(caught.value)
