import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.sites.namespaces import partition
from middlebench.sites.shared import holder
from middlebench.sites.shared.holder_process import idle, state_is_ours


@pytest.fixture
def lock(tmp_path):
    """The file of a lock that was taken long ago."""
    path = tmp_path / "lock"
    path.touch()
    os.utime(path, (0, 0))
    return path


def test_holder_is_idle_when_the_lease_was_taken_long_ago(lock):
    assert idle(lock, 900)


def test_holder_is_not_idle_soon_after_the_lease_was_taken(lock):
    os.utime(lock)
    assert not idle(lock, 900)


def test_holder_is_not_idle_while_somebody_has_the_lock(lock):
    with lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert not idle(lock, 900)


def test_nobody_can_take_the_lease_from_a_holder_about_to_end(lock):
    assert idle(lock, 900)
    with lock.open() as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_holder_is_idle_when_its_lease_is_gone(lock):
    lock.unlink()
    assert idle(lock, 900)


@pytest.mark.parametrize(("text", "ours"), [('{"pid": 7}', True), ('{"pid": 8}', False), ("", False), ("{}", False)])
def test_state_names_the_one_holder_that_can_be_found(tmp_path, text, ours):
    (tmp_path / "holder.json").write_text(text)
    assert state_is_ours(tmp_path / "holder.json", 7) is ours


def test_holder_without_a_state_file_cannot_be_found(tmp_path):
    assert not state_is_ours(tmp_path / "holder.json", 7)


@given(st.sets(st.integers(min_value=0, max_value=1023), min_size=2))
def test_processors_are_shared_out_without_overlap(available):
    test_computer, server = partition(sorted(available))
    assert sorted([*test_computer, *server]) == sorted(available)
    assert len(test_computer) in (1, 2)
    assert server


def test_only_processor_is_shared_by_both_computers():
    assert partition([3]) == ((3,), (3,))


def test_settings_that_forbid_user_namespaces_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(holder, "may_administer", lambda: False)
    assert holder.restriction_advice(tmp_path) == ""
    for folder, name, value in (
        ("kernel", "unprivileged_userns_clone", "0"),
        ("kernel", "apparmor_restrict_unprivileged_userns", "1"),
        ("user", "max_user_namespaces", "63000"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(f"{value}\n")
    said = holder.restriction_advice(tmp_path)
    assert "sysctl kernel.unprivileged_userns_clone=1" in said
    assert "sysctl kernel.apparmor_restrict_unprivileged_userns=0" in said
    assert "max_user_namespaces" not in said
    monkeypatch.setattr(holder, "may_administer", lambda: True)
    assert holder.restriction_advice(tmp_path) == ""


def test_what_lies_below_run_is_kept_there(monkeypatch):
    monkeypatch.setattr(holder, "runtime_folder", lambda: Path("/run/user/4711/a b"))
    monkeypatch.chdir("/")
    assert holder.kept_of_run() == ["/run/user/4711/a b"]
    monkeypatch.setattr(holder, "runtime_folder", lambda: Path("/tmp/mb"))
    assert holder.kept_of_run() == []
