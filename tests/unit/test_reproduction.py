"""Packed results are unpacked without what is made of them, and that is compared byte by byte once it is made anew."""

import zipfile

import pytest
from middlebench.analysis.report.reproduction import differing, unpack
from middlebench.system.errors import RecordError
from sweeps import write_results

MADE = {"tables/table1.csv": b"a,b", "figures/fig5.svg": b"<svg/>", "law.json": b"{}", "report/index.html": b"page"}


@pytest.fixture
def archive(tmp_path):
    write_results(tmp_path / "results")
    folder = tmp_path / "results/made"
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as packed:
        for path in folder.rglob("*.json"):
            packed.write(path, path.relative_to(folder))
        for name, content in MADE.items():
            packed.writestr(name, content)
    return tmp_path / "made.zip"


def test_records_are_unpacked_and_nothing_that_is_made_of_them(archive, tmp_path):
    folder = unpack(archive, tmp_path / "anew")
    assert folder == tmp_path / "anew/made"
    assert len(list(folder.glob("cells/**/rep1.json"))) == 9
    assert [name for name in MADE if (folder / name).exists()] == []


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
