"""Tables I and II with intervals: half a width behind each mean, honest where a cell was measured once."""

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.data.intervals import with_margin
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.tables.intervals import any_known, intervals_of, table1_intervals, table2_intervals
from middlebench.analysis.tables.table import to_csv, to_html, to_latex, to_markdown
from scipy import stats
from sweeps import record, sweep

FORMS = (to_markdown, to_latex, to_html)


def repeated(*counts, n=1, frame_bytes=800):
    """Return a cell that was measured once for each count of received packets."""
    return from_records(record(n, frame_bytes, repetition=k, received=count) for k, count in enumerate(counts, 1))


def read(table):
    return pd.read_csv(io.StringIO(to_csv(table)))


def test_half_widths_of_table1_are_student_s_t_in_the_unit_of_each_column():
    row = read(table1_intervals(repeated(18_000, 20_000, 25_000))).iloc[0]
    low, high = stats.t.interval(0.95, 2, loc=42, scale=stats.sem([36, 40, 50]))  # counts in half a second, kpkt/s
    assert row["repetitions"] == 3
    assert row["received_kpps"] == pytest.approx(42)
    assert row["received_half_width_kpps"] == pytest.approx((high - low) / 2, abs=1e-4)
    assert row["received_half_width_mbps"] == pytest.approx((high - low) / 2 * 6.4, abs=1e-3)
    assert row["generated_half_width_kpps"] == 0


def test_table2_has_mean_half_width_and_repetitions_of_every_chain():
    cells = pd.concat([repeated(18_000, 22_000, n=1), repeated(10_000, n=2)], ignore_index=True)
    row = read(table2_intervals(cells)).iloc[0]
    assert row["n1_mbps"] == pytest.approx(256)
    assert row["n1_half_width_mbps"] == pytest.approx(12.706 * 25.6, rel=1e-4)
    assert (row["n1_repetitions"], row["n2_repetitions"]) == (2, 1)
    assert pd.isna(row["n2_half_width_mbps"])


@pytest.mark.parametrize("make", [table1_intervals, table2_intervals])
@pytest.mark.parametrize("form", FORMS)
def test_readers_see_mean_and_half_width_in_one_field_and_how_many_repetitions(make, form):
    text = form(make(repeated(18_000, 20_000, 22_000))).replace("&nbsp;", " ").replace(r"\ensuremath{\pm}", "±")
    assert "256 ± 64" in text
    assert "half_width" not in text
    assert "3 repetitions of each cell" in text


@pytest.mark.parametrize("make", [table1_intervals, table2_intervals])
@pytest.mark.parametrize(
    ("cells", "why"),
    [(sweep(), "each cell was measured once"), (load_cells("maksic"), "a publication gives one value of each cell")],
)
def test_without_repetitions_there_is_no_interval_and_the_caption_says_why(make, cells, why):
    table = make(cells)
    assert f"no interval, for {why}" in table.caption
    assert not any("±" in value for row in table.rows() for value in row)
    assert {value for name in table.margins.values() for value in table.frame[name].isna()} == {True}
    assert not any_known(cells)


def test_published_values_keep_the_digits_of_the_paper():
    assert table2_intervals(load_cells("maksic")).rows()[0][:2] == ["60", "114.01"]


def test_unequal_repetitions_are_said_as_a_range_and_single_ones_are_told_apart():
    cells = pd.concat([repeated(1, 2, 3, n=1), repeated(5, n=2)], ignore_index=True)
    assert intervals_of(cells).endswith("1 to 3 repetitions of each cell; a value without one was measured once")


def test_cell_that_was_not_measured_is_empty_and_leaves_the_other_counts_whole():
    table = table2_intervals(from_records([record(n=1, frame_bytes=60), record(n=2, frame_bytes=100)]))
    assert to_csv(table).splitlines()[1:] == ["60,19.2000,,1,,,", "100,,,,32.0000,,1"]
    assert table.rows() == [["60", "19.20", ""], ["100", "", "32.00"]]


@pytest.mark.parametrize("make", [table1_intervals, table2_intervals])
def test_sweep_of_nothing_gives_an_empty_table(make):
    assert make(from_records([])).rows() == []


def test_table1_needs_a_chain_of_one():
    table = table1_intervals(sweep(lengths=(2,)))
    assert table.rows() == []
    assert "there is no such cell" in table.caption


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [(198.81, 31.6, "199 ± 32"), (15.747, 3.40, "15.7 ± 3.4"), (1.1125, 0.2984, "1.11 ± 0.30"), (3, 0, "3.0 ± 0.0")],
)
def test_half_width_has_two_digits_and_the_mean_ends_at_the_same_decimal(mean, half, text):
    assert with_margin(mean, half) == text


@given(st.floats(0, 1e4), st.floats(1e-3, 1e4))
def test_rounding_for_readers_changes_a_half_width_by_less_than_a_twentieth(mean, half):
    shown_mean, shown_half = map(float, with_margin(mean, half).split(" ± "))
    assert shown_half == pytest.approx(half, rel=0.0501)
    assert abs(shown_mean - mean) <= half / 10
