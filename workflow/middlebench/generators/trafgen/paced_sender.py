"""Runs on the test computer: sends frames of each flow and size in turn, at a rate that it keeps.

trafgen's gap does not keep a rate: it is slept on top of the time that sending takes. Of 5, 20 and 100 kpkt/s intended
at 800 B it offered 3.7, 11.8 and 30.1 (tried; its own rate cap and shaping by tc were not). Here every frame has a
moment at which it is due. Those that are due leave by one call of the kernel; what a stall of the processor held back
is made up for at twice the load, never all at once.

Standard library only: it is handed to the host's own ``python3`` as text, behind that of ``model.frames`` and
``stamps_agent``.

    python3 -c THIS '{"port", "sizes", "flows", "packets_per_second", "packets", "limit_s", "stamps_per_second"}'

With ``packets`` and ``limit_s`` it ends when so many have been sent, or after so many seconds with what was sent until
then; with null for both it goes on until it is ended. So many frames a second tell when they left. In any case it says
what it did, as one JSON object.
"""

import ctypes
import json
import math
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.generators.shared.stamps_agent import PAYLOAD, STAMP_BYTES, stamp
    from middlebench.model.frames import load_frames

BURST_SECONDS = 0.001
BURST_PACKETS = 32
"""How much may leave at once, after a stall: so many seconds' share of the load, or so many frames where that is less
(an eighth of one ring of virtio or Xen)."""
CATCH_UP = 2.0
"""Rate at which a sender that fell behind its schedule makes up for it, as a multiple of the load."""
LONGEST_BURST = 256
"""Frames in one call of the kernel; it takes no more than 1024 (UIO_MAXIOV in linux/uio.h)."""
SPREAD = 40503
"""An odd number by which the places of stamped frames in their bursts are spread (Knuth's multiplicative hashing)."""
PR_SET_TIMERSLACK = 29  # linux/prctl.h


class IoVector(ctypes.Structure):
    """``struct iovec`` of readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    """``struct msghdr`` of sendmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(IoVector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """``struct mmsghdr`` of sendmmsg(2): what is sent, and how much of it was; what pads the former stays its own."""

    _fields_ = (("header", Header), ("sent", ctypes.c_uint))


class Ended(Exception):
    """Somebody ended us by a signal."""


def end(*_: object) -> None:
    """Leave the loop, so that what was sent is still told, however many signals come."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Ended


class Frames:
    """Frames that leave in turn, laid out for sendmmsg(2): a burst may begin at any of them."""

    def __init__(self, frames: "list[bytes]") -> None:
        self.count = len(frames)
        self.plain = [self.vector(frame) for frame in frames]
        self.stamped: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.frames = frames
        self.messages = (Message * (self.count + LONGEST_BURST))()
        for number in range(len(self.messages)):
            self.messages[number].header = Header(vectors=self.plain[number % self.count], vector_count=1)

    def vector(self, frame: bytes) -> "ctypes._Pointer[IoVector]":
        """Return a frame as the kernel takes it."""
        buffer = ctypes.create_string_buffer(frame, len(frame))
        vector = IoVector(ctypes.cast(buffer, ctypes.c_void_p), len(frame))
        vector.kept = buffer
        return ctypes.pointer(vector)

    def burst(self, first: int) -> int:
        """Return the address of the messages from the ``first`` frame of all on."""
        return ctypes.addressof(self.messages) + (first % self.count) * ctypes.sizeof(Message)

    def put_stamp(self, first: int, place: int, number: int) -> None:
        """Have the frame at a place of a burst tell that it leaves now."""
        index = (first + place) % self.count
        if index not in self.stamped:
            frame = self.frames[index]
            self.stamped[index] = ctypes.create_string_buffer(frame, len(frame))
        buffer = self.stamped[index]
        vector = IoVector(ctypes.cast(buffer, ctypes.c_void_p), len(buffer))
        self.messages[first % self.count + place].header.vectors = ctypes.pointer(vector)
        ctypes.memmove(ctypes.addressof(buffer) + PAYLOAD, stamp(number, time.time_ns()), STAMP_BYTES)

    def remove_stamp(self, first: int, place: int) -> None:
        """Put the plain frame back."""
        self.messages[first % self.count + place].header.vectors = self.plain[(first + place) % self.count]


def send(
    port: str, frames: Frames, rate: float, packets: float, limit_s: float, stamps_per_second: float
) -> "dict[str, float]":
    """Send by the schedule; return how many frames that were, and in how many seconds."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((port, 0))
    longest = min(max(BURST_PACKETS, rate * BURST_SECONDS), LONGEST_BURST)
    sent, stamped, allowed = 0, 0, 1.0
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
            count, place = int(min(due, allowed)), -1
            if stamps_per_second and (now - start) * stamps_per_second >= stamped:
                place = stamped * SPREAD % count
                frames.put_stamp(sent, place, stamped)
            done = libc.sendmmsg(sender.fileno(), ctypes.c_void_p(frames.burst(sent)), count, 0)
            if done < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), port)
            if place >= 0:
                frames.remove_stamp(sent, place)
                stamped += done > place
            sent += done
            allowed -= done
    except Ended:
        pass  # what was sent is told all the same
    return {"sent": sent, "stamped": stamped, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    asked = json.loads(sys.argv[1])
    endless = asked["packets"] is None
    try:
        said = send(
            asked["port"],
            Frames(load_frames(asked["sizes"], asked["flows"])),
            asked["packets_per_second"],
            math.inf if endless else asked["packets"],
            math.inf if endless else asked["limit_s"],
            asked["stamps_per_second"],
        )
    except Ended:
        sys.exit(0)
    except OSError as error:
        sys.exit(f"port {asked['port']}: {error.strerror}")
    print(json.dumps(said))
