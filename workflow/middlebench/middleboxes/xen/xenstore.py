"""Parses what ``xenstore-ls -f`` prints, and the states of a domain's network interfaces in it.

Pure: text in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LINE = re.compile(r'^(?P<path>/\S*) = "(?P<value>.*)"(?:\.\.\.)?(?:\s+\([^"]*\))?$')
FRONT = re.compile(r"^/local/domain/(?P<domain>\d+)/device/vif/(?P<index>\d+)/state$")
BACK = re.compile(r"^/local/domain/\d+/backend/vif/(?P<domain>\d+)/(?P<index>\d+)/state$")
CONNECTED = "4"
"""A device's state once both ends work together (XenbusStateConnected in Xen's io/xenbus.h)."""


def parse_keys(text: str) -> dict[str, str]:
    """Return path and value of each key.

    Raises:
        ValueError: a line is not what ``xenstore-ls -f`` is known to print; it is in the message.
    """
    keys: dict[str, str] = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match is None:
            raise ValueError(f"this is not a key of xenstore: {line!r}")
        keys[match["path"]] = match["value"]
    return keys


@dataclass(frozen=True)
class VifState:
    """One network interface's state, at the guest's end and at dom0's."""

    front: str
    back: str

    @property
    def connected(self) -> bool:
        """Whether frames can pass."""
        return self.front == self.back == CONNECTED

    def __str__(self) -> str:
        return f"{self.front or '-'}/{self.back or '-'}"


def vif_states(keys: Mapping[str, str], domain: int) -> tuple[VifState, ...]:
    """Return the states of a domain's network interfaces, in the order of their numbers."""
    found: dict[int, dict[str, str]] = {}
    for pattern, end in ((FRONT, "front"), (BACK, "back")):
        for path, value in keys.items():
            match = pattern.match(path)
            if match and int(match["domain"]) == domain:
                found.setdefault(int(match["index"]), {})[end] = value
    return tuple(VifState(ends.get("front", ""), ends.get("back", "")) for _, ends in sorted(found.items()))
