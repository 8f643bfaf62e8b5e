"""Sizes and rates of Ethernet frames. Pure arithmetic; knows nothing of hosts.

A *frame size* is counted without the frame check sequence (FCS), as the paper and pkt-gen
count it: 60 B here is the 64 B minimum of IEEE 802.3 on the wire.
"""

from __future__ import annotations

import dpkt

ETHERNET_HEADER_BYTES = 14
FCS_BYTES = 4
PREAMBLE_BYTES = 8
INTERFRAME_GAP_BYTES = 12
WIRE_OVERHEAD_BYTES = FCS_BYTES + PREAMBLE_BYTES + INTERFRAME_GAP_BYTES
"""24 B that a frame takes on the wire beyond its own bytes (IEEE 802.3; the paper's "raw")."""

MINIMUM_FRAME_BYTES = 60
"""Smallest frame without FCS (IEEE 802.3: 64 B with it)."""

SENDER_MAC = "02:4d:42:00:00:00"
RECEIVER_MAC = "02:4d:42:00:00:01"
"""Locally administered addresses; the third and following bytes only have to be ours."""

SENDER_IP = "198.18.0.1"
RECEIVER_IP = "198.19.0.1"
"""From the block that RFC 2544 reserves for benchmarks."""

UDP_PORT = 9
"""The discard port (RFC 863)."""


def maximum_frame_bytes(mtu: int) -> int:
    """Return the largest frame, in bytes without FCS, that an interface of this MTU carries."""
    return mtu + ETHERNET_HEADER_BYTES


def wire_bits(frame_bytes: int) -> int:
    """Return the bits that one frame occupies on the wire, overhead included."""
    return (frame_bytes + WIRE_OVERHEAD_BYTES) * 8


def line_rate_pps(link_bps: float, frame_bytes: int) -> float:
    """Return the most frames a second that a link of ``link_bps`` bits/s carries."""
    return link_bps / wire_bits(frame_bytes)


def throughput_mbps(packets_per_second: float, frame_bytes: int) -> float:
    """Return throughput in Mb/s as the paper counts it: frame bytes without FCS or gaps."""
    return packets_per_second * frame_bytes * 8 / 1e6


def raw_mbps(packets_per_second: float, frame_bytes: int) -> float:
    """Return the load on the wire in Mb/s, overhead included (the paper's "raw")."""
    return packets_per_second * wire_bits(frame_bytes) / 1e6


def packets_per_second(mbps: float, frame_bytes: int) -> float:
    """Return the packet rate that gives a throughput of ``mbps`` Mb/s: the inverse of throughput."""
    return mbps * 1e6 / (frame_bytes * 8)


def udp_frame(frame_bytes: int, payload: bytes = b"") -> bytes:
    """Return a valid Ethernet/IPv4/UDP frame of exactly ``frame_bytes`` bytes.

    Both checksums are right: a Linux bridge with br_netfilter drops frames whose IPv4 header
    checksum is wrong.

    Args:
        frame_bytes: size without FCS.
        payload: start of the UDP payload; the rest is zero.

    Raises:
        ValueError: the frame is too small for its headers and the payload.
    """
    headers = ETHERNET_HEADER_BYTES + 20 + 8
    room = frame_bytes - headers
    if room < len(payload):
        raise ValueError(
            f"a frame of {frame_bytes} B has no room for {len(payload)} B of payload behind its headers ({headers} B)"
        )
    datagram = dpkt.udp.UDP(sport=UDP_PORT, dport=UDP_PORT, ulen=8 + room, data=payload.ljust(room, b"\0"))
    packet = dpkt.ip.IP(
        src=_ip(SENDER_IP),
        dst=_ip(RECEIVER_IP),
        p=dpkt.ip.IP_PROTO_UDP,
        ttl=64,
        len=20 + 8 + room,
        data=datagram,
    )
    frame = dpkt.ethernet.Ethernet(
        src=_mac(SENDER_MAC), dst=_mac(RECEIVER_MAC), type=dpkt.ethernet.ETH_TYPE_IP, data=packet
    )
    return bytes(frame)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))
