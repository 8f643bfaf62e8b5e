"""This machine, as it is or by way of a prefix that enters a namespace of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Event
from typing import BinaryIO

from middlebench.deadline import Deadline
from middlebench.errors import HostError
from middlebench.hosts.base import COMMAND_SECONDS, CommandResult, checked

CANCEL_POLL_SECONDS = 0.05
LEAVE_SECONDS = 5.0
"""How long a command whose lifeline ended may take to clean up."""


class LocalHost:
    """Runs commands on this machine.

    Args:
        name: what messages and records call this host.
        cpus: processors to keep commands to; empty for no restriction.
        prefix: words put before every command, such as those that enter a namespace.
    """

    def __init__(self, name: str, cpus: Sequence[int] = (), prefix: Sequence[str] = ()) -> None:
        self._name = name
        self._cpus = tuple(cpus)
        affinity = ("taskset", "--cpu-list", ",".join(map(str, cpus))) if cpus else ()
        self._prefix = (*affinity, *prefix)

    @property
    def name(self) -> str:
        """What messages and records call this host."""
        return self._name

    @property
    def cpus(self) -> tuple[int, ...]:
        """Processors that commands on this host are kept to."""
        return self._cpus

    @property
    def python(self) -> str:
        """The interpreter that runs us."""
        return sys.executable

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        lifeline: bool = False,
        deadline: Deadline | None = None,
        cancel: Event | None = None,
        check: bool = True,
    ) -> CommandResult:
        """Run a command to its end; see :meth:`middlebench.hosts.base.Host.run`."""
        deadline = deadline or Deadline(COMMAND_SECONDS)
        try:
            # Bytes, not text: a tool may print what is not UTF-8.
            process = subprocess.Popen(
                [*self._prefix, *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostError(
                f"running {argv[0]} on {self.name}",
                f"there is no program {error.filename!r}",
                "run `make setup`, which installs what is missing",
            ) from error
        lifeline_end = os.fdopen(os.dup(process.stdin.fileno()), "wb") if lifeline and process.stdin else None
        try:
            stdout, stderr = self._communicate(process, argv, stdin, lifeline_end, deadline, cancel)
        except BaseException:
            _end(process, lifeline_end)
            raise
        finally:
            if lifeline_end is not None:
                lifeline_end.close()
        return checked(self._result(argv, process.returncode, stdout, stderr), check=check)

    def _communicate(
        self,
        process: subprocess.Popen[bytes],
        argv: Sequence[str],
        stdin: str,
        lifeline_end: BinaryIO | None,
        deadline: Deadline,
        cancel: Event | None,
    ) -> tuple[bytes, bytes]:
        text: bytes | None = stdin.encode()
        while True:
            patience = min(deadline.remaining, CANCEL_POLL_SECONDS) if cancel else deadline.remaining
            try:
                return process.communicate(text, timeout=patience)
            except subprocess.TimeoutExpired:
                text = None  # it has been taken over, whether written by now or not
                cancelled = cancel is not None and cancel.is_set()
                if not cancelled and not deadline.expired:
                    continue
            if cancelled and lifeline_end is not None:
                lifeline_end.close()
                cancel, lifeline_end = None, None
                continue
            stdout, stderr = _end(process, lifeline_end)
            raise HostError(
                f"running {argv[0]} on {self.name}",
                "it was cancelled" if cancelled else f"it did not end within {deadline.seconds:g} s",
                result=self._result(argv, process.returncode, stdout, stderr),
            )

    def _result(self, argv: Sequence[str], status: int, stdout: bytes, stderr: bytes) -> CommandResult:
        return CommandResult(
            host=self.name,
            argv=tuple(argv),
            status=status,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
        )


def _end(process: subprocess.Popen[bytes], lifeline_end: BinaryIO | None) -> tuple[bytes, bytes]:
    """End the command: by its lifeline where it has one, so that it can clean up, and else by force."""
    if lifeline_end is not None:
        lifeline_end.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=LEAVE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()
