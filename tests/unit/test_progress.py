import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.run.progress import Cells, describe_record, duration

RECORD = {
    "cell": {"testbed": "local", "n": 4, "frame_bytes": 800, "repetition": 1},
    "counts": {"window_s": 2.0, "received_packets": 30_000},
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
    assert Cells(total=10).left_s is None


@pytest.mark.parametrize(("done", "left_s"), [(1, 90), (5, 10), (10, 0)])
def test_time_left_follows_the_pace_so_far(monkeypatch, done, left_s):
    cells = Cells(total=10, started=1000.0)
    for _ in range(done):
        cells.finish_one()
    monkeypatch.setattr(time, "monotonic", lambda: 1010.0)
    assert cells.left_s == left_s


def test_finished_cell_is_described_by_its_rates(tmp_path):
    path = tmp_path / "rep1.json"
    path.write_text(json.dumps(RECORD))
    assert describe_record(path) == "local n=4 800 B: 15.0 kpkt/s, 96.0 Mb/s"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps(RECORD | {"counts": {}}), "null"])
def test_record_that_cannot_be_read_ends_no_sweep(tmp_path, text):
    (tmp_path / "rep1.json").write_text(text)
    assert describe_record(tmp_path / "rep1.json") == ""
    assert describe_record(tmp_path / "absent.json") == ""
