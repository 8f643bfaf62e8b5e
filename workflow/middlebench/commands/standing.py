"""The Python that stands ready for the jobs of a run: it has imported what they need, and runs each in a fork.

    python -m middlebench.commands.standing SOCKET

Jobs call by a socket of that name; see :mod:`middlebench.system.handover`. Standard input is the run's: when it ends,
so do we, behind the last job. A change of the library or of the Python ends our use: each job then does its own work.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import sysconfig
from pathlib import Path
from typing import Any, NoReturn

from middlebench.commands import line, testbed_jobs
from middlebench.hosts.shared.usage_agent import end_with_parent
from middlebench.model.functions import rendering
from middlebench.system.calls import listening_at
from middlebench.system.standing_python import Standing, end_with
from middlebench.trials import latency, search_trials

IDLE_SECONDS = 900.0
"""Without a job for so long, we end; who comes later does its own work."""
USED = (line, testbed_jobs, rendering, latency, search_trials)
"""What jobs import, the last three when they need them."""


def main() -> NoReturn:
    """Stand ready; run a job in its own process."""
    path = Path(sys.argv[-1])
    files = [sys.executable, sysconfig.get_path("purelib"), *_of_library()]
    before = _stamps(files)

    def accepted(request: dict[str, Any]) -> dict[str, Any] | None:
        return request if _stamps(files) == before else None

    line.parser()
    calls = listening_at(path)
    try:
        gc.freeze()  # what is here by now is every job's: a collection would copy the pages of all of it
        Standing(calls, accepted, socket.socket(fileno=os.dup(0))).serve(IDLE_SECONDS)
    except SystemExit:
        path.unlink()
        raise
    end_with_parent(signal.SIGKILL)
    options: dict[str, Any] = {"encoding": sys.stdout.encoding, "closefd": False}
    sys.stdin = os.fdopen(0, **options)  # those that are there know how our own files are to be written
    sys.stdout = os.fdopen(1, "w", buffering=1 if os.isatty(1) else -1, **options)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", **options)
    end_with(line.run)


def _of_library() -> list[str]:
    """Return the files of all modules of ours that are imported by now."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "middlebench"]
    return [str(module.__file__) for module in modules]


def _stamps(files: list[str]) -> list[tuple[int, int, int]]:
    """Return what changes with a file."""
    found = []
    for file in files:
        try:
            status = Path(file).stat()
        except FileNotFoundError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return found


if __name__ == "__main__":
    main()
