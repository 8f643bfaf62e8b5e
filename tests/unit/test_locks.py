import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from middlebench.system.errors import LockError
from middlebench.system.locks import lock, lock_ended

HOLD = """
import sys
from pathlib import Path
from middlebench.system.locks import lock
with lock(Path(sys.argv[1]), "a long sweep", takes_s=float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""
TAKE = """
import sys
from pathlib import Path
from middlebench.system.locks import lock
with lock(Path(sys.argv[1]), "one cell"):
    print("taken")
"""


@contextmanager
def another_holder(path, takes_s: float = 0) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(takes_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def demand_free(path) -> None:
    with lock(path, "a second run"):
        pass


def test_second_process_is_told_who_holds_the_lock(tmp_path):
    path = tmp_path / "lock"
    with another_holder(path) as holder:
        with pytest.raises(LockError) as caught, lock(path, "a second run"):
            pytest.fail("two had the lock")
        message = str(caught.value)
        assert "a second run" in message
        assert f"process {holder.pid}" in message
        assert "for a long sweep" in message
        assert getpass.getuser() in message
        assert "wait for it to end" in message


def test_second_process_waits_when_told_to(tmp_path):
    path = tmp_path / "lock"
    told = []
    with another_holder(path) as holder:

        def tell(message: str) -> None:
            told.append(message)
            holder.stdin.close()  # which ends the holder

        with lock(path, "a second run", wait_s=60, tell=tell):
            assert holder.wait() == 0
    assert len(told) == 1
    assert f"process {holder.pid}" in told[0]


def test_waiting_ends_with_an_error_when_the_holder_stays(tmp_path):
    path = tmp_path / "lock"
    with (
        another_holder(path),
        pytest.raises(LockError, match="a long sweep"),
        lock(path, "a second run", wait_s=0.01),
    ):
        pytest.fail("two had the lock")


def test_holder_is_waited_for_as_long_as_it_said_that_it_may_take(tmp_path):
    path = tmp_path / "lock"
    with another_holder(path, takes_s=3600) as holder:

        def tell(_: str) -> None:
            holder.stdin.close()  # which ends the holder, when a wait of a nanosecond is long over

        with lock(path, "a second run", wait_s=1e-9, tell=tell):
            assert holder.wait() == 0


def test_run_that_does_not_wait_leaves_at_once_however_long_the_holder_may_take(tmp_path):
    path = tmp_path / "lock"
    with another_holder(path, takes_s=3600), pytest.raises(LockError, match="a long sweep"):
        demand_free(path)


def test_lease_is_free_when_its_holder_ended(tmp_path):
    path = tmp_path / "lock"
    with another_holder(path):
        pass
    demand_free(path)


def test_lease_is_free_when_its_holder_was_killed(tmp_path):
    path = tmp_path / "lock"
    with another_holder(path) as holder:
        holder.kill()
        holder.wait()
        demand_free(path)


def test_error_inside_gives_the_lease_back(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), lock(path, "a run that fails"):
        raise ZeroDivisionError
    with another_holder(path):
        pass


@pytest.mark.parametrize("generation", ["child", "grandchild"])
def test_process_below_the_holder_is_let_in(tmp_path, generation):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", TAKE, str(path)]
    if generation == "grandchild":
        command = ["sh", "-c", '"$@"; exit $?', "sh", *command]
    with lock(path, "a run with jobs"):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.stdout, result.stderr) == ("taken\n", "")
        assert json.loads(path.read_text())["pid"] == os.getpid(), "the lock is still the holder's"


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_damaged_lock_file_still_keeps_others_out(tmp_path, content):
    path = tmp_path / "lock"
    with another_holder(path):
        path.write_text(content)
        with pytest.raises(LockError, match="another process has locked it"):
            demand_free(path)


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.mark.parametrize("preface", ["", STUBBORN], ids=["ends when asked", "must be killed"])
def test_holder_of_a_lock_is_ended_and_its_lock_taken(tmp_path, preface):
    path, told = tmp_path / "lock", []
    argv = [sys.executable, "-c", preface + HOLD, str(path), "3600"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with lock_ended(path, "taking down", wait_s=1.0, tell=told.append):
            assert process.wait(30) < 0
            assert json.loads(path.read_text())["pid"] == os.getpid()
        assert str(process.pid) in told[0]


def test_holder_on_another_computer_is_not_ended(tmp_path):
    path = tmp_path / "lock"
    with another_holder(path) as holder:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere"}))
        with pytest.raises(LockError), lock_ended(path, "taking down", wait_s=1.0):
            pytest.fail("two had the lock")
        assert holder.poll() is None


def test_error_of_what_is_done_under_an_ended_lock_is_its_own(tmp_path):
    with pytest.raises(ZeroDivisionError), lock_ended(tmp_path / "lock", "taking down", wait_s=1.0):
        raise ZeroDivisionError
