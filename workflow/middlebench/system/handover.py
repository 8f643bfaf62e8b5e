"""Hands this process's command over to the Python that stands ready for the jobs of a run, and ends as it ends there.

What :mod:`middlebench.commands.standing` runs for us has our words, folder, environment, umask, and standard input,
output and error. Signals are passed on; it is killed where we are. A job waits for all that is imported here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from types import FrameType

JOBS = "MIDDLEBENCH_JOBS"
"""Environment variable by which a run tells its jobs which socket takes them."""
TERMINAL = "MIDDLEBENCH_TERMINAL"
"""Environment variable by which the workflow tells a job by which file number it reaches the run's standard error."""

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT)


def hand_over(path: str) -> int | None:
    """Return the exit status of our command, which ran elsewhere; None where nobody took it, and nothing was done.

    Where it was ended by a signal, so are we.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    heard: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        try:
            ours.send(bytes([signal.SIGSTOP if number == signal.SIGTSTP else number]))
        except OSError:  # it has ended
            return
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)

    dispositions = {number: signal.getsignal(number) for number in PASSED_ON}
    for number, disposition in dispositions.items():
        if disposition is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    if _sent(path, theirs) and ours.recv(64):  # that it has started
        status = int(ours.recv(64) or -signal.SIGKILL)  # where nobody says, it was killed with who ran it
        if status < 0:
            if -status not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(-status, signal.SIG_DFL)
            os.kill(os.getpid(), -status)
        return status
    for number, disposition in dispositions.items():
        signal.signal(number, disposition)
    for signalled in heard:
        os.kill(os.getpid(), signalled)
    return None


def _sent(path: str, call: socket.socket) -> bool:
    """Send the request, and the other end of our call; return whether somebody of ours may take it."""
    streams = [0, 1, 2]
    environment = dict(os.environ)
    if terminal := environment.get(TERMINAL, ""):
        streams.append(int(terminal))
        environment[TERMINAL] = "3"
    try:
        request = {
            **{"argv": sys.argv, "environment": environment, "folder": os.getcwd()},  # noqa: PTH109  # it takes long
            **{"umask": _umask(), "ends_with_caller": True},
        }
        if os.lstat(path).st_uid != os.geteuid():
            return False
        with (
            call,
            os.fdopen(os.memfd_create("request"), "w+b") as file,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to,
        ):
            file.write(json.dumps(request).encode())
            file.seek(0)
            to.connect(path)
            socket.send_fds(to, [b"\0"], [call.fileno(), file.fileno(), *streams])
    except OSError:
        return False
    return True


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now
