from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.data.drift import FEWEST_FOR_SLOPE, drift_of, marked, table_of
from middlebench.analysis.data.flags import DRIFT, ONE_SIDED
from middlebench.analysis.data.measurements import from_records
from middlebench.model.controls import CONTROL_BAND as BAND
from sweeps import ENVIRONMENT, control, number_at, record

START = datetime(2026, 1, 2, 3, tzinfo=UTC)


def at(minute):
    return (START + timedelta(minutes=minute)).isoformat(timespec="milliseconds")


def controls_of(*values, kind="switch-only", first=0, session="a run"):
    """Controls every ten minutes that received so many packets."""
    moments = [at(first + 10 * place) for place in range(len(values))]
    return [
        control(kind, received=value, started_at=moment, session=session)
        for value, moment in zip(values, moments, strict=True)
    ]


def judged(controls, *minutes):
    return drift_of(table_of(controls), cells_at(*(at(minute) for minute in minutes)))


def cells_at(*moments, environment=ENVIRONMENT.id, session="a run"):
    cells = {"started_at": moments, "environment": environment, "session": session}
    return pd.DataFrame(cells, dtype=str).assign(sequence=[number_at(moment) for moment in moments])


def test_cells_on_both_sides_of_a_control_outside_of_the_band_are_marked_and_no_others():
    drift = judged(controls_of(1000, 1000, 1000, 500, 1000, 1000), 5, 15, 25, 35, 45)
    assert list(drift.marked) == [False, False, True, True, False]
    assert list(drift.controls["outside"]) == [False, False, False, True, False, False]
    assert drift.bracketed.all()


def test_steady_controls_mark_nothing():
    assert not judged(controls_of(1000, 950, 1050, 1000), 5, 15, 25).marked.any()


def test_any_series_marks_by_its_own_level():
    both = [*controls_of(1000, 1000, 1000), *controls_of(90_000, 90_000, 50_000, kind="back-to-back")]
    assert list(judged(both, 5, 15).marked) == [False, True]


def test_cell_without_a_control_before_or_after_it_is_said_not_to_be_bracketed():
    drift = judged(controls_of(1000, 1000), -5, 5, 15)
    assert list(drift.bracketed) == [False, True, False]
    assert list(drift.one_sided) == [True, False, True]


def test_cell_of_a_run_that_was_interrupted_has_controls_on_one_side_whatever_was_measured_later():
    """The next run, days later, begins with controls of its own: they are not after this cell but elsewhere."""
    days = 3 * 24 * 60
    controls = controls_of(1000, 1000) + controls_of(100, 1000, first=days, session="another run")
    drift = judged(controls, 5, 15)
    assert list(drift.bracketed) == [True, False]
    assert list(drift.one_sided) == [False, True]
    assert not drift.marked.any()


def test_cell_of_a_run_without_controls_is_not_judged_by_those_of_another_run():
    drift = drift_of(table_of(controls_of(1000, 100)), cells_at(at(5), at(15), session="another run"))
    assert not (drift.marked | drift.bracketed | drift.one_sided).any()
    assert not drift.controls["brackets"].any()


def test_series_that_a_run_does_not_have_is_not_missed():
    """The frame sizes of controls may change from one run to the next."""
    elsewhere = control("back-to-back", 800, started_at=at(-100), session="another run")
    assert judged([elsewhere, *controls_of(1000, 1000)], 5).bracketed.all()


def test_cell_that_one_series_brackets_and_another_does_not_is_one_sided():
    both = [*controls_of(1000, 1000), *controls_of(1000, kind="back-to-back")]
    assert list(judged(both, 5).one_sided) == [True]


def test_flags_say_which_cells_drifted_and_which_have_controls_on_one_side():
    cells = from_records([record(repetition=k) for k in (1, 2, 3)])  # minutes 1, 2, 3
    controls = [control(received=received, started_at=at(minute)) for minute, received in ((0, 9), (1.5, 9), (2.5, 5))]
    assert list(marked(cells, controls)["flags"]) == ["", DRIFT, f"{DRIFT};{ONE_SIDED}"]


