import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from middlebench.system.processes import ProcessIdentity, ancestors


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_live_process_has_an_identity_and_is_alive(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity is not None
    assert identity.is_alive()


def test_ended_process_has_none(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert ProcessIdentity.of(sleeper.pid) is None
    assert not identity.is_alive()


def test_zombie_is_not_alive(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it has ended; nobody has collected it
    assert ProcessIdentity.of(sleeper.pid) is None
    assert not identity.is_alive()


@pytest.mark.parametrize("name", ["a) Z 1 (b", "two words"])
def test_name_of_a_process_cannot_mislead(tmp_path, name):
    program = shutil.copy(shutil.which("sleep"), tmp_path / name)
    with subprocess.Popen([program, "600"]) as process:
        identity = ProcessIdentity.of(process.pid)
        assert ancestors(process.pid)[0] == os.getpid()
        process.kill()
    assert identity.started_ticks >= ProcessIdentity.of(os.getpid()).started_ticks


def test_kill_ends_the_process(sleeper):
    assert ProcessIdentity.of(sleeper.pid).kill()
    assert sleeper.wait() == -9


def test_kill_of_an_ended_process_is_no_error(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert identity.kill()


@pytest.mark.parametrize("change", ["started_ticks", "boot_id"])
def test_later_process_of_the_same_number_is_never_killed(sleeper, change):
    real = ProcessIdentity.of(sleeper.pid)
    earlier = {"started_ticks": real.started_ticks - 1, "boot_id": "another boot"}[change]
    stale = ProcessIdentity(**(vars(real) | {change: earlier}))
    assert not stale.is_alive()
    assert stale.kill()
    assert real.is_alive()


def test_ancestors_lead_from_the_parent_to_the_first_process():
    script = "import os; from middlebench.system.processes import ancestors; print(*ancestors(os.getpid()))"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    found = [int(word) for word in said.split()]
    assert found == [os.getpid(), *ancestors(os.getpid())]
    assert found[1] == os.getppid()
