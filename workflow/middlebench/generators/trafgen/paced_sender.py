"""Runs on the test computer: sends one frame again and again at a rate that it keeps.

trafgen's gap does not keep a rate: it is slept on top of the time that sending takes. Of 5, 20 and 100 kpkt/s intended
at 800 B it offered 3.7, 11.8 and 30.1 (tried; its own rate cap and shaping by tc were not). Here every frame has a
moment at which it is due. Those that are due leave by one call of the kernel; what a stall of the processor held back
is made up for at twice the load, never all at once.

Standard library only: it is handed to the host's own ``python3`` as text.

    python3 -c THIS '{"port", "frame", "packets_per_second", "packets", "limit_s"}'

With ``packets`` and ``limit_s`` it ends when so many have been sent, or after so many seconds with what was sent until
then; with null for both it goes on until it is ended. Either way it says what it did, as one JSON object.
"""

import ctypes
import json
import math
import os
import signal
import socket
import sys
import time

BURST_SECONDS = 0.001
BURST_PACKETS = 32
"""How much may leave at once, after a stall: so many seconds' share of the load, or so many frames where that is less
(an eighth of one ring of virtio or Xen)."""
CATCH_UP = 2.0
"""Rate at which a sender that fell behind its schedule makes up for it, as a multiple of the load."""
LONGEST_BURST = 256
"""Frames in one call of the kernel; it takes no more than 1024 (UIO_MAXIOV in linux/uio.h)."""
PR_SET_TIMERSLACK = 29  # linux/prctl.h


class IoVector(ctypes.Structure):
    """``struct iovec`` of readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Message(ctypes.Structure):
    """``struct mmsghdr`` of sendmmsg(2): a ``struct msghdr``, and how much of it was sent."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(IoVector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


class Ended(Exception):
    """Somebody ended us by a signal."""


def end(*_: object) -> None:
    """Leave the loop, so that what was sent is still told."""
    raise Ended


def messages(frame: bytes) -> "ctypes.Array[Message]":
    """Return the argument of sendmmsg(2): the same frame again and again."""
    buffer = ctypes.create_string_buffer(frame, len(frame))
    vector = IoVector(ctypes.cast(buffer, ctypes.c_void_p), len(frame))
    return (Message * LONGEST_BURST)(*[Message(vectors=ctypes.pointer(vector), vector_count=1)] * LONGEST_BURST)


def send(port: str, frame: bytes, rate: float, packets: float, limit_s: float) -> "dict[str, float]":
    """Send by the schedule; return how many frames that were, and in how many seconds."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    burst = messages(frame)
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((port, 0))
    longest = min(max(BURST_PACKETS, rate * BURST_SECONDS), LONGEST_BURST)
    sent, allowed = 0, 1.0
    start = last = now = time.monotonic()
    try:
        while sent < packets and now - start <= limit_s:
            now = time.monotonic()
            allowed = min(longest, allowed + (now - last) * rate * CATCH_UP)
            last = now
            due = min(int((now - start) * rate) + 1, packets) - sent
            if due < 1:
                time.sleep(max(0.0, start + sent / rate - now))
                continue
            if allowed < 1:
                time.sleep((1 - allowed) / (rate * CATCH_UP))
                continue
            done = libc.sendmmsg(sender.fileno(), burst, int(min(due, allowed)), 0)
            if done < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), port)
            sent += done
            allowed -= done
    except Ended:
        pass  # what was sent is told all the same
    return {"sent": sent, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    asked = json.loads(sys.argv[1])
    endless = asked["packets"] is None
    try:
        said = send(
            asked["port"],
            bytes.fromhex(asked["frame"]),
            asked["packets_per_second"],
            math.inf if endless else asked["packets"],
            math.inf if endless else asked["limit_s"],
        )
    except Ended:
        sys.exit(0)
    except OSError as error:
        sys.exit(f"port {asked['port']}: {error.strerror}")
    print(json.dumps(said))
