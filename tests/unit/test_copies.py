"""Results that were copied here get one time for all files; those that were made here keep theirs."""

import os
import shutil

import pytest
from middlebench.run.copies import adopt_copies, note_origin
from sweeps import write_results


@pytest.fixture
def folder(tmp_path):
    """Results whose provision record is younger than their cells."""
    write_results(tmp_path / "results")
    folder = tmp_path / "results/made"
    for path in folder.rglob("*"):
        os.utime(path, (1000, 1000))
    os.utime(folder / "provision.json", (2000, 2000))
    return folder


def times(folder):
    return {path.stat().st_mtime for path in folder.rglob("*.json")}


def test_results_made_here_are_left_as_they_are(folder):
    note_origin(folder)
    assert adopt_copies([folder]) == []
    assert times(folder) == {1000, 2000}


def test_copied_results_get_one_time_once(folder, tmp_path):
    note_origin(folder)
    copy = tmp_path / "copy/made"
    shutil.copytree(folder, copy)
    assert adopt_copies([copy]) == [copy]
    assert len(times(copy)) == 1
    assert adopt_copies([copy]) == []


def test_folder_without_a_provision_record_is_passed_over(tmp_path):
    assert adopt_copies([tmp_path, tmp_path / "absent"]) == []
    assert list(tmp_path.iterdir()) == []
