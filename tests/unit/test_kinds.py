"""Each kind of test says what it should of curves whose shape is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.claims.findings import Verdict
from middlebench.analysis.claims.kinds import NOISE, STEP, Bound, Flat, Knee, Level, Onset, Ratio, Setback, Trend
from middlebench.analysis.data.curves import Curve
from middlebench.analysis.data.publications import load_cells

REPRODUCED, SAME_SHAPE, NOT_REPRODUCED, NOT_TESTABLE = Verdict
RISING, FALLING = (Trend(kind="trend", direction=direction) for direction in ("rising", "falling"))

FACTORS = st.floats(0.001, 1000)


def curve(*values, along="n", first=1, step=1, value="received_mbps", **others):
    """Return a curve through values at equally distant places."""
    points = tuple((first + step * index, float(each)) for index, each in enumerate(values))
    return Curve(value=value, along=along, at=1, points=points, **others)


def scaled(original, factor):
    return curve(*(factor * value for _, value in original.points), first=original.points[0][0])


@st.composite
def knees(draw):
    """Return a place and a curve that is flat up to it and low beyond."""
    place, beyond = draw(st.integers(2, 8)), draw(st.integers(1, 6))
    flat = draw(st.lists(st.floats(0.92, 1.08), min_size=place - 1, max_size=place - 1))
    low = draw(st.lists(st.floats(0.01, 0.85), min_size=beyond, max_size=beyond))
    level = draw(st.floats(1, 1000))
    return place, curve(*(level * share for share in (1, *flat, *low)))


# level


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((510,), REPRODUCED),
        ((449,), NOT_REPRODUCED),
        ((460, 500, 540), REPRODUCED),
        ((200, 205, 210), SAME_SHAPE),
        ((200, 205), NOT_REPRODUCED),  # two values have no shape
        ((200, 300, 400), NOT_REPRODUCED),
    ],
)
def test_level(values, verdict):
    finding = Level(kind="level", about=500).judge(curve(*values))
    assert finding.verdict is verdict
    assert finding.figure == pytest.approx(sum(values) / len(values))


def test_level_at_a_place_that_was_not_measured_is_not_testable():
    finding = Level(kind="level", about=500).judge(curve(500, along="frame_bytes", wanted=(800,)))
    assert finding.verdict is NOT_TESTABLE
    assert "800 B" in finding.evidence


# flat


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((95, 100, 105), REPRODUCED),
        ((80, 100, 120), NOT_REPRODUCED),
        ((0, 0, 0), NOT_REPRODUCED),
        ((100, 100), NOT_TESTABLE),
    ],
)
def test_flat(values, verdict):
    assert Flat(kind="flat").judge(curve(*values)).verdict is verdict


# trend


@given(st.lists(st.floats(0.001, 0.5), min_size=2, max_size=12), FACTORS)
def test_growth_at_every_step_is_a_rising_trend_and_no_falling_one(steps, first):
    values = [first * math.prod(1 + each for each in steps[:count]) for count in range(len(steps) + 1)]
    finding = RISING.judge(curve(*values))
    grows = values[-1] / values[0] - 1
    if grows > NOISE * 1.001:
        assert finding.verdict is REPRODUCED
        assert FALLING.judge(curve(*values)).verdict is NOT_REPRODUCED
    assert finding.figure == pytest.approx(100 * grows)


@given(st.lists(st.floats(1, 100), min_size=3, max_size=12))
def test_no_curve_both_rises_and_falls(values):
    verdicts = {RISING.judge(curve(*values)).verdict, FALLING.judge(curve(*values)).verdict}
    assert NOT_REPRODUCED in verdicts


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=12), st.sampled_from([0.25, 0.5, 2, 4]))
def test_trend_setback_and_flatness_do_not_depend_on_the_unit(values, factor):
    for kind in (RISING, FALLING, Flat(kind="flat"), Setback(kind="setback", direction="rising")):
        original = curve(*values)
        assert kind.judge(original).verdict is kind.judge(scaled(original, factor)).verdict


def test_one_step_against_a_clear_trend_leaves_the_shape_and_is_named():
    finding = FALLING.judge(curve(100, 108, 80, 60, 40, 20))
    assert finding.verdict is SAME_SHAPE
    assert "1 of 5, the worst +8.0 % from n = 1 to n = 2" in finding.evidence


def test_a_small_step_against_the_trend_is_noise():
    assert FALLING.judge(curve(100, 104, 80)).verdict is REPRODUCED


@pytest.mark.parametrize("values", [(100, 99, 98), (100, 100, 100), (10, 100, 20, 90, 30, 80)])
def test_no_tendency_is_no_trend(values):
    assert RISING.judge(curve(*values)).verdict is NOT_REPRODUCED


@pytest.mark.parametrize("values", [(), (1,), (1, 2), (0, 1, 2)])
def test_trend_needs_three_cells_and_a_first_one_that_counted_something(values):
    assert RISING.judge(curve(*values)).verdict is NOT_TESTABLE


# setback


@pytest.mark.parametrize(
    ("values", "verdict", "figure"),
    [((1, 2, 3), REPRODUCED, 0), ((100, 93, 200), REPRODUCED, 7), ((100, 80, 200), NOT_REPRODUCED, 20)],
)
def test_setback(values, verdict, figure):
    finding = Setback(kind="setback", direction="rising").judge(curve(*values))
    assert finding.verdict is verdict
    assert finding.figure == pytest.approx(figure)


# bound


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.5, 0.9), REPRODUCED),
        ((0.5, 1.0), SAME_SHAPE),
        ((1.0, 1.0, 0.5), NOT_REPRODUCED),
        ((), NOT_TESTABLE),
    ],
)
def test_bound(values, verdict):
    assert Bound(kind="bound", at_most=0.99).judge(curve(*values, value="delivered_share")).verdict is verdict


# onset


@pytest.mark.parametrize(
    ("values", "verdict", "figure"),
    [
        ((0.2, 0.5, 1.0, 1.0), REPRODUCED, 300),
        ((0.2, 1.0, 1.0, 1.0), SAME_SHAPE, 200),
        ((0.2, 0.5, 0.6, 1.0), SAME_SHAPE, 400),
        ((0.2, 1.0, 0.9, 1.0), SAME_SHAPE, 400),
        ((1.0, 1.0, 1.0, 1.0), NOT_REPRODUCED, 100),
        ((0.2, 0.5, 0.6, 0.7), NOT_REPRODUCED, None),
        ((0.2, 1.0, 1.0, 0.7), NOT_REPRODUCED, None),
    ],
)
def test_onset_at_300(values, verdict, figure):
    shares = curve(*values, along="frame_bytes", first=100, step=100, value="offered_share")
    finding = Onset(kind="onset", place=300).judge(shares)
    assert finding.verdict is verdict
    assert (None if math.isnan(finding.figure) else finding.figure) == figure


@pytest.mark.parametrize("first", [300, 10])
def test_onset_needs_cells_on_both_sides(first):
    finding = Onset(kind="onset", place=300).judge(curve(1, 1, 1, along="frame_bytes", first=first))
    assert finding.verdict is NOT_TESTABLE


# knee


@given(knees())
def test_knee_is_found_where_it_is(case):
    place, values = case
    finding = Knee(kind="knee", place=place).judge(values)
    assert finding.verdict is REPRODUCED
    assert finding.figure == place


@given(knees(), st.integers(2, 13))
def test_knee_elsewhere_is_the_same_shape(case, stated):
    place, values = case
    if stated != place and stated < values.points[-1][0]:
        assert Knee(kind="knee", place=stated).judge(values).verdict is SAME_SHAPE


@given(knees(), st.sampled_from([0.25, 0.5, 2, 4]))
def test_knee_does_not_depend_on_the_unit(case, factor):
    place, values = case
    assert Knee(kind="knee", place=place).judge(scaled(values, factor)).figure == place


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((100, 100, 100, 100), NOT_REPRODUCED),  # never drops
        ((100, 50, 40, 30), NOT_REPRODUCED),  # never flat
        ((100, 100, 50, 100), NOT_REPRODUCED),  # comes back to stay
        ((100, 100, 130, 150), NOT_REPRODUCED),  # leaves the level upwards
        ((100, 100, 50, 95, 50), SAME_SHAPE),  # comes back once
    ],
)
def test_what_is_no_knee_at_two(values, verdict):
    assert Knee(kind="knee", place=2).judge(curve(*values)).verdict is verdict


def test_knee_takes_the_nearest_length_that_was_swept():
    points = ((1, 100.0), (3, 100.0), (8, 20.0))
    swept = Curve(value="received_mbps", along="n", at=800, points=points)
    assert Knee(kind="knee", place=4).judge(swept).verdict is REPRODUCED


@pytest.mark.parametrize(("place", "values"), [(1, (100, 50, 20)), (9, (100, 100, 50)), (2, ()), (2, (0, 0, 0))])
def test_knee_needs_a_plateau_that_can_be_seen_and_cells_beyond(place, values):
    assert Knee(kind="knee", place=place).judge(curve(*values)).verdict is NOT_TESTABLE


def test_knee_at_an_unknown_number_of_cores_is_not_testable():
    assert "not known" in Knee(kind="knee", place="cores").judge(curve(1, 1, 1)).evidence


# ratio


@pytest.mark.parametrize(
    ("last", "verdict"),
    [(1.28, REPRODUCED), (1.5, REPRODUCED), (30, SAME_SHAPE), (95, NOT_REPRODUCED), (200, NOT_REPRODUCED)],
)
def test_ratio(last, verdict):
    finding = Ratio(kind="ratio", of=3, over=1, about=0.0128).judge(curve(100, 50, last))
    assert finding.verdict is verdict
    assert finding.figure == pytest.approx(last)


@pytest.mark.parametrize("values", [(100, 50), (0, 50, 1)])
def test_ratio_needs_both_values(values):
    assert Ratio(kind="ratio", of=3, over=1, about=0.5).judge(curve(*values)).verdict is NOT_TESTABLE


# tolerances


def test_step_is_twice_the_deviation_between_cells_that_the_paper_calls_constant():
    cells = load_cells("maksic")
    level = cells[(cells["frame_bytes"] == 800) & (cells["n"] <= 4)]["received_mbps"]
    spread = level.std() / level.mean()
    assert spread == pytest.approx(0.019, abs=0.0005)
    assert pytest.approx(2 * math.sqrt(2) * spread, abs=0.005) == STEP
