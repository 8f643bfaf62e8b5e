"""Runs on a host of this machine: a Python that stands ready and runs scripts of ours, each in a fork of itself.

A Python of its own costs each script 45 ms of processor time, most of it before the first line; a fork costs 5 (tried).
Standard library only. Standard input is a Unix socket; each message on it carries five file handles: a socket for this
call, a file with the request, and the script's standard input, output and error.

    python3 -I -S script_process.py

On a call's socket :data:`STARTED` is answered, then the script's exit status as text, negative for a signal. Any byte
that comes there kills the script and its process group. Callers that end leave their scripts alone: these learn it
from their standard input. When the last caller is gone and the last script has ended, so do we.
"""

import functools
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from types import CodeType

STARTED = b"started"
HANDLES = 5
USUAL = ("array", "ctypes", "fcntl", "resource", "struct", "subprocess", "threading", "time", "typing")
"""What scripts import, so that none has to wait for it."""


@functools.cache
def compiled(script: str) -> "CodeType | str":
    """Return the script as code; as it is where it is none, so that the error is the script's own."""
    try:
        return compile(script, "<string>", "exec")
    except SyntaxError:
        return script


def take_over(words: "list[str]", environment: "dict[str, str]", streams: "list[int]") -> None:
    """Become, behind a fork, the process of a script."""
    os.setpgid(0, 0)
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *words]


def serve(calls: socket.socket) -> "CodeType | str":
    """Start scripts and tell how they ended; return in the process of a script only, with what it is to run."""
    waiting = select.poll()
    waiting.register(calls, select.POLLIN)
    running: dict[int, tuple[int, int, socket.socket]] = {}
    callers = True
    while callers or running:
        for ready, _ in waiting.poll():
            if ready == calls.fileno():
                data, handles, _, _ = socket.recv_fds(calls, 1, HANDLES)
                if not data:
                    callers = False
                    waiting.unregister(calls)
                    continue
                call, (request, *streams) = socket.socket(fileno=handles[0]), handles[1:]
                with os.fdopen(request, encoding="utf-8") as file:
                    asked = json.load(file)
                code = compiled(asked["script"])
                pid = os.fork()
                if not pid:
                    own = {name: value for name, value in os.environ.items() if asked["inherited"].get(name) != value}
                    take_over(asked["words"], {**asked["environment"], **own}, streams)
                    return code
                for handle in streams:
                    os.close(handle)
                with suppress(PermissionError):  # it runs another program by now, and has a group of its own
                    os.setpgid(pid, pid)
                end = os.pidfd_open(pid)
                running[end] = running[call.fileno()] = (pid, end, call)
                for each in (end, call):
                    waiting.register(each, select.POLLIN)
                with suppress(OSError):
                    call.send(STARTED)
            elif ready in running:
                pid, end, call = running[ready]
                if ready != end:
                    waiting.unregister(call)
                    with suppress(OSError):
                        if call.recv(1):
                            os.killpg(pid, signal.SIGKILL)
                    continue
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(OSError):
                    call.send(str(status).encode())
                with suppress(KeyError):
                    waiting.unregister(call)
                waiting.unregister(end)
                del running[end], running[call.fileno()]
                os.close(end)
                call.close()
    sys.exit(0)


if __name__ == "__main__":
    for module in USUAL:
        importlib.import_module(module)
    code = serve(socket.socket(fileno=os.dup(0)))
    exec(code, {"__name__": "__main__"})
