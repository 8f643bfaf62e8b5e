"""What this process takes over from the user's shell, made fit for work: where programs are looked for."""

from __future__ import annotations

import os

ADMINISTRATION = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian keeps ethtool, tc, trafgen and Open vSwitch's daemons: on no ordinary user's PATH, nor on cron's."""


def search_path(path: str) -> str:
    """Return the value of PATH that finds the programs for administration too, behind what ``path`` finds."""
    folders = path.split(os.pathsep) if path else os.defpath.split(os.pathsep)
    return os.pathsep.join((*folders, *(folder for folder in ADMINISTRATION if folder not in folders)))


def prepare() -> None:
    """Prepare the environment of this process and of all that it starts. Every entry of the program calls it first."""
    os.environ["PATH"] = search_path(os.environ.get("PATH", ""))
