"""Where live state is kept on this machine: gone with a reboot, as the state itself is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from middlebench.system.errors import HostError


def runtime_folder() -> Path:
    """Return this user's folder for locks and the holder's state, made if need be.

    It is one per user and machine, not per checkout: two checkouts share the machine's processors,
    so they must share the lock too. ``MIDDLEBENCH_RUNTIME`` names another one (tests do).

    Raises:
        HostError: the folder cannot be made, somebody else owns it, or others may write to it.
    """
    folder = Path(os.environ.get("MIDDLEBENCH_RUNTIME") or f"/tmp/middlebench-{os.getuid()}").absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat(follow_symlinks=False)
    except OSError as error:
        raise HostError(
            f"making the runtime folder {folder}",
            str(error.strerror),
            "see that it can be made, or name another folder in the environment variable MIDDLEBENCH_RUNTIME",
        ) from error
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
        raise HostError(
            f"opening the runtime folder {folder}",
            "it is not a folder of yours that only you may write to",
            "remove it, or name another folder in the environment variable MIDDLEBENCH_RUNTIME",
        )
    return folder
