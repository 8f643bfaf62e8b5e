"""A Python that stands ready and runs what it is asked to, each time in a fork of itself.

A Python of its own costs each script 45 ms of processor time, most of it before the first line; a fork costs 5 (tried).
Standard library only. Each message on the socket of calls carries file handles: a socket for this call, a file with the
request, and the standard input, output and error of what is to run; it may have a fourth one, numbered 3.

    python3 -I -S standing_python.py    runs scripts on a host of this machine; calls come by standard input

On a call's socket :data:`STARTED` is answered, then the exit status as text, negative for a signal; nothing where the
request is refused. Each byte that comes there is the number of a signal for the process group of what runs. Callers of
scripts that end leave their scripts alone: these learn it from their standard input. When the last caller is gone and
the last process has ended, so do we.
"""

import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import CodeType
from typing import Any, Generic, NoReturn, TypeVar

Found = TypeVar("Found")

STARTED = b"started"
HANDLES = 6
IDLE_SECONDS = 120.0
"""Without a script for so long, we end: the next one takes a Python of its own."""
USUAL = (
    "array",
    "ctypes",
    "fcntl",
    "hashlib",
    "math",
    "platform",
    "resource",
    "struct",
    "subprocess",
    "threading",
    "time",
    "zlib",
)
"""What scripts import, so that none has to wait for it."""


@functools.cache
def compiled(script: str) -> CodeType | str:
    """Return the script as code; as it is where it is none, so that the error is the script's own."""
    try:
        return compile(script, "<string>", "exec")
    except SyntaxError:
        return script


def take_over(request: dict[str, Any], streams: list[int]) -> None:
    """Become, behind a fork, the process that is asked for."""
    os.setpgid(0, 0)
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
    os.closerange(len(streams), os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.umask(request.get("umask", os.umask(0)))
    sys.argv = request["argv"]


class Running:
    """A process that runs for a caller; ``end`` is a handle that becomes ready when it ends (pidfd_open(2))."""

    def __init__(self, pid: int, call: socket.socket, *, ends_with_caller: bool) -> None:
        self.pid, self.end, self.call, self.ends_with_caller = pid, os.pidfd_open(pid), call, ends_with_caller

    def hear(self) -> bool:
        """Pass the signals on that its caller sends; return whether there is a caller still."""
        signals = b""
        with suppress(OSError):
            signals = self.call.recv(64)
        for number in signals or bytes([signal.SIGKILL] * self.ends_with_caller):
            os.killpg(self.pid, number)
        return bool(signals)

    def tell_end(self) -> None:
        """Tell its caller how it ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with suppress(OSError):
            self.call.send(str(status).encode())
        self.call.close()
        os.close(self.end)


class Standing(Generic[Found]):
    """Starts a fork for each call and tells how it ended.

    Args:
        calls: where they come from.
        accepted: says, before the fork, what is returned in it for a request; None refuses it.
        lifeline: ends with the last caller, where ``calls`` does not.
    """

    def __init__(
        self,
        calls: socket.socket,
        accepted: Callable[[dict[str, Any]], Found | None],
        lifeline: socket.socket | None = None,
    ) -> None:
        self.accepted = accepted
        self.callers = {each.fileno(): each for each in (calls, lifeline or calls)}
        self.running: dict[int, Running] = {}
        self.waiting = select.poll()
        for number in self.callers:
            self.waiting.register(number, select.POLLIN)

    def serve(self, idle_s: float | None = None) -> Found:
        """Return in a fork only, with what is to run; end where nothing was asked for so long."""
        while self.callers or self.running:
            events = self.waiting.poll(None if idle_s is None else idle_s * 1000)
            if not events and not self.running:
                break
            for ready, _ in events:
                if ready in self.callers:
                    found = self.called(self.callers[ready])
                    if found is not None:
                        return found
                elif ready in self.running:
                    self.look_at(self.running[ready], ready)
        sys.exit(0)

    def called(self, calls: socket.socket) -> Found | None:
        """Heed a call, or that there will be none any more; return in a fork what it is to run, else nothing."""
        data, handles, _, _ = socket.recv_fds(calls, 1, HANDLES)
        if not data:
            for number, each in self.callers.items():
                self.waiting.unregister(number)
                each.close()
            self.callers = {}
            return None
        with os.fdopen(handles[1], encoding="utf-8") as file:
            request, streams = json.load(file), handles[2:]
        with socket.socket(fileno=handles[0]) as call:
            found = self.accepted(request)
            pid = os.fork() if found is not None else None
            if pid == 0:
                for each in (call, *self.callers.values(), *(process.call for process in self.running.values())):
                    each.detach()  # its number will soon be another file's
                take_over(request, streams)
                return found
            for handle in streams:
                os.close(handle)
            if pid is not None:
                with suppress(PermissionError):  # it runs another program by now, and has a group of its own
                    os.setpgid(pid, pid)
                process = Running(pid, call.dup(), ends_with_caller=request.get("ends_with_caller", False))
                with suppress(OSError):
                    process.call.send(STARTED)
                for number in (process.end, process.call.fileno()):
                    self.running[number] = process
                    self.waiting.register(number, select.POLLIN)
        return None

    def look_at(self, process: Running, ready: int) -> None:
        """Heed what became ready of a process: its end, or its caller's words or end."""
        over = ready == process.end
        if over or not process.hear():
            for number in self.running.keys() & ((process.end, process.call.fileno()) if over else (ready,)):
                self.waiting.unregister(number)
                del self.running[number]
        if over:
            process.tell_end()


def end_with(run: Callable[[], object]) -> NoReturn:
    """Run what there is to run, and end this process as Python would, but at once.

    Python would first take all objects apart, and so copy all pages of the process that stands ready: 40 ms (tried).
    """
    try:
        status = run()
    except SystemExit as ended:
        status = ended.code
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = 120  # as Python does
    os._exit((status or 0) & 0xFF)


if __name__ == "__main__":
    for module in USUAL:
        importlib.import_module(module)
    calls = socket.socket(fileno=os.dup(0))
    gc.freeze()  # what is here by now is every script's: a collection would copy the pages of all of it
    code = Standing[CodeType | str](calls, lambda request: compiled(request["script"])).serve(IDLE_SECONDS)
    end_with(lambda: exec(code, {"__name__": "__main__"}))
