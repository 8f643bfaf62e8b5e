"""Packed results are unpacked without what is made of them, and that is compared byte by byte once it is made anew."""

import zipfile

import pytest
from middlebench.analysis.report.crate import CHECKSUMS
from middlebench.analysis.report.crate_files import INPUTS
from middlebench.analysis.report.reproduction import differing, unpack
from middlebench.system.errors import RecordError
from middlebench.system.files import write_text
from sweeps import STUDY, write_results

MADE = {"tables/table1.csv": b"a,b", "figures/fig5.svg": b"<svg/>", "law.json": b"{}", "report/index.html": b"page"}
BESIDE = {"tables/comparison_other.csv": b"a,b", "tables/laws_local.csv": b"a,b"}
"""What is made with results that are not packed."""


@pytest.fixture
def archive(tmp_path):
    write_results(tmp_path / "results")
    folder = tmp_path / "results/made"
    study = STUDY.model_copy(update={"testbeds": ("made", "other"), "compare_with": ("../colleague/local.zip",)})
    write_text(folder / INPUTS / "study.json", study.model_dump_json())
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as packed:
        for path in folder.rglob("*.json"):
            packed.write(path, path.relative_to(folder))
        for name, content in (MADE | BESIDE).items():
            packed.writestr(name, content)
    return tmp_path / "made.zip"


def test_records_are_unpacked_and_nothing_that_is_made_of_them(archive, tmp_path):
    folder = unpack(archive, tmp_path / "anew")
    assert folder == tmp_path / "anew/made"
    assert len(list(folder.glob("cells/**/rep1.json"))) == 9
    assert [name for name in MADE if (folder / name).exists()] == []


def test_damaged_file_of_an_archive_is_named(archive, tmp_path):
    path = "cells/n1/size60/rep1.json"
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(CHECKSUMS, f"{'0' * 64}  {path}\n")
    with pytest.raises(RecordError, match="not those that were packed"):
        unpack(archive, tmp_path / "anew")


def test_what_is_missing_or_differs_is_named(archive, tmp_path):
    folder = unpack(archive, tmp_path / "anew")
    assert differing(archive, folder) == (3, ["tables/table1.csv", "figures/fig5.svg", "law.json"])
    for name, content in MADE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    assert differing(archive, folder) == (3, [])
    (folder / "figures/fig5.svg").write_bytes(b"<svg />")
    assert differing(archive, folder) == (3, ["figures/fig5.svg"])


def test_results_that_are_there_are_left_alone(archive, tmp_path):
    with pytest.raises(RecordError, match="there already"):
        unpack(archive, tmp_path / "results")


@pytest.mark.parametrize("content", [b"no archive", None])
def test_archive_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "other.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("readme", "words")
    else:
        path.write_bytes(content)
    with pytest.raises(RecordError, match="no packed results"):
        unpack(path, tmp_path / "anew")
