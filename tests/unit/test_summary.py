"""Repetitions become means, and mixtures are named."""

import numpy as np
import pandas as pd
import pytest
from middlebench.analysis.data.flags import DRIFT, adding
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.data.summary import SUMMARY_COLUMNS, grid, nearest_size, summarise, write_summary
from middlebench.model.record import GENERATOR_LIMITED
from sweeps import record, sweep


def test_one_row_remains_of_each_cell():
    summary = summarise(sweep(repetitions=3))
    assert len(summary) == 9
    assert set(summary["repetitions"]) == {3}


def test_value_is_the_mean_over_repetitions():
    measurements = from_records([record(repetition=1, received=10_000), record(repetition=2, received=30_000)])
    assert summarise(measurements)["received_kpps"].item() == pytest.approx(40)


def test_missing_values_do_not_count_into_the_mean():
    measurements = from_records([record(repetition=1), record(repetition=2)])
    measurements.loc[0, "offered_kpps"] = float("nan")
    assert summarise(measurements)["offered_kpps"].item() == pytest.approx(100)


def test_different_components_of_one_cell_are_both_named():
    measurements = from_records([record(repetition=1), record(repetition=2)])
    measurements["middlebox"] = ["netns", "unikernel"]
    assert summarise(measurements)["middlebox"].item() == "netns / unikernel"


def test_spread_and_interval_over_repetitions():
    cells = [record(repetition=k, received=count) for k, count in ((1, 18_000), (2, 20_000), (3, 22_000))]
    row = summarise(from_records(cells)).iloc[0]
    assert row["received_mbps"] == pytest.approx(256)
    assert row["received_mbps_sd"] == pytest.approx(25.6)
    assert row["received_mbps_high"] - row["received_mbps"] == pytest.approx(4.302653 * 25.6 / 3**0.5)
    assert row["received_mbps"] - row["received_mbps_low"] == pytest.approx(4.302653 * 25.6 / 3**0.5)
    assert (row["received_mbps_min"], row["received_mbps_max"]) == pytest.approx((230.4, 281.6))
    assert row["stability"] == "unstable"
    assert row["offered_mbps_sd"] == 0


def test_single_repetition_has_neither_spread_nor_interval_nor_stability():
    summary = summarise(load_cells("maksic"))
    missing = [name for name in summary if name.endswith(("_sd", "_low", "_high"))]
    assert len(missing) == 6
    assert summary[missing].isna().all(axis=None)
    assert set(summary["stability"]) == {""}


def test_repetitions_beside_drift_are_counted():
    cells = from_records([record(repetition=k) for k in (1, 2, 3)])
    drifted = adding(adding(cells, GENERATOR_LIMITED, np.array([True] * 3)), DRIFT, np.array([True, False, True]))
    assert list(drifted["flags"]) == [
        "offered-below-intended;drift",
        GENERATOR_LIMITED,
        "offered-below-intended;drift",
    ]
    assert summarise(drifted)["drifted"].item() == 2
    assert summarise(cells)["drifted"].item() == 0


def test_summary_is_kept_as_csv_under_its_documented_columns(tmp_path):
    write_summary(sweep(repetitions=2), tmp_path / "summary.csv")
    written = pd.read_csv(tmp_path / "summary.csv")
    assert list(written.columns) == [column.name for column in SUMMARY_COLUMNS]
    assert len(written) == 9
    assert all(column.meaning for column in SUMMARY_COLUMNS)


def test_grid_leaves_cells_that_were_not_measured_empty():
    values = grid(summarise(from_records([record(n=1, frame_bytes=60), record(n=2, frame_bytes=100)])), "received_mbps")
    assert list(values.index) == [60, 100]
    assert list(values.columns) == [1, 2]
    assert values.isna().sum().sum() == 2


@pytest.mark.parametrize(
    ("sizes", "nearest"), [((60, 800, 1500), 800), ((60, 512, 1024), 1024), ((700, 900), 700), ((), None)]
)
def test_nearest_size(sizes, nearest):
    assert nearest_size(pd.DataFrame({"frame_bytes": sizes})) == nearest
