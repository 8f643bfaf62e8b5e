"""Asks a unikernel, on its console, what it has counted and what it keeps."""

from __future__ import annotations

import json
from typing import Any

from middlebench.hosts.base import Host
from middlebench.middleboxes.qemu import machine
from middlebench.model.plan import Middlebox

CONSOLE_AGENT = """
import socket, sys
console = socket.socket(socket.AF_UNIX)
console.settimeout(10)
console.connect(sys.argv[1])
console.sendall(sys.argv[2].encode())
for line in console.makefile():
    print(line, end="")
    if line.startswith(sys.argv[3]):
        break
"""


def status(host: Host, middlebox: Middlebox) -> dict[str, Any]:
    """The unikernel's own counters, asked for on its console."""
    return dict(json.loads(_console(host, middlebox, "s", "status ")[-1].removeprefix("status ")))


def table(host: Host, middlebox: Middlebox) -> list[dict[str, Any]]:
    """The entries of the table that the unikernel's function keeps, asked for on its console."""
    said = _console(host, middlebox, "t", "end of table")
    return [dict(json.loads(line.removeprefix("entry "))) for line in said if line.startswith("entry ")]


def _console(host: Host, middlebox: Middlebox, request: str, last: str) -> list[str]:
    path = f"{machine.FOLDER}/{middlebox.name}.console"
    return host.run([host.python, "-I", "-c", CONSOLE_AGENT, path, request, last]).stdout.splitlines()
