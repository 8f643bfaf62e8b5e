import os

import pytest
from middlebench.controls.log import ControlLog
from middlebench.errors import RecordError
from sweeps import control


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


def test_controls_are_due_before_the_first_cell(log):
    assert log.due("a run", every=48)


def test_controls_are_due_again_after_so_many_cells_and_not_before(log, tmp_path):
    log.add(control(session="a run"))
    finish_cells(tmp_path, "n1/size60/rep1.json", "n1/size800/rep1.json", later_by_s=-10)
    assert not log.due("a run", every=2)
    finish_cells(tmp_path, "n1/size60/rep2.json", later_by_s=10)
    assert not log.due("a run", every=2)
    finish_cells(tmp_path, "n2/size60/rep1.json", later_by_s=10)
    assert log.due("a run", every=2)


def test_every_run_begins_with_controls_of_its_own(log):
    log.add(control(session="a run"))
    assert not log.due("a run", every=48)
    assert log.due("another run", every=48)


def test_controls_come_back_as_they_were_measured_in_the_order_of_time(log):
    later, earlier = control(started_at="2026-01-02T04:00:00.250+00:00"), control("direct")
    names = [log.add(later), log.add(earlier)]
    assert names == ["20260102T040000250Z-bridge-60B.json", "20260102T030000000Z-direct-60B.json"]
    assert log.controls() == [earlier, later]


def test_record_that_cannot_be_read_is_named(log, tmp_path):
    (tmp_path / "controls" / log.add(control())).write_text("{")
    with pytest.raises(RecordError, match=r"bridge-60B\.json"):
        log.due("a run", every=48)
