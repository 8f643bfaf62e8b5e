"""Sends 60-byte frames into one port and counts what comes out of another; standard library only.

python -c THIS IN OUT PACKETS_PER_SECOND WARM_UP_S WINDOW_S    prints packets, seconds and frames tried in the window

0 packets/s is as fast as one can. A pace is kept in bursts of a millisecond. Many frames go with one
system call: a call a frame would make the sender the slowest of all.
"""

import ctypes
import socket
import sys
import time
from pathlib import Path

FRAME = bytes.fromhex("024d42000001024d4200000088b5") + bytes(46)
"""Of the EtherType for local experiments: no kernel on the way has anything to do with it but pass it on."""
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20  # linux/if_packet.h
BURST_SECONDS = 0.001
FRAMES_A_CALL = 64


class Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = [("header", Header), ("sent_length", ctypes.c_uint)]


VECTOR = Vector(FRAME, len(FRAME))
HEADER = Header(vectors=ctypes.pointer(VECTOR), vector_count=1)
MESSAGES = (Message * FRAMES_A_CALL)(*[Message(header=HEADER)] * FRAMES_A_CALL)
LIBC = ctypes.CDLL(None, use_errno=True)


def send(sender: socket.socket, count: int) -> None:
    """Send ``count`` frames; one that finds the port full is lost there, and takes no second try."""
    while count > 0:
        sent = LIBC.sendmmsg(sender.fileno(), MESSAGES, min(count, FRAMES_A_CALL), 0)
        count -= max(sent, 1)


def received(port: str) -> int:
    """Return how many frames came out of the machine by this tap."""
    for line in Path("/proc/net/dev").read_text(encoding="utf-8").splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == port:
            return int(counters.split()[1])
    raise LookupError(f"there is no port {port}")


def main() -> None:
    """Send, and count within the window."""
    entrance, exit_ = sys.argv[1:3]
    pace, warm_up_s, window_s = map(float, sys.argv[3:])
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((entrance, 0))
    sender.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    start = time.monotonic()
    tried, tried_before, first, begin = 0, 0, 0, 0.0
    while (now := time.monotonic()) < start + warm_up_s + window_s:
        if not begin and now >= start + warm_up_s:
            begin, first, tried_before = now, received(exit_), tried
        due = FRAMES_A_CALL if not pace else int((now - start) * pace) - tried
        send(sender, due)
        tried += due
        if pace:
            time.sleep(BURST_SECONDS)
    print(received(exit_) - first, time.monotonic() - begin, tried - tried_before)


if __name__ == "__main__":
    main()
