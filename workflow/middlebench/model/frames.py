"""Sizes, rates and contents of Ethernet frames. Pure arithmetic; knows nothing of hosts.

A *frame size* is counted without the frame check sequence (FCS), as the paper and pkt-gen
count it: 60 B here is the 64 B minimum of IEEE 802.3 on the wire.

Standard library only: it is part of the scripts that send frames on the test computer.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

ETHERNET_HEADER_BYTES = 14
FCS_BYTES = 4
PREAMBLE_BYTES = 8
INTERFRAME_GAP_BYTES = 12
WIRE_OVERHEAD_BYTES = FCS_BYTES + PREAMBLE_BYTES + INTERFRAME_GAP_BYTES
"""24 B that a frame takes on the wire beyond its own bytes (IEEE 802.3; the paper's "raw")."""
FULL = 0.99
"""Share of a rate from which it counts as reached: the line rate of a link, or what a generator was asked for."""

MINIMUM_FRAME_BYTES = 60
"""Smallest frame without FCS (IEEE 802.3: 64 B with it)."""

SENDER_MAC = "02:4d:42:00:00:00"
RECEIVER_MAC = "02:4d:42:00:00:01"
"""Locally administered addresses; the third and following bytes only have to be ours."""

SENDER_IP = "198.18.0.1"
RECEIVER_IP = "198.19.0.1"
"""From the block that RFC 2544 reserves for benchmarks."""

UDP_PORT = 9
"""The discard port (RFC 863): the destination's, and the source's of the first flow. Each further flow has the next
source port."""
MOST_FLOWS = 10_000
"""trafgen takes a third of a second to read so many frames, and 13 s to read 60,000 (tried)."""
MOST_FRAMES = 20_000
"""Different frames of a load of several flows and sizes: trafgen reads so many in 4 s on a busy machine (tried)."""

ETHERTYPE_IPV4 = 0x0800
IP_HEADER_BYTES = 20
IP_PROTOCOL_UDP = 17
UDP_HEADER_BYTES = 8
TIME_TO_LIVE = 64


def maximum_frame_bytes(mtu: int) -> int:
    """Return the largest frame, in bytes without FCS, that an interface of this MTU carries."""
    return mtu + ETHERNET_HEADER_BYTES


def wire_bits(frame_bytes: float) -> float:
    """Return the bits that one frame occupies on the wire, overhead included; of a mix, by its mean size, the mean."""
    return (frame_bytes + WIRE_OVERHEAD_BYTES) * 8


def line_rate_pps(link_bps: float, frame_bytes: float) -> float:
    """Return the most frames a second that a link of ``link_bps`` bits/s carries."""
    return link_bps / wire_bits(frame_bytes)


def throughput_mbps(packets_per_second: float, frame_bytes: float) -> float:
    """Return throughput in Mb/s as the paper counts it: frame bytes without FCS or gaps."""
    return packets_per_second * frame_bytes * 8 / 1e6


def raw_mbps(packets_per_second: float, frame_bytes: float) -> float:
    """Return the load on the wire in Mb/s, overhead included (the paper's "raw")."""
    return packets_per_second * wire_bits(frame_bytes) / 1e6


def packets_per_second(mbps: float, frame_bytes: float) -> float:
    """Return the packet rate that gives a throughput of ``mbps`` Mb/s: the inverse of throughput."""
    return mbps * 1e6 / (frame_bytes * 8)


def udp_frame(frame_bytes: int, payload: bytes = b"", flow: int = 0) -> bytes:
    """Return a valid Ethernet/IPv4/UDP frame of exactly ``frame_bytes`` bytes.

    Both checksums are right: a Linux bridge with br_netfilter drops frames whose IPv4 header
    checksum is wrong.

    Args:
        frame_bytes: size without FCS.
        payload: start of the UDP payload; the rest is zero.
        flow: number of the flow, from 0, by which its UDP source port goes up; it is also the packet's identification,
            which no function changes, so that a frame tells its flow whatever was made of its addresses and ports.

    Raises:
        ValueError: the frame is too small for its headers and the payload.
    """
    room = frame_bytes - ETHERNET_HEADER_BYTES - IP_HEADER_BYTES - UDP_HEADER_BYTES
    if room < len(payload):
        raise ValueError(f"a frame of {frame_bytes} B has no room for {len(payload)} B of payload behind its headers")
    length = IP_HEADER_BYTES + UDP_HEADER_BYTES + room
    header = struct.pack("!BBHHHBB", 0x45, 0, length, flow, 0, TIME_TO_LIVE, IP_PROTOCOL_UDP)
    ethernet = _mac(RECEIVER_MAC) + _mac(SENDER_MAC) + struct.pack("!H", ETHERTYPE_IPV4)
    ports = (UDP_PORT + flow, UDP_PORT)
    return ethernet + checksummed(header, _ip(SENDER_IP) + _ip(RECEIVER_IP), ports, payload.ljust(room, b"\0"))


def load_frames(sizes: Sequence[int], flows: int) -> list[bytes]:
    """Return the frames of a load in the order in which they leave, until that repeats: sizes in turn, flows in turn.

    Where both would begin anew together before each flow has had each size, the flows go on by one.
    """
    both = math.lcm(len(sizes), flows)
    of = {size: [udp_frame(size, flow=flow) for flow in range(flows)] for size in set(sizes)}
    return [of[sizes[i % len(sizes)]][(i + i // both) % flows] for i in range(len(sizes) * flows)]


def checksummed(header: bytes, addresses: bytes, ports: tuple[int, int], payload: bytes) -> bytes:
    """Return an IPv4/UDP packet with both checksums right, and whatever of ``payload`` pads the frame behind it.

    ``header`` are the ten bytes of the IPv4 header in front of its checksum; it says how long the packet is.
    """
    room = struct.unpack_from("!H", header, 2)[0] - IP_HEADER_BYTES - UDP_HEADER_BYTES
    datagram = struct.pack("!HHH", *ports, UDP_HEADER_BYTES + room)
    pseudo_header = addresses + struct.pack("!HH", header[9], UDP_HEADER_BYTES + room)
    # RFC 768: a sum of zero is sent as all ones, zero means "no checksum".
    udp_checksum = internet_checksum(pseudo_header + datagram + payload[:room]) or 0xFFFF
    ip_checksum = struct.pack("!H", internet_checksum(header + addresses))
    return header + ip_checksum + addresses + datagram + struct.pack("!H", udp_checksum) + payload


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071: the complement of the ones' complement sum of 16-bit words."""
    data = data.rstrip(b"\0")  # most of a frame, and nothing to the sum
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))
