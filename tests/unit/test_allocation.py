"""Extra repetitions go where the interval is the widest, one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.allocation import Spread, allocate, comparable, extra_cells, spreads_of
from middlebench.analysis.measurements import from_records
from sweeps import COMPONENTS, environment, record

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


@given(spreads, st.integers(0, 40), st.data())
def test_no_point_gets_more_than_it_can_and_what_it_cannot_take_goes_to_others(points, budget, data):
    most = {point: data.draw(st.integers(0, 5)) for point in points}
    extra = allocate(points, budget, most)
    assert all(count <= most[point] for point, count in extra.items())
    assert sum(extra.values()) == min(budget, sum(most.values()))


def cells(**received):
    """Records whose received counts are given by chain length: n1=(1000, 1100); None is one that is missing."""
    return from_records(
        record(int(name[1:]), repetition=k, received=count)
        for name, counts in received.items()
        for k, count in enumerate(counts, start=1)
        if count is not None
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


def test_extra_cell_that_was_set_aside_is_measured_again_before_any_new_one_is_given():
    """Its point would get none by its spread: the other one is known less by far."""
    measured = cells(n1=(10_000, 10_001, None, 10_000), n2=(10_000, 15_000))
    assert extra_cells(measured, repetitions=2, budget=2) == [(1, 800, 3), (1, 800, 4)]
    assert extra_cells(measured, repetitions=2, budget=3) == [(1, 800, 3), (1, 800, 4), (2, 800, 3)]
    assert extra_cells(measured, repetitions=2, budget=1) == [(1, 800, 4)], "what is there comes first"


def test_repetition_that_fills_a_gap_counts_when_the_next_one_is_given():
    """Without it both points are known alike; with it the other one is the wider."""
    measured = cells(n1=(10_000, 12_000, None, 10_000, 12_000), n2=(10_000, 12_000, 10_000, 12_000))
    assert extra_cells(measured, repetitions=2, budget=6) == [
        *((1, 800, k) for k in (3, 4, 5)),
        *((2, 800, k) for k in (3, 4, 5)),
    ]


def test_lower_budget_keeps_what_it_would_have_bought():
    measured = cells(n1=(10_000, 12_000, 11_000, 11_000), n2=(10_000, 19_000, 12_000, 12_000))
    assert extra_cells(measured, repetitions=2, budget=4) == [(n, 800, k) for n in (1, 2) for k in (3, 4)]
    assert extra_cells(measured, repetitions=2, budget=1) == [(2, 800, 3)]
    assert extra_cells(measured, repetitions=2, budget=0) == []


@given(
    kept=st.integers(0, 12),
    planned=st.integers(2, 4),
    received=st.lists(st.lists(st.integers(0, 40_000), min_size=4, max_size=7), min_size=1, max_size=3),
)
def test_there_are_never_more_extra_cells_than_asked_for_and_finished_ones_come_first(kept, planned, received):
    measured = cells(**{f"n{n}": counts for n, counts in enumerate(received, start=1)})
    there = {(n, 800, k) for n, counts in enumerate(received, start=1) for k in range(planned + 1, len(counts) + 1)}
    extra = extra_cells(measured, planned, kept)
    assert len(set(extra)) == len(extra) <= kept
    assert len(there.intersection(extra)) == min(kept, len(there))


def test_lower_number_of_repetitions_takes_those_above_it_where_the_mean_is_known_least():
    measured = cells(n1=(10_000, 10_100, 10_050), n2=(10_000, 15_000, 12_000), n3=(10_000, 10_200, 10_050))
    assert extra_cells(measured, repetitions=2, budget=1) == [(2, 800, 3)]


def test_higher_number_of_repetitions_takes_extra_ones_for_its_own():
    measured = cells(n1=(10_000, 12_000, 11_000), n2=(10_000, 15_000, 12_000))
    assert all(cell.repetition > 3 for cell in extra_cells(measured, repetitions=3, budget=2))


def test_only_cells_of_the_environment_of_the_last_planned_one_tell_how_much_is_known():
    other = environment(kernel="6.2")
    mixed = from_records(
        [
            *(record(1, repetition=k, received=10_000 * k, environment=other) for k in (1, 3)),
            record(1, repetition=2, received=10_000),
            *(record(2, repetition=k, received=10_000 + k) for k in (1, 2)),
        ]
    )
    known = comparable(mixed, repetitions=2)
    assert spreads_of(mixed).keys() == {(1, 800), (2, 800)}
    assert spreads_of(known).keys() == {(2, 800)}, "one repetition of the other point is left, which has no spread"
    assert extra_cells(known, repetitions=2, budget=1) == [(2, 800, 3)]


def test_cells_with_other_parts_are_not_compared():
    parts = COMPONENTS.model_copy(update={"middlebox": "another middlebox"})
    before = [record(repetition=k).model_copy(update={"components": parts}) for k in (3, 4)]
    measured = from_records([*before, *(record(repetition=k) for k in (1, 2))])
    assert list(comparable(measured, repetitions=2)["repetition"]) == [1, 2]
    assert comparable(measured.head(0), repetitions=2).empty
