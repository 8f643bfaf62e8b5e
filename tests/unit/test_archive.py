"""A record that another takes the place of is moved to the archive, whatever it is."""

import pytest
from middlebench.model import record_file
from middlebench.run.archive import archive, archive_outputs
from middlebench.system.errors import RecordError
from sweeps import ENVIRONMENT, write_results
from sweeps import record as measured


def put(results, values):
    path = results / values.cell.path
    record_file.write(values, path)
    path.with_name("rep1.generator.txt").write_text("what the generator said")
    return path


def test_record_and_its_raw_output_move_to_their_environment(tmp_path):
    path = put(tmp_path, measured())
    before = path.read_bytes()
    raw, moved = archive(path, tmp_path)
    assert list(path.parent.iterdir()) == []
    assert moved == tmp_path / f"archive/{ENVIRONMENT.id}/cells/n1/size800/rep1.20260102T030100.json"
    assert moved.read_bytes() == before
    assert raw.name == "rep1.20260102T030100.generator.txt"
    assert raw.parent == moved.parent


def test_records_of_other_repetitions_stay(tmp_path):
    path = put(tmp_path, measured())
    other = path.with_name("rep10.json")
    other.write_text("{}")
    archive(path, tmp_path)
    assert list(path.parent.iterdir()) == [other]


def test_two_records_of_one_cell_are_both_kept(tmp_path):
    for moment in ("2026-01-02T03:00:00+00:00", "2026-01-02T03:00:05+00:00"):
        archive(put(tmp_path, measured().model_copy(update={"started_at": moment})), tmp_path)
    assert len(list(tmp_path.glob(f"archive/{ENVIRONMENT.id}/cells/n1/size800/*.json"))) == 2


def test_file_that_is_no_record_is_kept_all_the_same(tmp_path):
    path = put(tmp_path, measured())
    path.write_text("[]")
    _, moved = archive(path, tmp_path)
    assert moved.parent == tmp_path / "archive/unknown/cells/n1/size800"
    assert moved.read_text() == "[]"


def test_nothing_happens_where_there_is_no_record(tmp_path):
    assert archive(tmp_path / "cells/n1/size800/rep1.json", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_records_of_other_kinds_keep_their_environment_and_moment(tmp_path):
    write_results(tmp_path)
    results = tmp_path / "made"
    before = (results / "deployments/n1.json").read_bytes()
    (deployed,) = archive(results / "deployments/n1.json", results)
    assert deployed == results / f"archive/{ENVIRONMENT.id}/deployments/n1.20260102T030000.json"
    assert deployed.read_bytes() == before
    (provisioned,) = archive(results / "provision.json", results)
    assert provisioned.parent == results / f"archive/{ENVIRONMENT.id}"
    assert (results / "measurements.csv").exists()


def test_records_among_the_outputs_to_come_are_archived_and_nothing_else(tmp_path):
    results = tmp_path / "made"
    path = put(results, measured())
    before = path.read_bytes()
    table = results / "measurements.csv"
    table.write_text("")
    archive_outputs(map(str, (path, table, results / "report" / "index.html", tmp_path / "build.json")), tmp_path)
    assert not path.exists()
    assert table.exists()
    (kept,) = results.glob("archive/*/cells/n1/size800/*.json")
    assert kept.read_bytes() == before


def test_record_that_cannot_be_moved_is_named_and_stays(tmp_path):
    path = put(tmp_path / "made", measured())
    (tmp_path / "made/archive").write_text("in the way")
    with pytest.raises(RecordError, match=r"rep1\.json"):
        archive_outputs([str(path)], tmp_path)
    assert path.exists()
