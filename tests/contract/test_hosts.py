"""What every host must do, on this machine, in a namespace of it, and over SSH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import compose, eventually
from middlebench.hosts.base import Host
from middlebench.hosts.local import LocalHost
from middlebench.hosts.ssh import SshHost
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError
from middlebench.testbed import site_of
from ssh_server import Home, needs_sshd, running_sshd

HOSTILE = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "$HOME",
    "`id`",
    "$(id)",
    "\\",
    "a\nb",
    "*",
    "~",
    ";true",
    "-n",
    "ü",
    "!!",
    "\t",
    "%s",
]


@pytest.fixture(scope="module", params=["local", "namespace", pytest.param("ssh", marks=needs_sshd)])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        if request.param == "local":
            yield LocalHost("this machine")
        elif request.param == "namespace":
            folder.chmod(0o700)
            environment.setenv("MIDDLEBENCH_RUNTIME", str(folder))
            site = site_of("tests", compose())
            stack.callback(site.close)
            yield site.open().middlebox_server
        else:
            home = Home(folder / "home")
            home.use(environment)
            home.add("server", stack.enter_context(running_sshd(folder / "sshd", home)))
            host = SshHost("server", "server")
            stack.callback(host.close)
            yield host


def sleeping(seconds: str) -> bool:
    """Whether a `sleep` of this time runs; each test has a time of its own."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return f"sleep {seconds}" in listed.splitlines()


def test_streams_and_status_come_apart(host: Host) -> None:
    result = host.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (result.status, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert result.host == host.name


def test_a_failure_is_an_error_that_carries_both_streams(host: Host) -> None:
    with pytest.raises(HostError) as caught:
        host.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert "status 3" in str(caught.value)
    assert "out" in str(caught.value)
    assert "err" in str(caught.value)


@pytest.mark.parametrize("status", [0, 1, 126, 128, 200, 234, 255])
def test_every_exit_status_is_told(host: Host, status: int) -> None:
    assert host.run(["sh", "-c", f"exit {status}"], check=False).status == status


def test_a_signal_is_a_negative_status(host: Host) -> None:
    assert host.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"], check=False).status == -15


def test_hostile_arguments_arrive_as_they_are(host: Host) -> None:
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    result = host.run([sys.executable, "-c", script, *HOSTILE])
    assert json.loads(result.stdout) == HOSTILE


@pytest.mark.parametrize("text", ["", "one\n", "no newline", "'\"$`\\\n" * 10, "x" * 300_000])
def test_standard_input_arrives_whole_and_ends(host: Host, text: str) -> None:
    assert host.run(["cat"], stdin=text).stdout == text


def test_unread_standard_input_does_no_harm(host: Host) -> None:
    assert host.run(["true"], stdin="x" * 300_000).status == 0


def test_large_output_on_both_streams(host: Host) -> None:
    script = "import sys\nfor i in range(40000): print('o' * 50); print('e' * 50, file=sys.stderr)"
    result = host.run([sys.executable, "-c", script])
    assert len(result.stdout) == len(result.stderr) == 51 * 40000


def test_output_that_is_not_utf8(host: Host) -> None:
    assert host.run(["printf", r"a\377b"]).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_a_missing_program_is_named(host: Host) -> None:
    with pytest.raises(HostError, match="mbench-no-such-program"):
        host.run(["mbench-no-such-program"])


def test_programs_are_run_not_shell_words(host: Host) -> None:
    with pytest.raises(HostError):
        host.run(["exit", "0"])
    assert host.run(["/bin/echo", "-n", "x"]).stdout == "x"


def test_deadline_kills_the_whole_process_group(host: Host) -> None:
    with pytest.raises(HostError, match=r"did not end within 0\.5 s"):
        host.run(["sh", "-c", "sleep 61.1 & sh -c 'sleep 61.2'; true"], deadline=Deadline(0.5))
    eventually(lambda: not sleeping("61.1") and not sleeping("61.2"), "both processes of the group are gone")


def test_a_patient_host_is_given_its_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "timeout_factor", 40.0)
    assert host.run(["sh", "-c", "sleep 0.5; echo late"], deadline=Deadline(0.1)).stdout == "late\n"


def test_the_deadlines_error_has_what_was_said_before(host: Host) -> None:
    with pytest.raises(HostError, match="heard"):
        host.run(["sh", "-c", "echo heard; sleep 60"], deadline=Deadline(0.5))


def test_lifeline_stays_open_while_the_command_runs(host: Host) -> None:
    script = "import select; print(bool(select.select([0], [], [], 0.3)[0]))"
    assert host.run([sys.executable, "-c", script], keep_stdin_open=True).stdout == "False\n"
    assert host.run([sys.executable, "-c", script]).stdout == "True\n"


def test_lifeline_carries_the_text_first(host: Host) -> None:
    script = "import sys; print(sys.stdin.readline().strip())"
    assert host.run([sys.executable, "-c", script], stdin="line\n", keep_stdin_open=True).stdout == "line\n"


def test_cancel_closes_the_lifeline_and_the_command_ends_by_itself(host: Host) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    result = host.run(["sh", "-c", "cat; echo tidied"], keep_stdin_open=True, cancel=cancel)
    assert result.stdout == "tidied\n"


