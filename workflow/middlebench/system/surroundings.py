"""Makes the environment of this process the same for every user: PATH, locale, home folder."""

from __future__ import annotations

import io
import os
import resource
import sys
from pathlib import Path

from middlebench.system.errors import MiddlebenchError

ADMINISTRATION = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian keeps ethtool, tc, trafgen and Open vSwitch's daemons: on no ordinary user's PATH, nor on cron's."""

LOCALE = "C.UTF-8"
"""Programs that we start speak English, in UTF-8: their output is parsed, and kept in records."""


def search_path(path: str) -> str:
    """Return the value of PATH that finds the programs for administration too, behind what ``path`` finds."""
    folders = path.split(os.pathsep) if path else os.defpath.split(os.pathsep)
    return os.pathsep.join((*folders, *(folder for folder in ADMINISTRATION if folder not in folders)))


def demand_writable(project: Path) -> None:
    """Return if Snakemake may keep its notes in the project's folder; it needs that even to say what it would do.

    Raises:
        MiddlebenchError: this user may not write there.
    """
    for folder in (project.absolute(), project.absolute() / ".snakemake"):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise MiddlebenchError(
                "beginning the run",
                f"user {os.getuid()} may not write to {folder}",
                "run it as the user who owns that folder, or in a copy of the project of your own",
            )


def prepare() -> None:
    """Prepare the environment of this process and of all that it starts. Every entry of the program calls it first."""
    _, most = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (most, most))  # trafgen locks its memory (mlockall(2))
    os.environ["PATH"] = search_path(os.environ.get("PATH", ""))
    os.environ["LC_ALL"] = LOCALE
    os.environ.pop("LANGUAGE", None)  # gettext heeds it before LC_ALL
    try:
        Path.home()
    except RuntimeError:  # a user without a passwd entry and without HOME, as in a container
        os.environ["HOME"] = "/"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another encoding shows "?" for an arrow
