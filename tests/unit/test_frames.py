import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.generators.shared.stamps_agent import STAMP_BYTES, stamp
from middlebench.model import frames

SIZES = st.integers(min_value=60, max_value=9014)
RATES = st.floats(min_value=1, max_value=1e9)


def ones_complement_sum(data: bytes) -> int:
    """The sum of RFC 1071: 0xffff over data that hold their own right checksum."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize(
    ("frame_bytes", "packets"),
    [(60, 1_488_095), (128, 822_368), (256, 446_429), (512, 233_209), (1024, 119_275), (1500, 82_021)],
)
def test_line_rate_of_gigabit_ethernet_is_the_known_one(frame_bytes, packets):
    assert round(frames.line_rate_pps(1e9, frame_bytes)) == packets


@given(link_bps=RATES, frame_bytes=SIZES)
def test_frames_at_line_rate_fill_the_link(link_bps, frame_bytes):
    at_line_rate = frames.line_rate_pps(link_bps, frame_bytes)
    assert frames.raw_mbps(at_line_rate, frame_bytes) == pytest.approx(link_bps / 1e6)


@given(rate=RATES, frame_bytes=SIZES)
def test_packet_rate_is_the_inverse_of_throughput(rate, frame_bytes):
    mbps = frames.throughput_mbps(rate, frame_bytes)
    assert frames.packets_per_second(mbps, frame_bytes) == pytest.approx(rate)


@given(rate=RATES, frame_bytes=SIZES)
def test_raw_throughput_is_24_bytes_a_frame_more(rate, frame_bytes):
    assert frames.raw_mbps(rate, frame_bytes) == pytest.approx(
        frames.throughput_mbps(rate, frame_bytes) + rate * 24 * 8 / 1e6
    )


def test_largest_frame_of_an_ethernet_link_is_1514_bytes():
    assert frames.maximum_frame_bytes(1500) == 1514


@pytest.mark.parametrize("payload", [b"", bytes(range(16))], ids=["empty payload", "with payload"])
def test_frame_of_every_size_is_exact_and_its_checksums_are_right(payload):
    for size in range(60, 1515):
        demand_valid(frames.udp_frame(size, payload), size, payload)


@given(st.data())
def test_frame_with_any_payload_is_exact_and_its_checksums_are_right(data):
    size = data.draw(st.integers(min_value=42, max_value=1514))
    payload = data.draw(st.binary(max_size=size - 42))
    demand_valid(frames.udp_frame(size, payload), size, payload)


def demand_valid(frame: bytes, size: int, payload: bytes) -> None:
    assert len(frame) == size
    header, datagram = frame[14:34], frame[34:]
    assert ones_complement_sum(header) == 0xFFFF
    pseudo_header = header[12:20] + bytes([0, dpkt.ip.IP_PROTO_UDP]) + len(datagram).to_bytes(2, "big")
    assert ones_complement_sum(pseudo_header + datagram) == 0xFFFF
    assert datagram[6:8] != b"\0\0", "a UDP checksum of 0 says that there is none"
    packet = dpkt.ethernet.Ethernet(frame).data
    assert (packet.len, packet.data.ulen) == (size - 14, size - 34)
    assert packet.data.data == payload.ljust(size - 42, b"\0")


@given(size=st.integers(min_value=0, max_value=1514), surplus=st.integers(min_value=1, max_value=100))
def test_payload_that_does_not_fit_is_refused(size, surplus):
    with pytest.raises(ValueError, match=f"{size} B has no room"):
        frames.udp_frame(size, bytes(max(0, size - 42) + surplus))


@given(size=st.integers(min_value=60, max_value=1514), flows=st.integers(min_value=1, max_value=50))
def test_flows_differ_in_their_source_port_and_stay_valid(size, flows):
    for flow, frame in enumerate(frames.load_frames([size], flows)):
        packet = dpkt.ethernet.Ethernet(frame).data
        assert (packet.id, packet.data.sport) == (flow, frames.UDP_PORT + flow)
        demand_valid(frame, size, b"")


def test_each_of_the_most_flows_has_a_frame_of_its_own():
    assert len(set(frames.load_frames([60], frames.MOST_FLOWS))) == frames.MOST_FLOWS


@given(number=st.integers(0, 2**32 - 1), moment_ns=st.integers(0, 2**63))
def test_stamp_leaves_the_checksum_of_its_frame_as_it_is(number, moment_ns):
    payload = stamp(number, moment_ns)
    assert len(payload) == STAMP_BYTES == 18
    assert frames.udp_frame(60, payload)[:42] == frames.udp_frame(60)[:42]
