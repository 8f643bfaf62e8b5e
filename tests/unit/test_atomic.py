import os
import stat
from pathlib import Path

import pytest
from middlebench.system import files as atomic


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_file_holds_the_data_and_is_alone(tmp_path):
    atomic.write_bytes(tmp_path / "file", b"\0\xff new")
    assert (tmp_path / "file").read_bytes() == b"\0\xff new"
    assert files_in(tmp_path) == ["file"]


def test_text_is_written_as_utf_8(tmp_path):
    atomic.write_text(tmp_path / "file", "µs → kpkt/s")
    assert (tmp_path / "file").read_bytes() == "µs → kpkt/s".encode()


def test_missing_folders_are_made(tmp_path):
    atomic.write_text(tmp_path / "n1" / "size60" / "rep1.json", "{}")
    assert (tmp_path / "n1" / "size60" / "rep1.json").read_text() == "{}"


def test_others_may_read_a_written_file(tmp_path):
    atomic.write_text(tmp_path / "file", "text")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_failing_write_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, step, problem):
    (tmp_path / "file").write_text("old")

    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(step, fail)
    with pytest.raises(type(problem)):
        atomic.write_text(tmp_path / "file", "new")
    monkeypatch.undo()
    assert (tmp_path / "file").read_text() == "old"
    assert files_in(tmp_path) == ["file"]


def test_data_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    seen_at_sync = []
    sync = os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: (seen_at_sync.append((tmp_path / "file").exists()), sync(handle)))
    atomic.write_text(tmp_path / "file", "text")
    assert seen_at_sync == [False]
