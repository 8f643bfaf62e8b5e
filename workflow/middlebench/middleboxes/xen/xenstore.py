"""Parses what ``xenstore-ls -f`` prints, and the states of a domain's network interfaces in it.

Pure: text in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LINE = re.compile(r'^(?P<path>/\S*) = "(?P<value>.*)"(?:\.\.\.)?(?:\s+\([^"]*\))?$')
FRONT = re.compile(r"^/local/domain/(?P<domain>\d+)/device/vif/(?P<index>\d+)/state$")
BACK = re.compile(r"^/local/domain/\d+/backend/vif/(?P<domain>\d+)/(?P<index>\d+)/state$")
CONNECTED = "4/4"
"""A device's states once both ends work together (XenbusStateConnected in Xen's io/xenbus.h)."""


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


def vif_states(keys: Mapping[str, str], domain: int) -> tuple[str, ...]:
    """Return the states of a domain's network interfaces, in the order of their numbers.

    Each is the guest's end and dom0's, such as ``4/4``, with a dash for one that is not there.
    """
    found: dict[int, dict[str, str]] = {}
    for pattern, end in ((FRONT, "front"), (BACK, "back")):
        for path, value in keys.items():
            match = pattern.match(path)
            if match and int(match["domain"]) == domain:
                found.setdefault(int(match["index"]), {})[end] = value
    return tuple(f"{ends.get('front', '-')}/{ends.get('back', '-')}" for _, ends in sorted(found.items()))
