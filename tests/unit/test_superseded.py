"""A record that another takes the place of is moved aside, whatever it is."""

import pytest
from middlebench.analysis.measurements import record_path
from middlebench.model import record
from middlebench.run.archive import set_aside, set_aside_what_is_made_anew
from snakemake.exceptions import WorkflowError
from snakemake.persistence.file import FilePersistence
from sweeps import ENVIRONMENT, write_results
from sweeps import record as measured


def put(results, values):
    path = results / record_path(1, 800, 1)
    record.write(values, path)
    path.with_name("rep1.generator.txt").write_text("what the generator said")
    return path


def test_record_and_its_raw_output_move_to_their_environment(tmp_path):
    path = put(tmp_path, measured())
    before = path.read_bytes()
    raw, moved = set_aside(path, tmp_path)
    assert list(path.parent.iterdir()) == []
    assert moved == tmp_path / f"superseded/{ENVIRONMENT.id}/cells/n1/size800/rep1.20260102T030100.json"
    assert moved.read_bytes() == before
    assert raw.name == "rep1.20260102T030100.generator.txt"
    assert raw.parent == moved.parent


def test_records_of_other_repetitions_stay(tmp_path):
    path = put(tmp_path, measured())
    other = path.with_name("rep10.json")
    other.write_text("{}")
    set_aside(path, tmp_path)
    assert list(path.parent.iterdir()) == [other]


def test_two_records_of_one_cell_are_both_kept(tmp_path):
    for moment in ("2026-01-02T03:00:00+00:00", "2026-01-02T03:00:05+00:00"):
        set_aside(put(tmp_path, measured().model_copy(update={"started_at": moment})), tmp_path)
    assert len(list(tmp_path.glob(f"superseded/{ENVIRONMENT.id}/cells/n1/size800/*.json"))) == 2


def test_file_that_is_no_record_is_kept_all_the_same(tmp_path):
    path = put(tmp_path, measured())
    path.write_text("[]")
    _, moved = set_aside(path, tmp_path)
    assert moved.parent == tmp_path / "superseded/unknown/cells/n1/size800"
    assert moved.read_text() == "[]"


def test_nothing_happens_where_there_is_no_record(tmp_path):
    assert set_aside(tmp_path / "cells/n1/size800/rep1.json", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_records_of_other_kinds_keep_their_environment_and_moment(tmp_path):
    write_results(tmp_path)
    results = tmp_path / "made"
    before = (results / "deployments/n1.json").read_bytes()
    (deployed,) = set_aside(results / "deployments/n1.json", results)
    assert deployed == results / f"superseded/{ENVIRONMENT.id}/deployments/n1.20260102T030000.json"
    assert deployed.read_bytes() == before
    (provisioned,) = set_aside(results / "provision.json", results)
    assert provisioned.parent == results / f"superseded/{ENVIRONMENT.id}"
    assert (results / "measurements.csv").exists()


@pytest.fixture
def persistence(tmp_path):
    """Snakemake's own, told to move what is made anew."""
    persistence = FilePersistence(path=tmp_path / ".snakemake")
    set_aside_what_is_made_anew(persistence, tmp_path)
    return persistence


def test_record_about_to_be_made_anew_is_moved_and_never_put_back(tmp_path, persistence):
    results = tmp_path / "made"
    path = put(results, measured())
    before = path.read_bytes()
    persistence.backup_output(path)
    assert list(path.parent.iterdir()) == []
    assert not persistence.restore_output(path)
    assert not path.exists()
    (kept,) = results.glob("superseded/*/cells/n1/size800/*.json")
    assert kept.read_bytes() == before


def test_copy_that_a_killed_run_left_never_comes_back(tmp_path, persistence):
    path = put(tmp_path / "made", measured())
    FilePersistence(path=tmp_path / ".snakemake").backup_output(path)
    path.unlink()
    assert not persistence.restore_output(path)
    assert not path.exists()


def test_record_that_cannot_be_moved_stops_the_job_and_stays(tmp_path, persistence):
    path = put(tmp_path / "made", measured())
    (tmp_path / "made/superseded").write_text("in the way")
    with pytest.raises(WorkflowError, match=r"rep1\.json aside(.|\n)*what to try"):
        persistence.backup_output(path)
    assert path.exists()
