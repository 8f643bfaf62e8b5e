import os

import pytest
from middlebench.model.controls import ControlLog, Series
from middlebench.system.errors import RecordError
from sweeps import control

DIRECT, BRIDGE = Series("direct", 60), Series("bridge", 60)


@pytest.fixture
def log(tmp_path):
    return ControlLog(tmp_path)


def finish_cells(results, *names, later_by_s):
    """Leave the records of cells, written so long after the controls."""
    for name in names:
        path = results / "cells" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        written = path.stat().st_mtime + later_by_s
        os.utime(path, (written, written))


def due(log, session="a run", every=48):
    return log.due(session, every, [DIRECT, BRIDGE])


def measure(log, *series, session="a run"):
    for kind, size in series:
        log.add(control(kind, size, session=session))


def test_whole_set_is_due_before_the_first_cell(log):
    assert due(log) == [DIRECT, BRIDGE]


def test_controls_are_due_again_after_so_many_cells_and_not_before(log, tmp_path):
    measure(log, DIRECT, BRIDGE)
    finish_cells(tmp_path, "n1/size60/rep1.json", "n1/size800/rep1.json", later_by_s=-10)
    assert due(log, every=2) == []
    finish_cells(tmp_path, "n1/size60/rep2.json", later_by_s=10)
    assert due(log, every=2) == []
    finish_cells(tmp_path, "n2/size60/rep1.json", later_by_s=10)
    assert due(log, every=2) == [DIRECT, BRIDGE]


def test_every_run_begins_with_controls_of_its_own(log):
    measure(log, DIRECT, BRIDGE)
    assert due(log) == []
    assert due(log, "another run") == [DIRECT, BRIDGE]


def test_rest_of_a_set_that_was_broken_off_is_due_before_the_next_cell(log):
    measure(log, DIRECT)
    assert due(log) == [BRIDGE]
    measure(log, BRIDGE)
    assert due(log) == []


def test_rest_of_a_later_set_is_due_although_the_earlier_one_was_whole(log, tmp_path):
    measure(log, DIRECT, BRIDGE)
    finish_cells(tmp_path, "n1/size60/rep1.json", "n1/size800/rep1.json", later_by_s=10)
    log.add(control("direct", started_at="2026-01-02T04:00:00.000+00:00"))
    assert len(log.controls()) == 3
    for path in (tmp_path / "controls").glob("20260102T04*"):
        os.utime(path, (path.stat().st_mtime + 20,) * 2)
    assert due(log, every=2) == [BRIDGE]


def test_controls_of_other_frame_sizes_do_not_stand_for_the_wanted_ones(log):
    measure(log, ("direct", 800), ("bridge", 800))
    assert due(log) == [DIRECT, BRIDGE]


def test_controls_come_back_as_they_were_measured_in_the_order_of_time(log):
    later, earlier = control(started_at="2026-01-02T04:00:00.250+00:00"), control("direct")
    names = [log.add(later), log.add(earlier)]
    assert names == ["20260102T040000250Z-bridge-60B.json", "20260102T030000000Z-direct-60B.json"]
    assert log.controls() == [earlier, later]


def test_record_that_cannot_be_read_is_named(log, tmp_path):
    (tmp_path / "controls" / log.add(control())).write_text("{")
    with pytest.raises(RecordError, match=r"bridge-60B\.json"):
        due(log)
