"""Extra repetitions go where the interval is the widest, one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.allocation import Spread, allocate, extra_cells, spreads_of
from middlebench.analysis.measurements import from_records
from sweeps import record

positive = st.floats(0.001, 1e6)
spreads = st.dictionaries(
    st.tuples(st.integers(0, 20), st.integers(60, 1514)),
    st.builds(Spread, mean=positive, deviation=positive, repetitions=st.integers(2, 10)),
    min_size=1,
    max_size=8,
)


def widths(points, extra):
    return {point: spread.relative_half_width(extra.get(point, 0)) for point, spread in points.items()}


@given(spreads, st.integers(0, 40))
def test_whole_budget_is_spent_and_nothing_else(points, budget):
    extra = allocate(points, budget)
    assert sum(extra.values()) == budget
    assert extra.keys() <= points.keys()
    assert all(count > 0 for count in extra.values())


@given(spreads, st.integers(0, 40))
def test_each_repetition_goes_to_the_widest_interval(points, budget):
    before, after = allocate(points, budget), allocate(points, budget + 1)
    (chosen,) = (point for point in points if after.get(point, 0) != before.get(point, 0))
    assert widths(points, before)[chosen] == max(widths(points, before).values())


@given(spreads, st.integers(0, 40))
def test_no_other_distribution_leaves_the_widest_interval_narrower(points, budget):
    """Taking any one repetition away from a cell makes that cell at least as wide as the widest one that is left."""
    extra = allocate(points, budget)
    worst = max(widths(points, extra).values())
    for point, count in extra.items():
        assert points[point].relative_half_width(count - 1) >= worst


def test_cells_without_spread_or_without_throughput_get_none():
    points = {(1, 60): Spread(100, 0, 3), (2, 60): Spread(0, 0, 3), (3, 60): Spread(100, 1, 3)}
    assert allocate(points, 5) == {(3, 60): 5}
    assert allocate({(1, 60): Spread(100, 0, 3)}, 5) == {}


def cells(**received):
    """Records whose received counts are given by chain length: n1=(1000, 1100)."""
    return from_records(
        record(int(name[1:]), repetition=k, received=count)
        for name, counts in received.items()
        for k, count in enumerate(counts, start=1)
    )


def test_spread_is_that_of_the_repetitions():
    assert spreads_of(cells(n1=(10_000, 12_000), n2=(10_000,))) == {
        (1, 800): Spread(pytest.approx(140.8), pytest.approx(12.8 * 2**0.5), 2)
    }


def test_extra_cells_are_numbered_after_the_planned_repetitions():
    assert extra_cells(cells(n1=(10_000, 12_000), n2=(10_000, 10_000)), repetitions=2, budget=2) == [
        (1, 800, 3),
        (1, 800, 4),
    ]


def test_extra_cells_that_were_measured_stay_and_count_against_the_budget():
    measured = cells(n1=(10_000, 10_001, 10_000), n2=(10_000, 15_000))
    assert extra_cells(measured, repetitions=2, budget=1) == [(1, 800, 3)]
    assert extra_cells(measured, repetitions=2, budget=2) == [(1, 800, 3), (2, 800, 3)]
