"""What rows, tables, figure and report say of how long frames took."""

from __future__ import annotations

import pandas as pd
import pytest
from middlebench.analysis.data.measurements import from_records, read_measurements, write_measurements
from middlebench.analysis.figures import topologies
from middlebench.analysis.figures.latency import latency_figure, table_of
from sweeps import record, sweep, timed

TRIALS = (
    timed(0.0, (20_000,)),
    timed(0.9, (50_000, 60_000, 1_000_000), lost=1),
    timed(0.9, (5_000,), path="direct"),
)


def test_row_is_of_the_largest_load_with_loss_and_the_instruments_own_beside_it(tmp_path):
    write_measurements(from_records([record(latency=TRIALS)]), tmp_path / "m.csv")
    row = read_measurements(tmp_path / "m.csv").iloc[0]
    assert row["flows"] == 1
    assert row["latency_load_ratio"] == 0.9
    assert row["latency_p50_us"] == pytest.approx(60, rel=1e-3)
    assert row["latency_max_us"] == 1000
    assert row["latency_loss_ratio"] == 0.25
    assert row["latency_own_p50_us"] == pytest.approx(5, rel=1e-3)


def test_cell_that_was_not_timed_says_nothing():
    row = sweep().iloc[0]
    assert row.filter(like="latency").isna().all()


def test_load_at_which_no_frame_arrived_has_a_loss_and_no_time():
    row = from_records([record(latency=(timed(0.9, (), lost=4),))]).iloc[0]
    assert row["latency_loss_ratio"] == 1
    assert pd.isna(row["latency_p50_us"])


def test_table_has_every_trial():
    table = table_of([record(n=2, latency=TRIALS), record(n=3)])
    assert list(table["n"]) == ["2", "2", "2"]
    assert list(table["path"]) == ["chain", "chain", "direct"]
    assert list(table["load"]) == ["idle", "90%", "90%"]
    assert list(table["of them lost"]) == ["0", "1", "0"]


def test_figure_has_median_and_tail_by_chain_length_at_the_size_nearest_to_the_papers():
    measured = from_records(
        record(n, size, latency=(timed(0.9, (n * 10_000,) * 9 + (n * 90_000,)),)) for n in (1, 2) for size in (60, 800)
    )
    (axes,) = latency_figure(measured).axes
    median, tail = axes.get_lines()
    assert list(median.get_xdata()) == [1, 2]
    assert list(median.get_ydata()) == pytest.approx([10, 20], rel=1e-3)
    assert list(tail.get_ydata()) == pytest.approx([90, 180], rel=1e-3)
    assert "800 B" in axes.get_title(loc="left")


def test_topologies_lie_side_by_side_in_figure_and_table():
    cells = [
        (topology, n, record(n, latency=(timed(0.9, (n * each * 10_000,) * 9 + (n * each * 90_000,)),)))
        for each, topology in enumerate(("chain", "parallel"), 1)
        for n in (1, 2)
    ]
    measured = from_records(
        one.model_copy(update={"cell": one.cell.model_copy(update={"topology": topology})})
        for topology, _, one in cells
    )
    median, tail = topologies.latency_figure(measured, "made").axes
    assert [line.get_label() for line in median.get_lines()] == ["chain", "parallel"]
    assert list(median.get_lines()[1].get_ydata()) == pytest.approx([20, 40], rel=1e-3)
    assert list(tail.get_lines()[0].get_ydata()) == pytest.approx([90, 180], rel=1e-3)
    frame = topologies.latency_table(measured, "made").frame
    assert list(zip(frame["topology"], frame["n"], strict=True)) == [(topology, n) for topology, n, _ in cells]
