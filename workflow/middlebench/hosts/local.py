"""This machine, as it is or by way of a prefix that enters a namespace of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import BinaryIO

from middlebench.hosts.base import SCRIPT_OPTIONS, Host, Output
from middlebench.hosts.shared.scripts import PIPE_BYTES, ScriptCall, Scripts
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

CANCEL_POLL_SECONDS = 0.05
CLEAN_UP_SECONDS = 5.0
"""How long a command may take to clean up once its standard input, which was kept open, ends."""


class LocalHost(Host):
    """Runs commands on this machine.

    ``prefix`` are words put before every command, such as those that enter a namespace. ``ready`` is a socket at which
    a Python that runs scripts there stands ready from the first one on, for whoever comes next too; without it each
    script has a Python of its own.
    """

    def __init__(
        self,
        name: str,
        cpus: Sequence[int] = (),
        prefix: Sequence[str] = (),
        timeout_factor: float = 1.0,
        ready: Path | None = None,
    ) -> None:
        super().__init__(name, cpus, timeout_factor)
        self._prefix = (*self._affinity, *prefix)
        self._elsewhere = bool(prefix)
        self._ready = ready
        self._scripts: Scripts | None = None
        self._starting = threading.Lock()

    @property
    def python(self) -> str:
        """The interpreter that runs us."""
        return sys.executable

    def _execute(
        self, argv: Sequence[str], data: bytes, deadline: Deadline, *, keep_stdin_open: bool, cancel: Event | None
    ) -> tuple[int, Output]:
        process = self._script(argv, data, keep_stdin_open=keep_stdin_open) or self._process(argv)
        stdin_end = os.fdopen(os.dup(process.stdin.fileno()), "wb") if keep_stdin_open and process.stdin else None
        try:
            output = self._communicate(process, argv, data, stdin_end, deadline, cancel)
        except BaseException:
            _end(process, stdin_end)
            raise
        finally:
            if stdin_end is not None:
                stdin_end.close()
        return process.returncode, output

    def _process(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._prefix, *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=self._environment(),
            )
        except FileNotFoundError as error:
            raise HostError(
                f"running {argv[0]} on {self.name}",
                f"there is no program {error.filename!r}",
                "run `make setup`, which installs what is missing",
            ) from error

    def _script(self, argv: Sequence[str], data: bytes, *, keep_stdin_open: bool) -> ScriptCall | None:
        """Have the Python that stands ready run the command; None where it is no script, or there is no such Python."""
        is_script = (argv[0], *argv[1:4]) == (self.python, *SCRIPT_OPTIONS)
        if self._ready is None or not is_script or (keep_stdin_open and len(data) > PIPE_BYTES):
            return None
        try:
            with self._starting:
                scripts = self._scripts = self._scripts or Scripts([*self._prefix, self.python], self._ready)
            return scripts.start(argv[4], argv[5:], self._environment(), data, keep_stdin_open=keep_stdin_open)
        except OSError:  # where it was to run is gone: a command there tells why
            self._scripts = None
            return None

    def _environment(self) -> dict[str, str]:
        """Return the environment of commands: an SSH connection to this machine is none to a namespace of it."""
        return {key: value for key, value in os.environ.items() if key != "SSH_CONNECTION" or not self._elsewhere}

    def _communicate(
        self,
        process: subprocess.Popen[bytes] | ScriptCall,
        argv: Sequence[str],
        data: bytes,
        stdin_end: BinaryIO | None,
        deadline: Deadline,
        cancel: Event | None,
    ) -> Output:
        pending: bytes | None = data
        while True:
            wait_s = min(deadline.remaining, CANCEL_POLL_SECONDS) if cancel else deadline.remaining
            try:
                return Output(*process.communicate(pending, timeout=wait_s))
            except subprocess.TimeoutExpired:
                pending = None  # it has been taken over, whether written by now or not
                cancelled = cancel is not None and cancel.is_set()
                if not cancelled and not deadline.expired:
                    continue
            if cancelled and stdin_end is not None:
                stdin_end.close()
                cancel, stdin_end = None, None
                continue
            output = _end(process, stdin_end)
            raise HostError(
                f"running {argv[0]} on {self.name}",
                "it was cancelled" if cancelled else f"it did not end within {deadline.seconds:g} s",
                result=self._result(argv, process.returncode, output),
            )


def _end(process: subprocess.Popen[bytes] | ScriptCall, stdin_end: BinaryIO | None) -> Output:
    """End the command: by ending its standard input where that is open, so that it can clean up, else by force."""
    if stdin_end is not None:
        stdin_end.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return Output(*process.communicate(timeout=CLEAN_UP_SECONDS))
    if isinstance(process, ScriptCall):
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Output(*process.communicate())
