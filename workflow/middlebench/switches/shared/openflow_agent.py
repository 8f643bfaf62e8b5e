"""Speaks OpenFlow 1.3 with a bridge of Open vSwitch by its own socket, so that flows need no process each.

Standard library only: its text stands in front of that of ``agent``.
"""

import os
import socket
import struct
import time

SECONDS = 25.0
"""How long the daemon may take to answer: for its first vhost-user port it fills a GiB of packet buffers, which took
10 s on a busy processor. Less than what a host gives a command."""


def connected(path: str) -> socket.socket:
    """Return a socket to ``path``; wait while the other side is too busy to take callers."""
    end = time.monotonic() + SECONDS
    while True:
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(SECONDS)
        try:
            caller.connect(path)
            return caller
        except BlockingIOError:  # its queue of callers is full: it is starved, not gone
            caller.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


OFP_VERSION = 4  # OpenFlow 1.3

OFPT_HELLO, OFPT_ERROR, OFPT_FLOW_MOD, OFPT_BARRIER_REQUEST, OFPT_BARRIER_REPLY = 0, 1, 14, 20, 21

OFP_HEADER = struct.Struct("!BBHI")


def message(kind: int, body: bytes = b"") -> bytes:
    """Return one OpenFlow message."""
    return OFP_HEADER.pack(OFP_VERSION, kind, OFP_HEADER.size + len(body), 0) + body


IN_PORT, ETHERTYPE, IP_PROTOCOL = 0, 5, 10

UDP_PORTS = {"source": 15, "destination": 16}
"""Numbers of fields to match (OpenFlow 1.3.5, 7.2.3.7)."""


def field(number: int, value: bytes, mask: bytes = b"") -> bytes:
    """Return one field of a match (OpenFlow 1.3.5, 7.2.3.2); Open vSwitch takes a mask of UDP ports too."""
    return struct.pack("!HBB", 0x8000, number << 1 | bool(mask), len(value + mask)) + value + mask


def flow(ingress: int, egress: int, ports: "tuple[str, int, int] | None" = None) -> bytes:
    """Return the message that adds a flow: what comes in by one port leaves by the other (OpenFlow 1.3.5, 7.3.4.1).

    Priority 32768 is the default, 0xffffffff stands for "any" or "none" each time.
    """
    command = struct.pack("!QQBBHHHIIIH2x", 0, 0, 0, 0, 0, 0, 32768, *[0xFFFFFFFF] * 3, 0)
    fields = field(IN_PORT, struct.pack("!I", ingress))
    if ports:
        side, value, mask = ports
        fields += field(ETHERTYPE, b"\x08\x00") + field(IP_PROTOCOL, bytes([socket.IPPROTO_UDP]))
        fields += field(UDP_PORTS[side], struct.pack("!H", value), struct.pack("!H", mask))
    match = struct.pack("!HH", 1, 4 + len(fields)) + fields
    match += bytes(-len(match) % 8)
    output = struct.pack("!HHIH6x", 0, 16, egress, 0)
    apply_actions = struct.pack("!HH4x", 4, 8 + len(output)) + output
    return message(OFPT_FLOW_MOD, command + match + apply_actions)


class Controller:
    """A bridge's own socket: what is sent there steers the bridge."""

    def __init__(self, folder: str, bridge: str) -> None:
        self.bridge = bridge
        self.socket = connected(os.path.join(folder, f"{bridge}.mgmt"))

    def send(self, *messages: bytes) -> None:
        """Send messages, and ask to be told when they are in effect."""
        self.socket.sendall(b"".join((message(OFPT_HELLO), *messages, message(OFPT_BARRIER_REQUEST))))

    def settle(self) -> None:
        """Return when all that was sent is in effect."""
        while True:
            _, kind, length, _ = OFP_HEADER.unpack(self.read(OFP_HEADER.size))
            body = self.read(length - OFP_HEADER.size)
            if kind == OFPT_ERROR:
                raise ConnectionError(
                    "bridge {} refused a flow: error {}, {}".format(self.bridge, *struct.unpack("!HH", body[:4]))
                )
            if kind == OFPT_BARRIER_REPLY:
                return

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError(f"bridge {self.bridge} ended the connection")
            data += more
        return data
