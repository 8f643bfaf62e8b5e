"""Runs a command of a peer's in namespaces of its own, so that it touches nothing of the system's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from middlebench.system.errors import MiddlebenchError

ADVICE = "install what it needs: `make bench` does"


def run_isolated(doing: str, argv: Sequence[str], timeout_s: float, folder: Path = Path()) -> str:
    """Return what the command printed; all that it started and made ends with it.

    Raises:
        MiddlebenchError: it failed.
    """
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        ["unshare", *user, *namespaces, *argv],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=timeout_s,
        cwd=folder,
    )
    if done.returncode:
        raise MiddlebenchError(doing, (done.stderr or done.stdout).strip()[-500:], ADVICE)
    return done.stdout
