"""Cells that carry a flag are moved, whole, and no others; nothing is deleted."""

import pytest
from middlebench.analysis.flags import DRIFT
from middlebench.errors import RecordError
from middlebench.record import write
from middlebench.run.again import set_flagged_aside
from sweeps import record, write_results


@pytest.fixture
def results(tmp_path):
    """Results of three cells, of which the first two carry the flag, each with its raw output."""
    cells = [record(repetition=k, flags=(DRIFT,) if k < 3 else ()) for k in (1, 2, 3)]
    write_results(tmp_path, cells=cells)
    for k in (1, 2, 3):
        (tmp_path / f"made/cells/n1/size800/rep{k}.generator.txt").write_text(f"raw {k}")
    return tmp_path / "made"


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("**/rep*")}


def test_flagged_cells_move_with_all_their_files_and_the_others_stay(results):
    before = files(results)
    moved = set_flagged_aside(results, DRIFT)
    assert [path.name for path in moved] == ["rep1.json", "rep2.json"]
    assert {path.name for path in (results / "cells/n1/size800").iterdir()} == {"rep3.json", "rep3.generator.txt"}
    assert sorted(files(results).values()) == sorted(before.values())


def test_cell_that_was_measured_again_since_stays(results):
    newer = record(repetition=1).model_copy(update={"started_at": "2026-02-03T04:05:06.789+00:00"})
    write(newer, results / "cells/n1/size800/rep1.json")
    told = []
    assert [path.name for path in set_flagged_aside(results, DRIFT, told.append)] == ["rep2.json"]
    assert "rep1.json" in told[0]


def test_second_call_moves_nothing(results):
    set_flagged_aside(results, DRIFT)
    before = files(results)
    assert set_flagged_aside(results, DRIFT) == []
    assert files(results) == before


def test_record_that_cannot_be_read_is_named_and_nothing_of_it_moves(results):
    (results / "cells/n1/size800/rep1.json").write_text("{")
    with pytest.raises(RecordError, match=r"rep1\.json"):
        set_flagged_aside(results, DRIFT)
    assert (results / "cells/n1/size800/rep1.generator.txt").exists()
