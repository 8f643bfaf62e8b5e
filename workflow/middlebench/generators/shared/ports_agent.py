"""Runs on the test computer, in front of an agent's text: the measured ports, and the caller at the other end.

Standard library only; see :func:`middlebench.generators.shared.agents.ask`.
"""

import json
import os
import select
import socket
import sys
import time
from collections.abc import Collection
from typing import NoReturn

Counters = dict[str, tuple[int, int, int, int]]
"""For each port: rx bytes, rx packets, tx bytes, tx packets."""
Reading = tuple[float, Counters]
"""A moment, and what the ports had counted then."""


def read_counters(ports: Collection[str]) -> Reading:
    """Return (moment, {port: (rx bytes, rx packets, tx bytes, tx packets)}) from one read of the kernel's table."""
    moment = time.monotonic()
    with open("/proc/net/dev", encoding="utf-8") as table:
        lines = table.readlines()
    counters = {}
    for line in lines[2:]:
        name, _, rest = line.partition(":")
        if name.strip() in ports:
            values = [int(value) for value in rest.split()]
            counters[name.strip()] = (values[0], values[1], values[8], values[9])
    missing = [port for port in ports if port not in counters]
    if missing:
        fail(f"there is no port {missing[0]}")
    return moment, counters


def fail(message: str) -> NoReturn:
    """End with a message for the caller."""
    print(json.dumps({"error": message}), flush=True)
    sys.exit(1)


def caller_is_gone(seconds: float) -> bool:
    """Wait for ``seconds``, and say whether the lifeline ended in that time."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([0], [], [], left)[0] and not os.read(0, 1):
            return True
    return False


def open_port(port: str, protocol: int) -> socket.socket:
    """Return a packet socket on ``port``; until it is bound it sees no frame of any port."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        packets.bind((port, protocol))
    except OSError as error:
        fail(f"port {port}: {error.strerror}")
    return packets
