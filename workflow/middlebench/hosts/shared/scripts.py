"""Runs scripts of ours on a host of this machine by a Python that stands ready there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from middlebench.system import standing_python
from middlebench.system.calls import calls_to, listening_at

PIPE_BYTES = 65536
"""What a pipe takes before anybody reads it (pipe(7))."""


class ScriptCall:
    """One script that runs; the part of :class:`subprocess.Popen` that a host needs.

    ``request`` are the script, its ``argv`` and its environment, ``data`` what its standard input holds; that may stay
    open behind at most :data:`PIPE_BYTES`.

    Raises:
        OSError: nobody is there who runs it.
    """

    def __init__(
        self, calls: socket.socket, request: Mapping[str, object], data: bytes, *, keep_stdin_open: bool
    ) -> None:
        self.returncode: int | Any = None
        self.stdin: BinaryIO | None = None
        self._said = b"", b""
        self._output = os.fdopen(os.memfd_create("output"), "rb"), os.fdopen(os.memfd_create("error"), "rb")
        self._socket, theirs = socket.socketpair()
        with contextlib.ExitStack() as given:
            given.callback(theirs.close)
            if keep_stdin_open:
                reading, writing = os.pipe()
                given.callback(os.close, reading)
                self.stdin = os.fdopen(writing, "wb", buffering=0)
                self.stdin.write(data)
            else:
                reading = given.enter_context(_file(data)).fileno()
            asked = given.enter_context(_file(json.dumps(request).encode()))
            handles = (theirs.fileno(), asked.fileno(), reading, *(each.fileno() for each in self._output))
            socket.send_fds(calls, [b"\0"], handles)
        if self._socket.recv(len(standing_python.STARTED)) != standing_python.STARTED:
            raise ConnectionError("the Python that runs scripts has ended")

    def communicate(self, data: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Wait until the script has ended; return its output and its error output.

        Raises:
            TimeoutExpired: it has not ended within so many seconds.
        """
        del data  # it has it
        if self.stdin:
            self.stdin.close()
        if self.returncode is not None:
            return self._said
        self._socket.settimeout(None if timeout is None else max(timeout, 1e-3))
        try:
            said = self._socket.recv(64)
        except TimeoutError:
            raise subprocess.TimeoutExpired("script", timeout or 0.0) from None
        self.returncode = int(said) if said else -signal.SIGKILL  # it has gone with who ran it
        self._socket.close()
        output, errors = (_whole(file) for file in self._output)
        self._said = output, errors
        return self._said

    def kill(self) -> None:
        """Kill it, and its process group."""
        with contextlib.suppress(OSError):
            self._socket.send(bytes([signal.SIGKILL]))


class Scripts:
    """Runs scripts by one process that stands ready from the first one on.

    Args:
        command: starts a Python where the scripts are to run, and changes nothing in the environment.
        path: a socket in a folder of ours by which whoever comes after us finds that process again.
    """

    def __init__(self, command: Sequence[str], path: Path) -> None:
        try:
            self._calls = calls_to(path)
        except OSError:
            with listening_at(path) as calls:
                subprocess.Popen(
                    [*command, "-I", "-S", str(standing_python.__file__)],
                    stdin=calls.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._calls = calls_to(path)

    def start(
        self, script: str, words: Sequence[str], environment: Mapping[str, str], data: bytes, *, keep_stdin_open: bool
    ) -> ScriptCall:
        """Start a script.

        Raises:
            OSError: the process does not stand ready (any more).
        """
        request = {"script": script, "argv": ["-c", *words], "environment": dict(environment)}
        request["folder"] = str(Path.cwd())
        return ScriptCall(self._calls, request, data, keep_stdin_open=keep_stdin_open)


def _file(data: bytes) -> BinaryIO:
    file = os.fdopen(os.memfd_create("input"), "w+b")
    file.write(data)
    file.seek(0)
    return file


def _whole(file: BinaryIO) -> bytes:
    with file:
        file.seek(0)
        return file.read()
