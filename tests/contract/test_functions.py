"""What each function must do to frames under each kind of middlebox. A driver joins by one line in ``DRIVERS``."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dpkt
import pytest
from helpers import compose, eventually
from hypothesis import Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from middlebench.config.functions import functions_of, load_functions
from middlebench.hosts.base import Host
from middlebench.middleboxes import netns, qemu
from middlebench.middleboxes.base import MiddleboxOptions
from middlebench.model.frames import udp_frame
from middlebench.model.functions.function import Function
from middlebench.model.functions.lists import search_patterns
from middlebench.model.functions.probes import Judge, negative_probes
from middlebench.model.packets import packet_of
from middlebench.model.plan import Middlebox
from middlebench.model.port_kind import PortKind
from middlebench.model.topologies import plan_of
from middlebench.testbed import site_of
from oracle import BACKWARDS, FORWARDS, Oracle, Seen
from passing import exchange_frames, pass_frames

MTU = 1500
FUNCTIONS = load_functions()
DRIVERS: dict[str, MiddleboxOptions] = {
    "netns": netns.Options(driver="netns"),
    "qemu unikernel": qemu.Options(driver="qemu", accelerator="tcg"),
}
PORTS_OF = {"netns": PortKind.VETH, "qemu unikernel": PortKind.TAP}
ASKED = (
    "forward",
    "filter",
    "filter-rules=5",
    "filter-rules=200",
    "nat",
    "balance",
    "balance-backends=7",
    "monitor",
    "inspect",
    "inspect-patterns=1",
    "inspect-patterns=256",
)


def only(text: str) -> Function:
    return functions_of(text, 1, FUNCTIONS)[0]


CASES = [
    pytest.param((driver, text), id=f"{driver}, {text}")
    for driver, options in DRIVERS.items()
    for text in ASKED
    if options.offers(only(text))
]


@dataclass
class Running:
    """A middlebox that runs, and what must come of frames."""

    driver: str
    host: Host
    middlebox: Middlebox
    oracle: Oracle
    judge: Judge
    answer: bytes = b""
    """A frame that must pass backwards."""

    @property
    def function(self) -> Function:
        return self.middlebox.function

    def marked(self, here: int, mark: bytes) -> bytes:
        """A frame with these bytes that must pass from the ingress port (0) or the egress port (1)."""
        base = packet_of(self.answer if here else udp_frame(60))
        return base.changed(payload=mark).frame()

    def demand(self, frames: list[tuple[int, bytes]]) -> None:
        """Send each, and fail where the oracle says that something else must come of it."""
        answers = exchange_frames(self.host, self.middlebox.ports, frames, self.marked)
        for (here, frame), came in zip(frames, answers, strict=True):
            assert came is not None, "a frame that must pass was dropped"
            assert len(came) <= 1
            self.oracle.demand(BACKWARDS if here else FORWARDS, frame, came[0] if came else None)


@pytest.fixture(scope="module", params=CASES)
def running(request: pytest.FixtureRequest, unikernel: Path, runtime: Path) -> Iterator[Running]:
    driver, text = request.param
    hosts = site_of("tests", compose()).open()
    server = hosts.middlebox_server
    plan = plan_of("chain", 1, hosts.server_ports, [only(text)])
    middleboxes = DRIVERS[driver].build(server, MTU, PORTS_OF[driver])
    middleboxes.create(plan)
    middleboxes.wait_until_ready(plan)
    (middlebox,) = plan.middleboxes
    yield started(Running(driver, server, middlebox, Oracle(middlebox.function), Judge([middlebox.function])))
    middleboxes.destroy()


def started(running: Running) -> Running:
    """Wait until it forwards, and learn of a first flow what answers it."""
    probe = udp_frame(60, b"first")

    def first() -> bytes:
        return pass_frames(running.host, *running.middlebox.ports, [probe], limit_s=0.5)[0]

    came = eventually(first, "frames pass")
    running.oracle.demand(FORWARDS, probe, came)
    there = packet_of(came)
    running.answer = there.changed(
        source_address=there.destination_address,
        destination_address=there.source_address,
        source_port=there.destination_port,
        destination_port=there.source_port,
    ).frame()
    running.answer = swapped(running.answer)
    return running


def swapped(frame: bytes) -> bytes:
    """The frame with its Ethernet addresses exchanged."""
    return frame[6:12] + frame[:6] + frame[12:]


ADDRESSES = st.one_of(
    st.sampled_from(["198.18.0.1", "198.19.0.1", "198.18.64.2", "198.19.64.3", "198.18.128.1", "198.19.128.16"]),
    st.integers(0xC6120001, 0xC613FFFE).map(lambda value: str(ipaddress.IPv4Address(value))),
    st.sampled_from(["192.0.2.7", "203.0.113.9"]),
)
PORTS = st.one_of(st.sampled_from([1, 9, 20000, 20001, 20004, 20198, 65535]), st.integers(1, 65535))
PROTOCOLS = st.sampled_from([17, 17, 17, 6, 6, 1, 47])
OPTIONS = st.sampled_from([b"", b"", b"", b"\x01\x01\x01\x00", b"\x01" * 39 + b"\x00"])
ETHERTYPES = st.sampled_from([0x0806, 0x88B5, 0x86DD])
PATTERNS = search_patterns(256)
PAYLOADS = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda size, fill: bytes([fill]) * size, st.integers(0, 1300), st.integers(0, 255)),
    st.builds(
        lambda before, pattern, cut, after: before + pattern.encode()[cut:] + after,
        st.binary(max_size=40),
        st.sampled_from(PATTERNS[:2] + PATTERNS[-2:]),
        st.sampled_from([0, 0, 1]),
        st.binary(max_size=40),
    ),
    st.lists(st.sampled_from(PATTERNS), max_size=6).map(lambda each: "".join(part[:5] for part in each).encode()),
)


@st.composite
def packets(draw: st.DrawFn, *, pads: bool = True, backwards: bool = False) -> bytes:
    """An Ethernet frame of IPv4, its checksums right, as dpkt makes it."""
    protocol = draw(PROTOCOLS)
    ports = {"sport": draw(PORTS), "dport": draw(PORTS)}
    data = draw(PAYLOADS)
    if protocol == 17:
        data = dpkt.udp.UDP(**ports, data=data)
        data.ulen = len(data)
    elif protocol == 6:
        data = dpkt.tcp.TCP(**ports, flags=dpkt.tcp.TH_SYN, data=data)
    options = draw(OPTIONS)
    ip = dpkt.ip.IP(
        src=ipaddress.IPv4Address(draw(ADDRESSES)).packed,
        dst=ipaddress.IPv4Address(draw(ADDRESSES)).packed,
        p=protocol,
        id=draw(st.integers(0, 65535)),
        data=data,
    )
    ip.opts = options
    ip.hl = 5 + len(options) // 4
    text = bytearray(bytes(ip))
    if protocol == 17 and draw(st.integers(0, 9)) == 0:
        text[4 * ip.hl + 6 : 4 * ip.hl + 8] = bytes(2)  # a sender need not give a checksum
    kind = draw(st.integers(0, 9))
    if kind < 2:  # a first fragment, a later one; what they carry stays as it is
        text[6:8] = struct.pack("!H", (0x2000, 0x0003)[kind])
        text[10:12] = bytes(2)
        text[10:12] = struct.pack("!H", dpkt.in_cksum(bytes(text[: 4 * ip.hl])))
    addresses = swapped(udp_frame(60))[:12] if backwards else udp_frame(60)[:12]
    frame = addresses + b"\x08\x00" + bytes(text)
    return frame.ljust(60, b"\0") if pads else frame


def other_frames() -> st.SearchStrategy[bytes]:
    """Frames that are not IPv4."""
    return st.builds(
        lambda kind, data: udp_frame(60)[:12] + struct.pack("!H", kind) + data.ljust(46, b"\0"),
        ETHERTYPES,
        st.one_of(st.binary(max_size=60), PAYLOADS),
    )


class TestAnyFrames:
    @given(data=st.data())
    @examples(
        max_examples=12, phases=[Phase.generate]
    )  # a middlebox remembers flows, so no example can be made smaller
    def test_what_comes_out_is_what_the_oracle_says(self, running, data):
        # With br_netfilter the kernel cuts off what pads a packet (br_validate_ipv4), so there is none to be had.
        pads = running.driver != "netns" or not running.function.ip_hooks
        forwards = st.tuples(st.just(0), st.one_of(packets(pads=pads), packets(pads=pads), other_frames()))
        backwards = st.tuples(st.just(1), packets(pads=pads, backwards=True))
        running.demand(data.draw(st.lists(st.one_of(forwards, backwards), min_size=30, max_size=60)))

    def test_answers_of_asked_flows_come_back_as_they_must(self, running):
        frames = [
            packet_of(udp_frame(100)).changed(source_port=1000 + index, source_address=f"198.18.0.{index + 1}").frame()
            for index in range(40)
        ]
        came = pass_frames(running.host, *running.middlebox.ports, frames)
        answers = []
        for sent, got in zip(frames, came, strict=True):
            running.oracle.demand(FORWARDS, sent, got or None)
            there = packet_of(got)
            back = there.changed(
                source_address=there.destination_address,
                destination_address=there.source_address,
                source_port=there.destination_port,
                destination_port=there.source_port,
            )
            answers.append((1, swapped(back.frame())))
        running.demand(answers)
        returned = pass_frames(running.host, *running.middlebox.ports[::-1], [a for _, a in answers])
        for sent, got in zip(frames, returned, strict=True):
            asked, answered = packet_of(sent), packet_of(got)
            assert (answered.destination_address, answered.destination_port) == (
                asked.source_address,
                asked.source_port,
            )
            assert answered.source_address == asked.destination_address


class TestProbes:
    """The library's own judge, which has only the description to go by, agrees."""

    def test_probes_come_back_as_described(self, running):
        frames = [packet_of(udp_frame(size)).changed(source_port=2000 + size).frame() for size in range(60, 1515, 97)]
        came = pass_frames(running.host, *running.middlebox.ports, frames + frames)
        assert [running.judge.problem(a, b) for a, b in zip(frames + frames, came, strict=True)] == [""] * len(came)

    def test_what_must_not_pass_does_not(self, running):
        found = negative_probes([running.function], udp_frame(60))
        assert bool(found) == bool(running.function.refuses)
        answers = exchange_frames(
            running.host, running.middlebox.ports, [(0, each.frame) for each in found], running.marked
        )
        assert answers == [[]] * len(found)


def test_flows_are_spread_evenly_over_all_backends_and_else_stay_together(running):
    base = packet_of(udp_frame(60))
    frames = [base.changed(source_port=10000 + index).frame() for index in range(400)]
    came = pass_frames(running.host, *running.middlebox.ports, frames)
    chosen = [Seen(each).ip.dst for each in came]
    counts = [chosen.count(each) for each in set(chosen)]
    backends = running.function.parameters["backends"] if running.function.name == "balance" else 1
    expected = len(frames) / backends
    assert len(counts) == backends
    assert sum((count - expected) ** 2 / expected for count in counts) < 30, "chi-square, 0.9999 at 6 degrees: 27.9"
