"""Starts the Python that stands ready for the jobs of a run, and lets it end with the run."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys

from middlebench.system.calls import PREFIX
from middlebench.system.handover import JOBS
from middlebench.system.runtime import runtime_folder

END_SECONDS = 2.0


def stand_ready() -> None:
    """Start it for all jobs that this process starts from now on; it ends when this process does, however that ends."""
    path = runtime_folder() / f"{PREFIX}jobs-{os.getpid()}"
    lifeline, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "middlebench.commands.standing", str(path)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    os.environ[JOBS] = str(path)
    atexit.register(_end, lifeline, process)


def _end(lifeline: socket.socket, process: subprocess.Popen[bytes]) -> None:
    lifeline.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
