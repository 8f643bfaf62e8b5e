"""Which frames generators send: those of each flow in turn, and those of a mix of sizes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from generators import CABLE, FAR_END, GENERATORS, captured, paced, saturating, source_port
from middlebench.model.frames import UDP_PORT, internet_checksum, udp_frame
from middlebench.model.traffic import Traffic
from middlebench.system.errors import GeneratorError


@pytest.mark.parametrize("frame_bytes", [60, 1514])
def test_flows_leave_in_turn_and_every_frame_is_valid(generator, test_computer, frame_bytes):
    load = replace(paced(frame_bytes), flows=5)
    frames = captured(test_computer, FAR_END, 50, lambda: generator.run(load))
    assert Counter(map(source_port, frames)) == {UDP_PORT + flow: 10 for flow in range(5)}
    for frame in frames:
        assert (len(frame), internet_checksum(frame[14:34])) == (frame_bytes, 0)


@pytest.mark.parametrize("load", [paced(100), saturating(100, 1000)], ids=["paced", "saturating"])
@pytest.mark.parametrize("flows", [1, 3, 10_000])
def test_frames_are_those_of_their_flows_to_the_byte(test_computer, load, flows):
    generator = GENERATORS["trafgen"](test_computer, CABLE)
    frames = captured(test_computer, FAR_END, 100, lambda: generator.run(replace(load, flows=flows)))
    assert frames == [udp_frame(100, flow=number % flows) for number in range(100)]


@pytest.mark.parametrize("load", [paced("imix"), saturating("imix", 1000)], ids=["paced", "saturating"])
def test_frames_of_a_mix_arrive_in_its_proportions_and_are_counted_by_their_bytes(make, test_computer, load):
    generator = make(test_computer, CABLE)
    if make is GENERATORS["pkt-gen"]:
        with pytest.raises(GeneratorError, match="cannot send a mix"):
            generator.run(load)
        return
    found: list[Traffic] = []
    load = replace(load, flows=5)
    generator.probe(60, 1)
    frames = captured(test_computer, FAR_END, 120, lambda: found.append(generator.run(load)))
    assert Counter(map(len, frames)) == {60: 70, 590: 40, 1514: 10}
    assert Counter(map(source_port, frames)) == {UDP_PORT + flow: 24 for flow in range(5)}
    traffic = found[0]
    assert traffic.unexpected_packets == 0
    assert traffic.receiver_bytes.trial == load.bytes_of(traffic.trial_received_packets)
    for packets, size in (
        (traffic.offered_packets, traffic.offered_bytes),
        (traffic.received_packets, traffic.received_bytes),
    ):
        assert abs(size - packets * load.mean_bytes) <= sum(load.sizes)  # no more than one round off


def test_bytes_of_a_mix_are_those_that_arrived_where_large_frames_are_lost(test_computer):
    """The far end takes no frame above 590 B: a veth drops what is longer than the MTU there."""
    test_computer.run(["ip", "link", "set", "dev", FAR_END, "mtu", "576"])
    load = paced("imix")
    traffic = GENERATORS["trafgen"](test_computer, CABLE).run(load)
    test_computer.run(["ip", "link", "set", "dev", FAR_END, "mtu", "1500"])
    lost = traffic.trial_sent_packets - traffic.trial_received_packets
    assert lost > 0
    assert traffic.receiver_bytes.trial == load.bytes_of(traffic.trial_sent_packets) - 1514 * lost
    assert traffic.unexpected_packets == 0


def test_probes_are_of_the_flow_that_is_asked_for(generator, test_computer):
    frames = captured(test_computer, FAR_END, 2, lambda: generator.probe(60, 2, flow=3))
    assert [source_port(frame) - UDP_PORT for frame in frames] == [3, 3]
