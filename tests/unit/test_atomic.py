import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
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


@pytest.fixture
def umask() -> Iterator[Callable[[int], object]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_a_written_file_is_for_the_users_umask_to_say(tmp_path, umask, mask, mode):
    umask(mask)
    atomic.write_text(tmp_path / "file", "text")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_file_systems_that_refuse_to_change_modes_are_written_to(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, refuse)
    atomic.write_text(tmp_path / "folder" / "file", "text")
    assert files_in(tmp_path / "folder") == ["file"]


def test_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "results"))):
        atomic.write_text(tmp_path / "results" / "n1" / "rep1.json", "{}")


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