def test_without_controls_nothing_is_marked_and_nothing_bracketed():
    drift = judged([], 5)
    assert (list(drift.marked), list(drift.bracketed), len(drift.trends())) == ([False], [False], 0)
    assert list(drift.one_sided) == [False]


def test_cell_without_a_number_is_never_marked():
    drift = drift_of(table_of(controls_of(1000, 100)), cells_at(at(5), at(5)).assign(sequence=[0, number_at(at(5))]))
    assert list(drift.marked) == [False, True]
    assert list(drift.bracketed) == [False, True]


def test_clock_that_is_stepped_back_changes_no_neighbour():
    controls = [
        control(received=received, started_at=at(minute), sequence=number)
        for number, received, minute in ((1, 1000, 60), (3, 1000, 70), (5, 500, 0))
    ]
    cells = cells_at(at(65), at(75)).assign(sequence=[2, 4])
    assert list(drift_of(table_of(controls), cells).marked) == [False, True]


def test_controls_next_to_no_cell_do_not_count():
    """Those of a disturbed run stay on the disk when its cells were measured again."""
    drift = judged(controls_of(500, 500, 500, 500, 1000, 1000), 45)
    assert not drift.marked.any()
    assert list(drift.controls["brackets"]) == [False] * 4 + [True] * 2
    assert drift.trends()["kpps"].iloc[0] == pytest.approx(2)


def test_control_that_received_nothing_is_outside_of_the_band():
    assert list(judged(controls_of(1000, 1000, 1000, 0), 5, 15, 25).marked) == [False, False, True]


def test_controls_that_all_received_nothing_are_outside_of_the_band():
    assert judged(controls_of(0, 0), 5).marked.all()


def test_cell_is_judged_by_the_controls_of_its_own_environment():
    moved = control(received=100, started_at=at(5), environment="another")
    drift = drift_of(table_of([*controls_of(1000, 1000), moved]), cells_at(at(4), at(6)))
    assert list(drift.marked) == [False, False]
    assert list(drift.bracketed) == [True, True]
    elsewhere = drift_of(table_of(controls_of(1000, 100)), cells_at(at(5), environment="another"))
    assert (list(elsewhere.marked), list(elsewhere.bracketed)) == ([False], [False])


@given(st.lists(st.integers(1000, 1000 + int(1000 * BAND) - 1), min_size=2, max_size=12))
def test_values_that_agree_within_the_band_mark_nothing(values):
    minutes = [10 * place + 5 for place in range(len(values) - 1)]
    assert not judged(controls_of(*values), *minutes).marked.any()


@given(st.floats(-0.09, 0.09), st.integers(FEWEST_FOR_SLOPE, 8))
def test_steady_change_is_found_as_the_slope(change_an_hour, count):
    values = [round(6e5 * (1 + change_an_hour * place / 6)) for place in range(count)]  # below the line rate
    minutes = [10 * place + 5 for place in range(count - 1)]
    (trend,) = judged(controls_of(*values), *minutes).trends().itertuples()
    middle = 1 + change_an_hour * (count - 1) / 12
    assert trend.percent_per_hour == pytest.approx(100 * change_an_hour / middle, abs=2e-3)
    assert trend.percent_per_hour_low - 1e-4 <= trend.percent_per_hour <= trend.percent_per_hour_high + 1e-4


def test_one_outlier_does_not_turn_the_slope():
    (trend,) = judged(controls_of(1000, 1000, 1000, 1000, 1000, 1000, 100), *range(5, 65, 10)).trends().itertuples()
    assert trend.percent_per_hour == pytest.approx(0, abs=1e-7)
    assert trend.outside == 1


def test_too_few_controls_have_no_slope():
    (trend,) = judged(controls_of(1000, 900), 5).trends().itertuples()
    assert pd.isna(trend.percent_per_hour)
    assert pd.isna(trend.percent_per_hour_low)
