"""Sockets in a folder by which a Python that stands ready is called; see :mod:`middlebench.system.standing_python`."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "calls-"
"""How the names of these sockets begin."""


def calls_to(path: Path) -> socket.socket:
    """Return a socket for calls to who listens at ``path``.

    Raises:
        OSError: nobody does.
    """
    calls = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        with _short(path) as address:
            calls.connect(address)
    except OSError:
        calls.close()
        raise
    return calls


def listening_at(path: Path) -> socket.socket:
    """Return a socket that listens at ``path``, in a folder from which sockets of no use any more are removed."""
    for left in path.parent.glob(f"{PREFIX}*"):
        try:
            calls_to(left).close()
        except OSError:
            left.unlink(missing_ok=True)
    calls = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with _short(path) as address:
        calls.bind(address)
    return calls


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Have an address for a socket, which may be no longer than 107 bytes (unix(7)), by a handle of its folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
