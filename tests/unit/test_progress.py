import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.run.pace import Pace
from middlebench.run.progress import describe_record, duration, line_of
from rich.console import Console, Group

RECORD = {
    "cell": {"testbed": "local", "n": 4, "frame_bytes": 800, "repetition": 1},
    "counts": {"window_s": 2.0, "received_packets": 30_000, "received_bytes": 24_000_000},
}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (44.6, "45 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration_is_said_as_people_say_it(seconds, words):
    assert duration(seconds) == words


@given(st.floats(min_value=0, max_value=1e6))
def test_duration_never_has_sixty_of_a_unit(seconds):
    assert "60" not in duration(seconds).replace("h", "").split()[1:]


def test_time_left_is_unknown_before_the_first_cell():
    assert Pace(10).left_s is None


@pytest.mark.parametrize(("done", "left_s"), [(1, 90), (5, 10), (10, 0)])
def test_time_left_follows_the_pace_so_far(monkeypatch, done, left_s):
    cells = Pace(10, done=done, started=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1010.0)
    assert cells.left_s == left_s


@given(
    cells=st.integers(1, 200),
    done=st.data(),
    sets=st.integers(1, 9),
    closing=st.integers(0, 2),
    weight=st.floats(0, 20),
)
def test_time_left_counts_the_controls_that_are_to_come(cells, done, sets, closing, weight):
    """At a second a cell: one set before the first cell, the others spread evenly, the closing ones at the end."""
    cells_done = done.draw(st.integers(1, cells))
    sets_done = 1 + (sets - 1) * cells_done / cells
    passed = cells_done + weight * sets_done
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: 1000.0 + passed)
        left_s = Pace(cells, sets, closing, weight, done=cells_done, started=1000.0).left_s
    assert passed + left_s == pytest.approx(cells + weight * (sets + closing))


def test_what_comes_before_the_first_chain_sets_no_pace(monkeypatch):
    cells = Pace(10)
    for now in (1000.0, 1005.0):  # a first chain, and a second one
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        cells.begin()
    monkeypatch.setattr(time, "monotonic", lambda: 1010.0)
    cells.done += 1
    assert cells.left_s == 90


def test_time_left_is_never_negative_when_more_cells_come_than_the_plan_knew():
    assert Pace(2, done=3, started=0.0).left_s == 0


def test_an_adaptive_sweep_is_told_as_far_as_it_may_go():
    assert Pace(24, at_most=True, done=3).far == "3 of at most 24 cells"
    assert Pace(24, done=3).far == "3 of 24 cells"


def test_finished_cell_is_described_by_its_rates(tmp_path):
    path = tmp_path / "rep1.json"
    path.write_text(json.dumps(RECORD))
    assert describe_record(path) == "local n = 4, 800 B: 15.0 kpkt/s, 96.0 Mb/s"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps(RECORD | {"counts": {}}), "null"])
def test_record_that_cannot_be_read_ends_no_sweep(tmp_path, text):
    (tmp_path / "rep1.json").write_text(text)
    assert describe_record(tmp_path / "rep1.json") == ""
    assert describe_record(tmp_path / "absent.json") == ""


@pytest.mark.parametrize("width", [40, 80, 200])
def test_line_tells_what_matters_most_first_and_is_one_line(width):
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    doing = "local n=20 1500 B  (last: local n=20 1400 B: 123.4 kpkt/s, 1382.1 Mb/s)"
    console.print(
        Group(line_of(Pace(192, done=7).far, "about 1 h 43 min left", doing))
    )  # as it is, not joined with others
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith("7 of 192 cells  about 1 h 43 min left"[:width])
    assert len(line) <= width
    assert (doing in line) == (width == 200)
