"""Runs on the test computer, in front of a sender's or a receiver's text: frames that tell when they left.

A *stamped* frame is one of the load's own, with 18 B of payload: a mark, its number, the moment at which it left
(wall clock), and what makes these 18 B add up to nothing, so that the frame's checksum stays right. The
receiver has the kernel note when each arrives (SO_TIMESTAMPNS, socket(7)); both clocks are one. Standard
library only.
"""

import ctypes
import select
import socket
import struct
import threading

PAYLOAD = 42
"""Where the payload of an Ethernet/IPv4/UDP frame without options begins."""
MARK = 0x6D624C54
STAMP = struct.Struct("!IIQ")
"""Mark, number, and nanoseconds since 1970; two bytes of compensation follow."""
STAMP_BYTES = STAMP.size + 2
SO_ATTACH_FILTER, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 26, 35, 33  # asm-generic/socket.h
SOL_PACKET, PACKET_STATISTICS = 263, 6  # linux/if_packet.h
ETH_P_ALL, PACKET_OUTGOING = 3, 4
RECEIVE_BUFFER_BYTES = 4 << 20


def stamp(number: int, moment_ns: int) -> bytes:
    """Return the payload of a stamped frame; as 16-bit words its ones' complement sum is zero (RFC 1071)."""
    text = STAMP.pack(MARK, number, moment_ns)
    total = sum(struct.unpack("!8H", text))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return text + struct.pack("!H", ~total & 0xFFFF)


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
    """Notes each stamped frame that arrives at a port: its number, and how long it was on its way."""

    def __init__(self, port: str) -> None:
        super().__init__(daemon=True)
        self.arrived: dict[int, tuple[int, int]] = {}
        """By number: when it left, and how long it took, both in nanoseconds."""
        self.twice = 0
        self.ended = threading.Event()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        program = ctypes.create_string_buffer(only_stamped())
        length = (len(program) - 1) // 8
        self.socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", length, ctypes.addressof(program))
        )
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((port, ETH_P_ALL))

    def run(self) -> None:
        """Read until :meth:`end`."""
        while not self.ended.is_set():
            if select.select([self.socket], [], [], 0.05)[0]:
                self.read()

    def read(self) -> None:
        """Note one frame."""
        data, ancillary, _, address = self.socket.recvmsg(PAYLOAD + STAMP_BYTES, 64)
        times = [struct.unpack("qq", each) for _, kind, each in ancillary if kind == SO_TIMESTAMPNS]
        if address[2] == PACKET_OUTGOING or not times:
            return
        _, number, left_ns = STAMP.unpack_from(data, PAYLOAD)
        self.twice += number in self.arrived
        seconds, nanoseconds = times[0]
        self.arrived.setdefault(number, (left_ns, seconds * 10**9 + nanoseconds - left_ns))

    def end(self) -> int:
        """End, with all read that has arrived; return how many frames the socket had no room for."""
        self.ended.set()
        self.join()
        while select.select([self.socket], [], [], 0)[0]:
            self.read()
        return int(struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])
