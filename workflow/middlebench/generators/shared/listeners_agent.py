"""Runs on the test computer, in front of a receiver's text: listeners that see some of the frames which arrive.

The kernel copies no others. Standard library only: this text stands behind that of ``stamps_agent``.
"""

import ctypes
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.generators.shared.stamps_agent import MARK, PAYLOAD, STAMP, STAMP_BYTES

SO_ATTACH_FILTER, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 26, 35, 33  # asm-generic/socket.h
SOL_PACKET, PACKET_STATISTICS = 263, 6  # linux/if_packet.h
ETH_P_ALL, PACKET_OUTGOING = 3, 4
TIMER_BUFFER_BYTES = 4 << 20
SAMPLER_BUFFER_BYTES = 32 << 10
"""Room for some dozen frames, large or small: the kernel adds to each what it needs itself, and doubles the number."""
SAMPLER_PAUSE_SECONDS = 0.02
LEAST_CHARGED_BYTES = 512
"""Of its buffer, of which it may take twice what is asked for, a socket gives each frame more than this."""
LONGEST_FRAME = 16384
MOST_DIFFERENT = 2048
"""Different frames that a sample keeps at the most."""


def only_stamped() -> bytes:
    """Return a classic BPF program (struct sock_filter, linux/filter.h) that lets stamped frames through."""
    steps = (
        (0x20, 0, 0, PAYLOAD),  # load the word there
        (0x15, 0, 1, MARK),  # equal to the mark: go on, else skip one
        (0x06, 0, 0, PAYLOAD + STAMP_BYTES),  # take so many bytes
        (0x06, 0, 0, 0),  # take none
    )
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class Listener(threading.Thread):
    """Reads frames that arrive at a port."""

    pause_s = 0.0
    """Seconds to wait before each look."""

    def __init__(self, port: str, buffer_bytes: int) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.most = 2 * buffer_bytes // LEAST_CHARGED_BYTES
        """Frames that the buffer cannot hold more of."""
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.prepare()
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.bind((port, ETH_P_ALL))

    def prepare(self) -> None:
        """Set up the socket before it sees a frame."""

    def run(self) -> None:
        """Read until :meth:`end`."""
        while not self.ended.wait(self.pause_s):
            if select.select([self.socket], [], [], 0.05)[0]:
                self.read_all()

    def read_all(self) -> None:
        """Read all frames that are there; of those that arrive meanwhile, no more than another buffer of them."""
        for _ in range(self.most):
            if not select.select([self.socket], [], [], 0)[0]:
                return
            self.read()

    def read(self) -> None:
        """Read one frame, which is there, and note it."""
        raise NotImplementedError

    def end(self) -> int:
        """End, with all read that has arrived; return how many frames the socket had no room for."""
        self.ended.set()
        self.join()
        self.read_all()
        return int(struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])


class Timer(Listener):
    """Notes each stamped frame: its number, and how long it was on its way; both clocks are one."""

    def __init__(self, port: str) -> None:
        super().__init__(port, TIMER_BUFFER_BYTES)
        self.arrived: dict[int, tuple[int, int]] = {}
        """By number: when it left, and how long it took, both in nanoseconds."""
        self.twice = 0

    def prepare(self) -> None:
        """Have the kernel copy stamped frames only, each with the moment at which it arrived."""
        program = ctypes.create_string_buffer(only_stamped())
        length = (len(program) - 1) // 8
        self.socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", length, ctypes.addressof(program))
        )
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def read(self) -> None:
        """Note how long a frame took."""
        data, ancillary, _, address = self.socket.recvmsg(PAYLOAD + STAMP_BYTES, 64)
        times = [struct.unpack("qq", each) for _, kind, each in ancillary if kind == SO_TIMESTAMPNS]
        if address[2] == PACKET_OUTGOING or not times:
            return
        _, number, left_ns = STAMP.unpack_from(data, PAYLOAD)
        self.twice += number in self.arrived
        seconds, nanoseconds = times[0]
        self.arrived.setdefault(number, (left_ns, seconds * 10**9 + nanoseconds - left_ns))


class Sampler(Listener):
    """Keeps some frames: all that fit into a small buffer, some fifty times a second.

    Each different one is kept once, and how often it came. The rest costs the receiver next to nothing.
    """

    pause_s = SAMPLER_PAUSE_SECONDS

    def __init__(self, port: str) -> None:
        super().__init__(port, SAMPLER_BUFFER_BYTES)
        self.frames: dict[bytes, int] = {}

    def read(self) -> None:
        """Keep a frame, as long as there is room."""
        frame, address = self.socket.recvfrom(LONGEST_FRAME)
        if address[2] != PACKET_OUTGOING and (frame in self.frames or len(self.frames) < MOST_DIFFERENT):
            self.frames[frame] = self.frames.get(frame, 0) + 1
