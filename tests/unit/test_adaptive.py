"""An adaptive sweep: fewer cells for a law that is sure of the rest, and the same ones after any interruption."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from middlebench.analysis.data.measurements import from_rows
from middlebench.analysis.law.adaptive import next_points, spread_out
from middlebench.analysis.law.derivation import law_of
from middlebench.config.checks import check_study
from middlebench.config.plain_yaml import read_yaml
from middlebench.model.cell import Cell
from middlebench.model.record_file import write
from middlebench.run.planned import Batch, path_of, planned_cells

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 20)
SIZES = (60, 100, 200, 300, 400, 600, 800, 1000, 1200, 1400, 1500)
GRID = [(n, size) for n in LENGTHS for size in SIZES]


def rate(n, size):
    """Return the rate of a known machine in kpkt/s."""
    return 1e3 / max(5.0, 8 * (size + 24) / 1000, n * (3.0 + 0.001 * size))


def measure(points, noise=0.01):
    """Return measurements of points; the noise of each is its own, whenever it is measured."""
    rows = []
    for n, size in points:
        scatter = np.random.default_rng(1000 * n + size).normal(0, noise)
        kpps = rate(n, size) * np.exp(scatter)
        rows.append({"testbed": "made", "n": n, "frame_bytes": size, "repetition": 1, "received_kpps": kpps})
    return from_rows(rows)


def sweep(certainty):
    """Return the points that an adaptive sweep has measured at its end, and why it ended."""
    points = []
    while True:
        more, reason = next_points(GRID, measure(points), certainty)
        if not more:
            return points, reason
        assert not set(more) & set(points)
        points += more


@pytest.fixture(scope="module")
def finished():
    return sweep(0.1)


def test_a_law_that_is_sure_soon_saves_most_cells_and_predicts_the_others(finished):
    points, reason = finished
    assert "sure of every other point" in reason
    assert len(points) < 0.6 * len(GRID)
    law = law_of(measure(points), "made")
    left = [point for point in GRID if point not in points]
    n, size = (np.array(each, dtype=float) for each in zip(*left, strict=True))
    truth = np.array([rate(*point) for point in left])
    predicted, low, high = law.predictor.kpps(n, size)
    assert np.abs(predicted / truth - 1).max() < 0.1
    assert np.mean((low <= truth) & (truth <= high)) >= 0.9


def test_a_resumed_sweep_goes_on_as_the_uninterrupted_one(finished):
    points, _ = finished
    for done in (0, 9, 14):
        more, _ = next_points(GRID, measure(points[:done]), 0.1)
        assert points[done : done + len(more)] == more
        assert more


def test_the_first_batch_is_a_tenth_of_the_grid_from_all_over_it():
    first, _ = next_points(GRID, measure([]), 0.05)
    assert len(first) == 9
    assert {n for n, _ in first} >= {1, 20}
    assert {size for _, size in first} >= {60, 1500}
    assert len({n for n, _ in first}) >= 3


def test_what_is_never_sure_enough_ends_with_the_whole_grid():
    grid = [(n, size) for n in (1, 2, 4, 8) for size in (60, 800)]
    points = []
    while more := next_points(grid, measure(points, noise=0.5), 0.001)[0]:
        points += more
    assert sorted(points) == sorted(grid)


@given(
    st.sets(st.integers(0, 30), min_size=1, max_size=6),
    st.sets(st.integers(60, 1500), min_size=1, max_size=6),
    st.integers(1, 40),
)
@settings(max_examples=50, deadline=None)
def test_a_longer_spread_begins_with_the_shorter_one(lengths, sizes, count):
    grid = [(n, size) for n in lengths for size in sizes]
    points = spread_out(grid, count)
    assert len(points) == len(set(points)) == min(count, len(grid))
    assert set(points) <= set(grid)
    assert spread_out(grid, count + 1)[: len(points)] == points


def test_the_tables_of_an_adaptive_sweep_hold_what_its_batches_chose(tmp_path):
    values = {**read_yaml(Path("config/config.yaml")), "sweep": "adaptive", "repetitions": 2}
    study, _ = check_study(values, "a test")
    folder = tmp_path / "local"
    batches = [[(1, 60), (4, 800)], [(2, 60)], []]
    for number, points in enumerate(batches, 1):
        cells = tuple(Cell(testbed="local", n=n, frame_bytes=size) for n, size in points)
        write(Batch(cells=cells, reason="a test"), path_of(folder, number))
    planned = planned_cells(study, "local", folder)
    assert [(cell.n, cell.frame_bytes, cell.repetition) for cell in planned] == [
        (1, 60, 1),
        (1, 60, 2),
        (4, 800, 1),
        (4, 800, 2),
        (2, 60, 1),
        (2, 60, 2),
    ]
