"""Commands that a Python which stands ready runs for others: as if they ran it themselves."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from helpers import PROJECT, eventually
from middlebench.system.handover import JOBS, TERMINAL
from middlebench.system.processes import ProcessIdentity, ancestors

SERVER = """
import os, socket, sys
from middlebench.hosts.shared.usage_agent import end_with_parent
from middlebench.system.standing_python import Standing, end_with
calls = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
calls.bind(sys.argv[1])
Standing(calls, lambda asked: None if "refuse" in asked["argv"] else asked, socket.socket(fileno=os.dup(0))).serve()
end_with_parent()
end_with(lambda: exec(sys.argv[1]))
"""
CLIENT = """
import os, sys
from middlebench.system.handover import hand_over
status = hand_over(os.environ["SOCKET"])
sys.exit("nobody took it" if status is None else status)
"""
TELL_ALL = """
import json, os, sys
here = {"argv": sys.argv[2:], "folder": os.getcwd(), "umask": os.umask(0), "environment": dict(os.environ)}
print("said", file=sys.stderr)
os.write(3, b"told")
print(json.dumps(here | {"heard": sys.stdin.read(), "group": os.getpgrp() == os.getpid()}))
sys.exit(7)
"""
WAIT = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


class Standing:
    """A Python that stands ready."""

    def __init__(self, path: Path, *words: str) -> None:
        self.path = path
        self.lifeline, theirs = socket.socketpair()
        options = {"stdin": theirs, "stdout": subprocess.DEVNULL}
        with theirs:
            self.process = subprocess.Popen([sys.executable, *words, str(path)], **options)
        eventually(path.exists, "it stands ready")

    def end(self) -> None:
        self.lifeline.close()
        self.process.kill()
        self.process.wait()

    def hand_over(self, *argv: str, **options: object) -> subprocess.Popen[str]:
        """Start a process that hands its command over: some lines of Python and their words."""
        options = {"stdout": subprocess.PIPE, "text": True, **options}
        environment = {**os.environ, "SOCKET": str(self.path), **options.pop("env", {})}
        return subprocess.Popen([sys.executable, "-c", CLIENT, *argv], env=environment, **options)


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    there = Standing(tmp_path / "calls", "-c", SERVER)
    yield there
    there.end()


def pid_told(stream: IO[str] | None) -> int:
    """Return the process id that a command prints first."""
    assert stream is not None
    return int(stream.readline())


def takes_calls(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as caller:
        return caller.connect_ex(str(path)) == 0


def gone(pid: int) -> bool:
    return ProcessIdentity.of(pid) is None


def test_command_has_all_that_its_own_process_would_have(standing, tmp_path):
    terminal, end = os.pipe()
    own = {"A": "\udcff", "B": "b", TERMINAL: str(end)}
    options = {"cwd": tmp_path, "umask": 0o027, "pass_fds": [end], "stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with standing.hand_over(TELL_ALL, "word", "two words", env=own, **options) as client:
        printed, said = client.communicate("heard")
    here = json.loads(printed)
    assert client.returncode == 7
    assert (said, os.read(terminal, 99), here["heard"], here["group"]) == ("said\n", b"told", "heard", True)
    assert (here["argv"], here["folder"], here["umask"]) == (["word", "two words"], str(tmp_path), 0o027)
    assert here["environment"] == {**os.environ, "SOCKET": str(standing.path), **own, TERMINAL: "3"}
    os.close(terminal)
    os.close(end)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_reaches_the_command_and_ends_both(standing, number):
    with standing.hand_over("import signal; signal.signal(2, signal.SIG_DFL);" + WAIT) as client:
        pid = pid_told(client.stdout)
        client.send_signal(number)
    assert client.returncode == -number
    assert gone(pid)


def test_command_that_heeds_a_signal_says_how_it_ends(standing):
    heed = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3));"
    with standing.hand_over(heed + WAIT) as client:
        pid_told(client.stdout)
        client.terminate()
    assert client.returncode == 3


def test_command_stops_and_goes_on_with_who_asked_for_it(standing):
    def state(pid: int) -> str:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]

    with standing.hand_over(WAIT) as client:
        pid = pid_told(client.stdout)
        client.send_signal(signal.SIGTSTP)
        eventually(lambda: state(pid) == state(client.pid) == "T", "both are stopped")
        client.send_signal(signal.SIGCONT)
        eventually(lambda: state(pid) != "T" != state(client.pid), "both go on")
        client.kill()


def test_command_is_killed_with_who_asked_for_it(standing):
    with standing.hand_over(WAIT) as client:
        pid = pid_told(client.stdout)
        client.kill()
    eventually(lambda: gone(pid), "the command has ended")


def test_command_is_killed_with_who_runs_it(standing):
    with standing.hand_over(WAIT) as client:
        pid = pid_told(client.stdout)
        standing.process.kill()
    assert client.returncode == -signal.SIGKILL
    eventually(lambda: gone(pid), "the command has ended")


def test_command_is_below_who_let_one_stand_ready(standing):
    """The locks of a run are its jobs' too."""
    with standing.hand_over("import os; print(os.getpid()); os.read(0, 1)", stdin=subprocess.PIPE) as client:
        assert os.getpid() in ancestors(pid_told(client.stdout))


def test_nobody_stands_ready_behind_the_last_command_of_a_run_that_ended(standing):
    with standing.hand_over(WAIT) as client:
        pid = pid_told(client.stdout)
        standing.lifeline.close()
        eventually(lambda: not takes_calls(standing.path), "no call is taken any more")
        with standing.hand_over(WAIT, stderr=subprocess.PIPE) as late:
            assert late.communicate() == ("", "nobody took it\n")
        assert not gone(pid)
        client.terminate()
    assert standing.process.wait(10) == 0


@pytest.mark.parametrize("where", ["refused", "missing", "a file"])
def test_who_is_not_served_does_its_own_work(standing, tmp_path, where):
    if where != "refused":
        standing.path = tmp_path / where
        (tmp_path / "a file").touch()
    with standing.hand_over("refuse", stderr=subprocess.PIPE) as client:
        assert client.communicate() == ("", "nobody took it\n")


def test_jobs_are_run_by_the_python_of_their_run_until_the_library_changes(tmp_path):
    library = tmp_path / "middlebench"
    shutil.copytree(PROJECT / "workflow" / "middlebench", library)
    line = library / "commands" / "line.py"
    begin = "    surroundings.prepare()\n"
    line.write_text(line.read_text("utf-8").replace(begin, f"{begin}    print(os.getppid(), flush=True)\n"))
    load = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from middlebench.commands.standing import main"
    there = Standing(tmp_path / "calls", "-c", f"{load}; main()")
    pack = ["-m", "middlebench", "pack", "--folder", str(tmp_path), "--output", str(tmp_path / "x.zip")]
    environment = {**os.environ, JOBS: str(there.path), "PYTHONPATH": str(tmp_path)}

    def parent() -> int:
        """Pack what is no crate; return whose child did it."""
        options = {"env": environment, "capture_output": True, "text": True}
        done = subprocess.run([sys.executable, *pack], check=False, **options)
        assert done.returncode == 9
        assert str(tmp_path) in done.stderr
        return int(done.stdout)

    try:
        assert parent() == there.process.pid
        os.utime(library / "system" / "errors.py", (0, 0))
        assert parent() == os.getpid()
    finally:
        there.end()
