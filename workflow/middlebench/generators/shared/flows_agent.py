"""Runs on the test computer, in front of a sender's text: the frames of several flows, made from one.

Flow ``k`` is the frame with its UDP source port raised by ``k``, so flow 0 is the frame itself. Standard
library only.
"""

import struct

SOURCE_PORT = 34
"""Where an Ethernet/IPv4/UDP frame without options has its source port; the checksum stands 6 B behind it."""


def flow_frames(frame: bytes, flows: int) -> "list[bytes]":
    """Return a frame of each flow, valid as the given one is.

    The checksum is brought up to date by the difference, as RFC 1624 (equation 3) has it: HC' = ~(~HC + ~m + m').
    """
    (port,) = struct.unpack_from("!H", frame, SOURCE_PORT)
    (checksum,) = struct.unpack_from("!H", frame, SOURCE_PORT + 6)
    found = []
    for flow in range(flows):
        total = (~checksum & 0xFFFF) + (~port & 0xFFFF) + port + flow
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        changed = bytearray(frame)
        struct.pack_into("!H", changed, SOURCE_PORT, port + flow)
        struct.pack_into("!H", changed, SOURCE_PORT + 6, (~total & 0xFFFF) or 0xFFFF)  # RFC 768: 0 is "no checksum"
        found.append(bytes(changed))
    return found
