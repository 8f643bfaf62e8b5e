"""What each function must make of a frame, by dpkt's parsers and checksums: an oracle that shares no code with ours."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from typing import Any

import dpkt
from middlebench.model.functions.function import Function
from middlebench.model.functions.lists import filter_rules, search_patterns

FORWARDS, BACKWARDS = 1, -1
FRAGMENT = dpkt.ip.IP_MF | dpkt.ip.IP_OFFMASK


@dataclass(frozen=True)
class Seen:
    """A frame as dpkt reads it."""

    raw: bytes

    @property
    def ethernet(self) -> dpkt.ethernet.Ethernet:
        return dpkt.ethernet.Ethernet(self.raw)

    @property
    def ip(self) -> dpkt.ip.IP | None:
        return self.ethernet.data if isinstance(self.ethernet.data, dpkt.ip.IP) else None

    @property
    def transport(self) -> Any:
        """The TCP or UDP header, where it is all there; of fragments only the first has one."""
        ip = self.ip
        if ip is None or ip._flags_offset & dpkt.ip.IP_OFFMASK:
            return None
        kind = {dpkt.ip.IP_PROTO_TCP: dpkt.tcp.TCP, dpkt.ip.IP_PROTO_UDP: dpkt.udp.UDP}.get(ip.p)
        data = bytes(ip.data)
        return kind(data) if kind and len(data) >= kind.__hdr_len__ else None

    @property
    def is_fragment(self) -> bool:
        return bool(self.ip._flags_offset & FRAGMENT)

    @property
    def flow(self) -> tuple[Any, ...]:
        ip, transport = self.ip, self.transport
        return (ip.p, ip.src, ip.dst, transport and transport.sport, transport and transport.dport)

    @property
    def payload(self) -> bytes:
        """What is behind the headers."""
        if self.ip is None:
            return bytes(self.raw[14:])
        return bytes(self.transport.data) if self.transport is not None else bytes(self.ip.data)

    def rewritten(self, **changes: Any) -> bytes:
        """Return the frame with other addresses (`src`, `dst`, bytes) and ports (`sport`, `dport`).

        Of what is whole the checksums are computed from all of it. Of a first fragment that is impossible: the checksum
        there moves by what the covered words have moved, in arithmetic modulo 65535 (RFC 1071).
        """
        frame, header = bytearray(self.raw), 14 + 4 * self.ip.hl
        end = 14 + self.ip.len
        before = _covered(frame, header)
        for name, place in (("src", 26), ("dst", 30)):
            if name in changes:
                frame[place : place + 4] = changes[name]
        for name, place in (("sport", header), ("dport", header + 2)):
            if name in changes:
                frame[place : place + 2] = struct.pack("!H", changes[name])
        frame[24:26] = bytes(2)
        frame[24:26] = struct.pack("!H", dpkt.in_cksum(bytes(frame[14:header])))
        if self.transport is None:
            return bytes(frame)
        is_udp = self.ip.p == dpkt.ip.IP_PROTO_UDP
        place = header + (6 if is_udp else 16)
        old = struct.unpack_from("!H", frame, place)[0]
        if is_udp and not old:
            return bytes(frame)
        if self.is_fragment:
            new = (old + before - _covered(frame, header)) % 0xFFFF
        else:
            frame[place : place + 2] = bytes(2)
            pseudo_header = bytes(frame[26:34]) + struct.pack("!HH", self.ip.p, end - header)
            new = dpkt.in_cksum(pseudo_header + bytes(frame[header:end]))
        frame[place : place + 2] = struct.pack("!H", new or (0xFFFF if is_udp else 0))
        return bytes(frame)


def _covered(frame: bytearray, header: int) -> int:
    """Return the sum of the words that a function may change and a transport checksum covers: addresses and ports."""
    return sum(struct.unpack_from("!HHHH", frame, 26)) + sum(struct.unpack_from("!HH", frame.ljust(header + 4), header))


@dataclass
class Oracle:
    """Says whether what came of a frame is what its function must make of it, one frame after the other."""

    function: Function
    mappings: dict[Any, Any] = field(default_factory=dict)
    taken: dict[Any, Any] = field(default_factory=dict)

    def demand(self, direction: int, sent: bytes, came: bytes | None) -> None:
        """Fail where ``came`` is wrong; None: the frame was dropped."""
        getattr(self, f"_{self.function.name}")(direction, Seen(sent), came and Seen(came))

    def _forward(self, direction: int, sent: Seen, came: Seen | None) -> None:
        assert came == sent

    _monitor = _forward

    def _filter(self, direction: int, sent: Seen, came: Seen | None) -> None:
        accepted = any(
            rule.accepts
            for rule in [each for each in filter_rules(self.function.parameters["rules"]) if _matches(each, sent)][:1]
        )
        assert came == (sent if accepted else None)

    def _inspect(self, direction: int, sent: Seen, came: Seen | None) -> None:
        patterns = search_patterns(self.function.parameters["patterns"])
        found = any(pattern.encode() in sent.payload for pattern in patterns)
        assert came == (None if found else sent)

    def _nat(self, direction: int, sent: Seen, came: Seen | None) -> None:
        if sent.ip is None or sent.transport is None or sent.is_fragment:
            assert came is None
            return
        p, src, dst, sport, dport = sent.flow
        pool = ipaddress.IPv4Address(self.function.parameters["pool"]).packed
        if direction == FORWARDS:
            assert came is not None
            new = came.transport.sport
            assert self.function.parameters["first_port"] <= new <= self.function.parameters["last_port"]
            assert came.raw == sent.rewritten(src=pool, sport=new)
            assert self.mappings.setdefault(sent.flow, came.flow) == came.flow, "a flow changes its mapping"
            assert self.taken.setdefault(came.flow, sent.flow) == sent.flow, "two flows share a mapping"
            return
        asked = self.taken.get((p, dst, src, dport, sport))
        if asked is None:
            assert came is None
        else:
            assert came is not None
            assert came.raw == sent.rewritten(dst=asked[1], dport=asked[3])

    def _balance(self, direction: int, sent: Seen, came: Seen | None) -> None:
        if sent.ip is None:
            assert came is None
            return
        assert came is not None
        first = ipaddress.IPv4Address(self.function.parameters["first_backend"])
        backends = [(first + index).packed for index in range(self.function.parameters["backends"])]
        if direction == FORWARDS:
            chosen = came.ip.dst
            assert chosen in backends
            assert came.raw == sent.rewritten(dst=chosen)
            flow = sent.flow[:3] if sent.is_fragment else sent.flow
            assert self.mappings.setdefault(flow, chosen) == chosen, "a flow is split"
        elif sent.ip.src in backends:
            virtual = ipaddress.IPv4Address(self.function.parameters["virtual"]).packed
            assert came.raw == sent.rewritten(src=virtual)
        else:
            assert came == sent


def _matches(rule: Any, sent: Seen) -> bool:
    ip, transport = sent.ip, sent.transport
    if ip is None:
        return False
    return (
        ipaddress.IPv4Address(ip.src) in ipaddress.IPv4Network(rule.source)
        and ipaddress.IPv4Address(ip.dst) in ipaddress.IPv4Network(rule.destination)
        and rule.protocol in (0, ip.p)
        and (
            rule.destination_ports is None
            or (transport is not None and rule.destination_ports[0] <= transport.dport <= rule.destination_ports[1])
        )
    )
