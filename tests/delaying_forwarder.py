#!/usr/bin/env python3
"""Passes frames from one port to another, each so many milliseconds after it came: a known delay, where the kernel has
no netem.

    delaying_forwarder.py IN OUT MILLISECONDS
"""

import contextlib
import os
import select
import socket
import struct
import sys
import time
from collections import deque

SO_TIMESTAMPNS, SO_RCVBUFFORCE, ETH_P_ALL = 35, 33, 3
SPIN_NS = 300_000
"""A sleep may end so late: the last of it is waited out awake."""


def main(source: str, target: str, delay_ns: int) -> None:
    incoming = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    incoming.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    incoming.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    incoming.bind((source, ETH_P_ALL))
    outgoing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    outgoing.bind((target, 0))
    waiting: deque[tuple[int, bytes]] = deque()
    while True:
        left_ns = waiting[0][0] - time.time_ns() if waiting else None
        if left_ns is not None and left_ns <= 0:
            outgoing.send(waiting.popleft()[1])
            continue
        seconds = None if left_ns is None else max(0, left_ns - SPIN_NS) / 1e9
        if select.select([incoming], [], [], seconds)[0]:
            data, ancillary, _, address = incoming.recvmsg(65536, 64)
            if address[2] != socket.PACKET_OUTGOING:
                whole, part = struct.unpack("qq", ancillary[0][2])
                waiting.append((whole * 10**9 + part + delay_ns, data))


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):  # other work must not add to the delay
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    main(sys.argv[1], sys.argv[2], int(float(sys.argv[3]) * 1e6))
