"""Runs on the test computer, in front of a sender's text: the frames of several flows and sizes, in their order.

Flow ``k`` is the frame with its UDP source port and its IPv4 identification raised by ``k``, so flow 0 is the frame
itself. Standard library only.
"""

import math
import struct

RAISED = ((18, 24, 0), (34, 40, 0xFFFF))
"""Where an Ethernet/IPv4/UDP frame without options has what tells its flow, where the checksum over that, and what
stands there for a sum of zero: identification and IPv4 header, UDP source port and datagram (RFC 768)."""


def flow_frames(frame: bytes, flows: int) -> "list[bytes]":
    """Return a frame of each flow, valid as the given one is.

    The checksums are brought up to date by the difference, as RFC 1624 (equation 3) has it: HC' = ~(~HC + ~m + m').
    """
    found = []
    for flow in range(flows):
        changed = bytearray(frame)
        for place, checksum_place, zero in RAISED:
            (value,) = struct.unpack_from("!H", frame, place)
            (checksum,) = struct.unpack_from("!H", frame, checksum_place)
            total = (~checksum & 0xFFFF) + (~value & 0xFFFF) + value + flow
            while total > 0xFFFF:
                total = (total & 0xFFFF) + (total >> 16)
            struct.pack_into("!H", changed, place, value + flow)
            struct.pack_into("!H", changed, checksum_place, (~total & 0xFFFF) or zero)
        found.append(bytes(changed))
    return found


def load_frames(frames: "list[tuple[str, int]]", flows: int) -> "list[bytes]":
    """Return the frames of a load in the order in which they leave, until that repeats: sizes in turn, flows in turn.

    ``frames`` are the first flow's, in their order: each one's bytes up to the last that is not zero, and its length.
    Where both would begin anew together before each flow has had each frame, the flows go on by one.
    """
    first = [bytes.fromhex(text).ljust(length, b"\0") for text, length in frames]
    of = {frame: flow_frames(frame, flows) for frame in set(first)}
    both = math.lcm(len(first), flows)
    return [of[first[i % len(first)]][(i + i // both) % flows] for i in range(len(first) * flows)]
