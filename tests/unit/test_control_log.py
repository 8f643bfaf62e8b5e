import os

import pytest
from middlebench.model.controls import ControlLog, Series
from middlebench.model.record_file import write
from middlebench.model.sequence import Sequence
from middlebench.system.errors import RecordError
from sweeps import control, record

DIRECT, BRIDGE = Series("back-to-back", 60), Series("switch-only", 60)


@pytest.fixture
def log(tmp_path):
    return ControlLog(tmp_path)


def finish_cells(results, number):
    """Measure so many cells: each takes a number."""
    for _ in range(number):
        Sequence(results).next()


def due(log, session="a run", every=48):
    return log.due(session, every, [DIRECT, BRIDGE])


def measure(log, *series, session="a run"):
    for kind, size in series:
        log.add(control(kind, size, session=session))


def test_whole_set_is_due_before_the_first_cell(log):
    assert due(log) == [DIRECT, BRIDGE]


def test_controls_are_due_again_after_so_many_cells_and_not_before(log, tmp_path):
    finish_cells(tmp_path, 2)
    measure(log, DIRECT, BRIDGE)
    assert due(log, every=2) == []
    finish_cells(tmp_path, 1)
    assert due(log, every=2) == []
    finish_cells(tmp_path, 1)
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
    finish_cells(tmp_path, 2)
    measure(log, DIRECT)
    assert len(log.controls()) == 3
    assert due(log, every=2) == [BRIDGE]


def test_controls_of_other_frame_sizes_do_not_stand_for_the_wanted_ones(log):
    measure(log, ("back-to-back", 800), ("switch-only", 800))
    assert due(log) == [DIRECT, BRIDGE]


def test_controls_come_back_in_the_order_of_measuring_though_the_clock_was_stepped_back(log):
    later, earlier = control(started_at="2026-01-02T04:00:00.250+00:00"), control("back-to-back")
    names = [log.add(later), log.add(earlier)]
    assert names == ["000001-switch-only-60B.json", "000002-back-to-back-60B.json"]
    assert [each.started_at for each in log.controls()] == [later.started_at, earlier.started_at]
    assert [each.sequence for each in log.controls()] == [1, 2]


def test_clock_that_was_stepped_back_ends_no_controls(log, tmp_path):
    measure(log, DIRECT, BRIDGE)
    for path in (tmp_path / "controls").iterdir():
        os.utime(path, (path.stat().st_mtime + 3600,) * 2)
    finish_cells(tmp_path, 2)
    assert due(log, every=2) == [DIRECT, BRIDGE]


def test_numbers_go_on_from_the_records_where_their_file_is_gone(log, tmp_path):
    measure(log, DIRECT)
    cell = record(1, 60)
    write(cell.model_copy(update={"sequence": 7}), tmp_path / "cells/n1/size60/rep1.json")
    (tmp_path / "controls" / "sequence").unlink()
    assert Sequence(tmp_path).next() == 8


def test_record_that_cannot_be_read_is_named(log, tmp_path):
    (tmp_path / "controls" / log.add(control())).write_text("{")
    with pytest.raises(RecordError, match=r"switch-only-60B\.json"):
        due(log)
