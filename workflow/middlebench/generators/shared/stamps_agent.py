"""Runs on the test computer, in front of a sender's or a receiver's text: frames that tell when they left.

A *stamped* frame is one of the load's own, with 18 B of payload: a mark, its number, the moment at which it left
(wall clock), and what makes these 18 B add up to nothing, so that the frame's checksum stays right. Standard
library only.
"""

import struct

PAYLOAD = 42
"""Where the payload of an Ethernet/IPv4/UDP frame without options begins."""
MARK = 0x6D624C54
STAMP = struct.Struct("!IIQ")
"""Mark, number, and nanoseconds since 1970; two bytes of compensation follow."""
STAMP_BYTES = STAMP.size + 2


def stamp(number: int, moment_ns: int) -> bytes:
    """Return the payload of a stamped frame; as 16-bit words its ones' complement sum is zero (RFC 1071)."""
    text = STAMP.pack(MARK, number, moment_ns)
    total = sum(struct.unpack("!8H", text))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return text + struct.pack("!H", ~total & 0xFFFF)
