"""The fields of an Ethernet/IPv4/UDP frame that functions look at and change. Pure; knows no host.

Only what the generators send is understood here: no VLAN tag, no fragment. A frame of another kind has no fields.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
from dataclasses import dataclass

from middlebench.model.frames import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    IP_HEADER_BYTES,
    IP_PROTOCOL_UDP,
    UDP_HEADER_BYTES,
    checksummed,
)

HEADERS_BYTES = ETHERNET_HEADER_BYTES + IP_HEADER_BYTES + UDP_HEADER_BYTES
UDP_CHECKSUM_AT = 6


@dataclass(frozen=True)
class Packet:
    """What a frame says. Addresses are numbers, as :class:`ipaddress.IPv4Address` takes them."""

    ethernet: bytes
    """Both addresses and the EtherType."""
    header: bytes
    """The first nine bytes of the IPv4 header: all up to the protocol."""
    protocol: int
    source_address: int
    destination_address: int
    source_port: int
    destination_port: int
    payload: bytes
    """What is behind the UDP header, and whatever pads the frame."""

    @property
    def identification(self) -> int:
        """What the sender calls the packet: of the load the number of its flow."""
        return int.from_bytes(self.header[4:6], "big")

    @property
    def flow(self) -> tuple[int, int, int, int, int]:
        """What tells one flow from another."""
        return (self.protocol, self.source_address, self.source_port, self.destination_address, self.destination_port)

    def frame(self) -> bytes:
        """Return the frame with this content, both checksums right."""
        addresses = struct.pack("!II", self.source_address, self.destination_address)
        header = self.header + bytes([self.protocol])
        return self.ethernet + checksummed(header, addresses, (self.source_port, self.destination_port), self.payload)

    def changed(self, **fields: int | str | bytes) -> Packet:
        """Return this packet with other values of some fields; addresses may be text, a payload begins with its value.

        Raises:
            ValueError: an address is none, or the packet has no room for the payload.
        """
        values: dict[str, int | bytes] = {}
        for name, value in fields.items():
            if name == "payload":
                start = value.encode() if isinstance(value, str) else bytes(value)
                if len(start) > len(self.payload):
                    raise ValueError(f"there is no room for {len(start)} B of payload")
                values[name] = start + self.payload[len(start) :]
            elif name == "ethertype":
                values["ethernet"] = self.ethernet[:12] + struct.pack("!H", value)
            elif isinstance(value, str):
                values[name] = int(ipaddress.IPv4Address(value))
            else:
                values[name] = value
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]


def packet_of(frame: bytes) -> Packet | None:
    """Return what a frame says; None where it is no whole IPv4 packet, or not one of ports and a length like UDP's."""
    if len(frame) < HEADERS_BYTES or struct.unpack_from("!H", frame, 12)[0] != ETHERTYPE_IPV4:
        return None
    ip = frame[ETHERNET_HEADER_BYTES:]
    ip_length = struct.unpack_from("!H", ip, 2)[0]
    if ip[0] != 0x45 or not IP_HEADER_BYTES + UDP_HEADER_BYTES <= ip_length <= len(ip):
        return None
    source, destination, source_port, destination_port = struct.unpack_from("!IIHH", ip, 12)
    return Packet(
        ethernet=frame[:ETHERNET_HEADER_BYTES],
        header=ip[:9],
        protocol=ip[9],
        source_address=source,
        destination_address=destination,
        source_port=source_port,
        destination_port=destination_port,
        payload=frame[HEADERS_BYTES:],
    )


def is_udp(frame: bytes) -> bool:
    """Whether a frame is a whole UDP packet."""
    packet = packet_of(frame)
    return packet is not None and packet.protocol == IP_PROTOCOL_UDP


def checksum_faults(frame: bytes) -> list[str]:
    """Return which checksums of a frame are wrong, in words; a UDP packet without one has none that is wrong."""
    packet = packet_of(frame)
    if packet is None:
        return []
    right = packet.frame()
    faults = []
    header, transport = ETHERNET_HEADER_BYTES + 10, ETHERNET_HEADER_BYTES + IP_HEADER_BYTES + UDP_CHECKSUM_AT
    if frame[header : header + 2] != right[header : header + 2]:
        faults.append("its IPv4 header checksum is wrong")
    said = frame[transport : transport + 2]
    if packet.protocol == IP_PROTOCOL_UDP and said not in (b"\0\0", right[transport : transport + 2]):
        faults.append("its UDP checksum is wrong")
    return faults
