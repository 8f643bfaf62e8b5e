"""Runs on the test computer, in front of an agent's text: the measured ports, and the caller at the other end.

Standard library only; see :func:`middlebench.generators.shared.agents.ask`.
"""

import array
import fcntl
import functools
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Collection
from typing import NoReturn

Counters = dict[str, tuple[int, int, int, int, int]]
"""For each port: rx bytes, rx packets, tx bytes, tx packets, and packets that overflowed the other end's ring."""
SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_GDRVINFO = 3  # linux/ethtool.h
ETHTOOL_DRIVER = struct.Struct("=I32s160x")
"""Number of the question and the driver's name in struct ethtool_drvinfo (linux/ethtool.h)."""
Reading = tuple[float, Counters]
"""A moment, and what the ports had counted then."""
READ_TRIES = 5
LONGEST_READ_SECONDS = 0.001


def read_counters(ports: Collection[str]) -> Reading:
    """Return a moment and the counters of the ports then, from one read of the kernel's table.

    A read that something else interrupted says too little of its moment: it is done again, a few times.
    """
    for _ in range(READ_TRIES):
        moment = time.monotonic()
        with open("/proc/net/dev", encoding="utf-8") as table:
            lines = table.readlines()
        if time.monotonic() - moment < LONGEST_READ_SECONDS:
            break
    counters = {}
    for line in lines[2:]:
        name, _, rest = line.partition(":")
        if name.strip() in ports:
            values = [int(value) for value in rest.split()]
            overflowed = values[11] if is_veth(name.strip()) else 0
            counters[name.strip()] = (values[0], values[1], values[8], values[9], overflowed)
    missing = [port for port in ports if port not in counters]
    if missing:
        fail(f"there is no port {missing[0]}")
    return moment, counters


@functools.cache
def is_veth(port: str) -> bool:
    """Whether a port is a veth: it counts as dropped what its other end, which plays a network card, has no room for.

    A network card's own driver counts there what never left.
    """
    answer = array.array("B", ETHTOOL_DRIVER.pack(ETHTOOL_GDRVINFO, b""))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        try:
            fcntl.ioctl(kernel, SIOCETHTOOL, struct.pack("16sP16x", port.encode(), answer.buffer_info()[0]))
        except OSError:  # it has no such answer
            return False
    return bool(ETHTOOL_DRIVER.unpack(answer)[1].startswith(b"veth\0"))


def fail(message: str) -> NoReturn:
    """End with a message for the caller."""
    print(json.dumps({"error": message}), flush=True)
    sys.exit(1)


def caller_is_gone(seconds: float) -> bool:
    """Wait for ``seconds``, and say whether standard input ended in that time."""
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
