"""Two datasets are compared where both have a value, and only there."""

import numpy as np
import pandas as pd
import pytest
from middlebench.analysis.data.flags import DRIFT, adding
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.tables.comparison import cells_table, compare, describe, ratios_table, summarise_by
from sweeps import record, sweep


def test_only_shared_cells_are_compared():
    shared = compare(sweep(lengths=(1, 2, 11), sizes=(60, 61)), load_cells("maksic"))
    assert list(zip(shared["n"], shared["frame_bytes"], strict=True)) == [(1, 60), (2, 60)]


def test_ratio_is_measured_over_reference():
    half = from_records([record(received=10_000)])
    whole = from_records([record(received=20_000, testbed="other")])
    assert compare(half, whole)["ratio"].item() == pytest.approx(0.5)


def test_ratio_has_an_interval_as_far_as_the_spread_of_its_parts_is_known():
    def cells(*received):
        return from_records([record(repetition=k, received=count) for k, count in enumerate(received, start=1)])

    once, spread = cells(20_000), cells(19_000, 20_000, 21_000)
    half_width = 4.302653 * 1000 / 3**0.5 / 20_000  # Student's t for two degrees of freedom
    assert compare(once, once)[["ratio_low", "ratio_high"]].isna().all(axis=None)
    against_exact = compare(spread, once).iloc[0]
    assert (against_exact["ratio_low"], against_exact["ratio_high"]) == pytest.approx((1 - half_width, 1 + half_width))
    assert compare(spread, spread)["ratio_high"].item() == pytest.approx(1 + half_width * 2**0.5)


def test_readers_see_no_column_in_which_nothing_stands():
    once = cells_table(sweep(), load_cells("maksic"))
    assert "High (95 %)" not in once.titles()
    assert "Marks" not in once.titles()
    assert {"ratio_high", "marks"} < set(once.frame.columns)
    several = from_records(record(repetition=k, received=count) for k, count in ((1, 20_000), (2, 21_000)))
    assert "High (95 %)" in cells_table(several, load_cells("maksic")).titles()


def test_marks_of_either_dataset_are_those_of_the_comparison():
    steady, unstable = (
        sweep(sizes=(60,), lengths=(1,)),
        from_records([record(frame_bytes=60, repetition=k, received=k * 9000) for k in (1, 2)]),
    )
    drifted = adding(steady, DRIFT, np.array([True]))
    assert [compare(*pair)["marks"].item() for pair in ((steady, steady), (steady, drifted), (drifted, unstable))] == [
        "",
        "~",
        "?~",
    ]


def test_ratio_to_nothing_is_missing_and_does_not_spoil_the_summary():
    mine = sweep(lengths=(1, 2), sizes=(800,))
    theirs = from_records([record(n=1, received=0), record(n=2, received=20_000)])
    comparison = compare(mine, theirs)
    assert comparison["ratio"].isna().tolist() == [True, False]
    assert summarise_by(comparison, "n")["n"].tolist() == [2]


def test_mean_is_geometric():
    comparison = pd.DataFrame({"n": [1, 1], "frame_bytes": [60, 100], "ratio": [0.5, 2.0]})
    assert summarise_by(comparison, "n")["mean_ratio"].item() == pytest.approx(1)


def test_mean_of_a_ratio_of_zero_is_zero():
    comparison = pd.DataFrame({"n": [1, 1], "frame_bytes": [60, 100], "ratio": [0.0, 2.0]})
    assert summarise_by(comparison, "n")["mean_ratio"].item() == 0


def test_paper_beside_itself_is_the_same_everywhere():
    assert set(compare(load_cells("maksic"), load_cells("maksic"))["ratio"]) == {1.0}


def test_description_has_the_figures_of_the_comparison():
    text = describe(sweep(lengths=(1, 2), sizes=(800,)), load_cells("maksic"))
    assert "share 2 combinations of chain length and frame size" in text
    assert "made" in text
    assert "that of maksic" in text


def test_description_says_when_nothing_can_be_compared():
    assert "nothing to lay side by side" in describe(sweep(sizes=(61,)), load_cells("maksic"))


@pytest.mark.parametrize("key", ["n", "frame_bytes"])
def test_tables_name_both_datasets(key):
    pair = sweep(), load_cells("maksic")
    assert "made ÷ maksic" in ratios_table(*pair, key).caption
    assert {"made [Mb/s]", "maksic [Mb/s]"} <= set(cells_table(*pair).titles())


def test_datasets_without_a_common_cell_have_an_empty_table():
    assert cells_table(sweep(lengths=(0,)), load_cells("maksic")).rows() == []
