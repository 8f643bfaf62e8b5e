"""Who runs this program."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Return the user's name, or ``uid N`` for one without a passwd entry, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the one until Python 3.12, the other from 3.13 on
        return f"uid {os.getuid()}"