def test_cancel_without_a_lifeline_is_an_error(host: Host) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(HostError, match="cancelled"):
        host.run(["sleep", "62.1"], cancel=cancel)
    eventually(lambda: not sleeping("62.1"), "the command is gone")


AS_COMMAND = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"


def test_a_script_has_its_words_streams_and_status_like_a_command(host: Host) -> None:
    script = "import json, sys; print(json.dumps([__name__, *sys.argv[1:], sys.stdin.read()])); sys.exit('err')"
    result = host.run(host.script(script, *HOSTILE), stdin="text" * 50_000, check=False)
    assert (result.status, json.loads(result.stdout)) == (1, ["__main__", *HOSTILE, "text" * 50_000])
    assert result.stderr == "err\n"


@pytest.mark.parametrize(
    ("script", "status", "end"),
    [("import os; os.kill(os.getpid(), 9)", -9, ""), ("0/0", 1, "ZeroDivisionError: division by zero"), ("(", 1, "")],
)
def test_a_script_that_fails_says_how(host: Host, script: str, status: int, end: str) -> None:
    result = host.run(host.script(script), check=False)
    assert result.status == status
    assert result.stderr.strip().endswith(end)


def test_scripts_run_beside_each_other_and_end_by_deadline_or_lifeline(host: Host) -> None:
    cancel = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        command = host.script(AS_COMMAND, "sh", "-c", "cat; echo tidied")
        tidy = pool.submit(host.run, command, keep_stdin_open=True, cancel=cancel)
        with pytest.raises(HostError, match="heard"):
            host.run(host.script(AS_COMMAND, "sh", "-c", "echo heard; sleep 67.1"), deadline=Deadline(2.0))
        assert not tidy.done()
        cancel.set()
    assert tidy.result().stdout == "tidied\n"
    eventually(lambda: not sleeping("67.1"), "the whole process group of the script is gone")


READY = """
import os, sys
ready = os.getppid()
if ready == int(sys.argv[1]):
    sys.exit("no Python stood ready")
"""


@pytest.fixture
def ready(host: Host, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Run a script that knows, as `ready`, the Python that stands ready; it runs where that one does only."""
    if not isinstance(host, LocalHost):
        pytest.skip("no Python stands ready on a machine that is reached over SSH")
    own = LocalHost("own", (), host._prefix, ready=tmp_path / "calls-own")

    def run(script: str) -> str:
        return own.run(own.script(READY + script, str(os.getpid())), check=False).stdout

    yield run
    run("os.kill(ready, 9)")


def test_a_script_runs_after_the_python_that_stood_ready_was_killed(ready: Callable[[str], str]) -> None:
    tell = "print(ready)"
    before = ready(tell)
    ready("os.kill(ready, 9)")
    eventually(lambda: ready(tell) not in ("", before), "another one stands ready")


def test_a_python_that_stands_ready_at_a_socket_is_found_by_whoever_comes_next(host: Host, tmp_path: Path) -> None:
    if not isinstance(host, LocalHost):
        pytest.skip("no Python stands ready on a machine that is reached over SSH")
    path = tmp_path / "a folder whose name is longer than an address may be".ljust(108, "x")
    path.mkdir()

    def say(script: str) -> str:
        other = LocalHost("other", (), host._prefix, ready=path / "calls-own")
        return other.run(other.script(READY + script, str(os.getpid())), check=False).stdout

    first = say("print(ready)")
    assert say("print(ready)") == first != ""
    say("os.kill(ready, 9)")
    eventually(lambda: say("print(ready)") not in ("", first), "another one stands ready")
    say("os.kill(ready, 9)")


def test_a_script_may_become_another_program_before_the_python_that_stood_ready_goes_on(
    ready: Callable[[str], str],
) -> None:
    children_first = """
os.sched_setaffinity(ready, [min(os.sched_getaffinity(ready))])
os.sched_setscheduler(ready, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))
print(ready)
"""
    before = ready(children_first)
    assert before
    for _ in range(100):
        ready("os.execvp('true', ['true'])")
    assert ready("print(ready)") == before


CALLER = """
import sys
from middlebench.hosts.local import LocalHost
from middlebench.hosts.ssh import SshHost
from middlebench.testbed import site_of
host = {host}
command = ["sh", "-c", "echo started > {marker}; cat > /dev/null; echo learnt > {marker}"]
host.run(host.script({script!r}, *command) if {script!r} else command, keep_stdin_open=True)
"""


@pytest.mark.parametrize("script", ["", AS_COMMAND])
def test_a_command_learns_that_its_caller_was_killed(host: Host, tmp_path: Path, script: str) -> None:
    marker = tmp_path / "marker"
    prefix = host._prefix if isinstance(host, LocalHost) else ()
    made = f"LocalHost('again', (), {prefix!r})" if isinstance(host, LocalHost) else "SshHost('again', 'server')"
    caller = subprocess.Popen([sys.executable, "-c", CALLER.format(host=made, marker=marker, script=script)])
    try:
        eventually(lambda: marker.exists() and marker.read_text() == "started\n", "the command has started")
    finally:
        caller.kill()
        caller.wait()
    eventually(lambda: marker.read_text() == "learnt\n", "the command has learnt that its caller is gone", 5.0)
