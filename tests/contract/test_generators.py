"""What every generator must do. A driver joins by one line in ``GENERATORS``."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import Footprint, compose, eventually, kill
from middlebench.generators.base import Generator
from middlebench.generators.pkt_gen import driver as pkt_gen
from middlebench.generators.trafgen import driver as trafgen
from middlebench.generators.trafgen.paced_sender import BURST_PACKETS
from middlebench.hosts.base import Host, Ports
from middlebench.model.consistency import LINE_RATE_TOLERANCE
from middlebench.model.frames import ETHERNET_HEADER_BYTES, UDP_PORT, internet_checksum, line_rate_pps, udp_frame
from middlebench.model.mix import FrameSize, sizes_of
from middlebench.model.traffic import Load, Traffic
from middlebench.system.errors import GeneratorError
from middlebench.testbed import site_of

TESTS = Path(__file__).parents[1]
GENERATORS: dict[str, Callable[[Host, Ports], Generator]] = {
    "trafgen": trafgen.Trafgen,
    "pkt-gen": lambda host, ports: pkt_gen.PktGen(
        pkt_gen.Options(driver="pkt-gen", program=str(TESTS / "pktgen_stand_in.py"), link_wait_s=0), host, ports
    ),
}
"""netmap's own pkt-gen needs its module: a stand-in that sends real frames takes its place."""

FAR_END = "direct1"
CABLE: Ports = ("direct0", FAR_END)
"""A port of the test computer's, and the other end of its link."""


@pytest.fixture(params=[1000.0], ids="{:g} Mb/s".format)
def rate_mbps(request: pytest.FixtureRequest) -> float:
    return request.param


@pytest.fixture
def test_computer(runtime, rate_mbps: float) -> Iterator[Host]:
    """The test computer, two of whose ports a cable joins."""
    site = site_of("tests", compose(rate_mbps=rate_mbps))
    try:
        yield site.open().test_computer
    finally:
        site.close()


@pytest.fixture(params=GENERATORS)
def make(request: pytest.FixtureRequest) -> Callable[[Host, Ports], Generator]:
    return GENERATORS[request.param]


@pytest.fixture
def by_ports(make) -> None:
    """Demand a generator whose frames the ports themselves count."""
    if make is GENERATORS["pkt-gen"]:
        pytest.skip("pkt-gen counts by itself, in intervals of its own")


@pytest.fixture
def generator(make: Callable[[Host, Ports], Generator], test_computer: Host) -> Generator:
    return make(test_computer, CABLE)


def paced(frame_size: FrameSize, **changes: float) -> Load:
    """A load that any machine carries without loss."""
    times = {"warm_up_s": 0.1, "window_s": 0.3, "sample_interval_s": 0.1} | changes
    return Load(frame_size, packets_per_second=1000, saturating=False, **times)


def saturating(frame_size: FrameSize, rate_mbps: float) -> Load:
    line_rate = line_rate_pps(rate_mbps * 1e6, statistics.mean(sizes_of(frame_size)))
    return Load(frame_size, line_rate, saturating=True, warm_up_s=0.1, window_s=0.3, sample_interval_s=0.1)


def received_at(host: Host, port: str) -> tuple[int, int]:
    """The kernel's own count of packets and bytes that reached a port."""
    shown = json.loads(host.run(["ip", "-json", "-statistics", "link", "show", "dev", port]).stdout)
    return shown[0]["stats64"]["rx"]["packets"], shown[0]["stats64"]["rx"]["bytes"]


@pytest.mark.parametrize("frame_bytes", [60, 61, 800, 1514])
def test_every_probe_comes_through_a_cable(generator, frame_bytes):
    probe = generator.probe(frame_bytes, 5)
    assert (probe.sent, probe.returned, probe.unexpected) == (5, 5, 0)


def test_probe_that_is_lost_does_not_count_as_returned(make, test_computer):
    probe = make(test_computer, ("eth0", "eth1")).probe(60, 2)
    assert (probe.sent, probe.returned, probe.unexpected) == (2, 0, 0)


@pytest.mark.parametrize("frame_bytes", [60, 800, 1514])
def test_paced_load_is_counted_to_the_packet(generator, test_computer, frame_bytes):
    before = received_at(test_computer, FAR_END)
    traffic = generator.run(paced(frame_bytes))
    after = received_at(test_computer, FAR_END)
    assert traffic.trial_sent_packets == traffic.trial_received_packets == after[0] - before[0] > 0
    counted_sizes = (frame_bytes, frame_bytes - ETHERNET_HEADER_BYTES)  # a veth that polls counts without the header
    assert after[1] - before[1] in [traffic.trial_received_packets * size for size in counted_sizes]
    assert traffic.unexpected_packets == 0


def test_record_names_the_sender_where_trafgen_is_not_it(test_computer):
    make = GENERATORS["trafgen"]
    assert make(test_computer, CABLE).run(paced(60)).sender == trafgen.PACED_SENDER_NAME


def test_window_is_a_part_of_the_trial(generator):
    traffic = generator.run(paced(800))
    assert 0 < traffic.offered_packets < traffic.trial_sent_packets
    assert 0 < traffic.received_packets < traffic.trial_received_packets
    assert traffic.offered_bytes == traffic.offered_packets * 800
    assert traffic.received_bytes == traffic.received_packets * 800


def test_samples_lead_from_nothing_to_the_counts_of_the_window(generator):
    traffic = generator.run(paced(800))
    first, *_, last = traffic.samples
    assert (first.t_s, first.sent_packets, first.received_packets) == (0, 0, 0)
    assert (last.t_s, last.sent_packets, last.received_packets) == (
        traffic.window_s,
        traffic.offered_packets,
        traffic.received_packets,
    )
    assert len(traffic.samples) in (3, 4)  # pkt-gen's intervals are a little longer than asked for
    for earlier, later in zip(traffic.samples, traffic.samples[1:], strict=False):
        assert earlier.t_s < later.t_s
        assert earlier.sent_packets <= later.sent_packets
        assert earlier.received_packets <= later.received_packets


OFFERED_TOLERANCE = 0.01
"""How far what is offered may be from what was intended, on a machine that does nothing else."""


def held(offered: int, intended: float) -> bool:
    """Whether a load was held. A burst may fall to either side of a reading."""
    return abs(offered - intended) <= OFFERED_TOLERANCE * intended + BURST_PACKETS


@pytest.mark.parametrize(("frame_bytes", "rate"), [(60, 2_000), (60, 8_000), (1514, 2_000)])
def test_paced_load_is_what_was_asked_for(generator, frame_bytes, rate):
    def attempt() -> bool:
        traffic = generator.run(
            Load(frame_bytes, rate, saturating=False, warm_up_s=0.1, window_s=0.5, sample_interval_s=0.5)
        )
        return held(traffic.offered_packets, rate * traffic.window_s)

    eventually(attempt, "other work leaves the sender the processor for half a second, and the load is held")


def counted(frame_bytes: int, rate: float, packets: int) -> Load:
    """A load of so many frames, as a search has it."""
    seconds = packets / rate
    return Load(
        frame_bytes, rate, saturating=False, warm_up_s=0, window_s=seconds, sample_interval_s=seconds, packets=packets
    )


@pytest.mark.parametrize(
    ("frame_bytes", "rate", "packets"), [(60, 2_000, 1), (60, 4_000, 1_000), (800, 2_000, 500), (1514, 300, 51)]
)
def test_bounded_load_sends_what_was_intended_to_the_frame(generator, frame_bytes, rate, packets):
    def attempt() -> bool:
        traffic = generator.run(counted(frame_bytes, rate, packets))
        assert traffic.trial_received_packets == traffic.trial_sent_packets <= packets
        assert traffic.unexpected_packets == 0
        return traffic.trial_sent_packets == packets

    eventually(attempt, "other work leaves the sender the processor, and every frame is sent in time")


def test_bounded_load_that_cannot_be_sent_in_its_time_stays_unsent(by_ports, generator):
    packets = 5_000_000
    traffic = generator.run(counted(60, packets / 0.2, packets))
    assert 0 < traffic.trial_sent_packets < packets
    assert traffic.trial_received_packets == traffic.trial_sent_packets


@pytest.mark.parametrize(
    ("rate_mbps", "frame_bytes"), [(1000.0, 1500), (100.0, 60), (100.0, 1500)], indirect=["rate_mbps"]
)
def test_saturating_load_is_never_above_line_rate(by_ports, generator, rate_mbps, frame_bytes):
    load = saturating(frame_bytes, rate_mbps)
    traffic = generator.run(load)
    assert not traffic.sender
    assert 0 < traffic.offered_packets <= load.packets_per_second * traffic.window_s * (1 + LINE_RATE_TOLERANCE)


def test_frames_that_nobody_receives_are_not_counted_as_received(make, test_computer):
    traffic = make(test_computer, ("eth0", "eth1")).run(paced(60))
    assert traffic.trial_sent_packets > 0
    assert traffic.trial_received_packets == traffic.received_packets == 0


@pytest.mark.parametrize("ports", [("absent7", FAR_END), ("direct0", "absent7")], ids=["sender", "receiver"])
@pytest.mark.parametrize("verb", ["probe", "load"])
def test_port_that_is_missing_is_named(make, test_computer, ports, verb):
    generator = make(test_computer, ports)
    with pytest.raises(GeneratorError, match="absent7"):
        generator.probe(60, 1) if verb == "probe" else generator.run(paced(60))


def test_frames_of_others_on_the_ports_are_an_error(by_ports, generator, test_computer):
    noise = [
        "trafgen",
        "--cpus",
        "1",
        "--no-sock-mem",
        "--notouch-irq",
        "--gap",
        "1ms",
        "--dev",
        "direct0",
        "{ fill(0xff, 60) }",
    ]
    test_computer.run(["sh", "-c", '"$@" > /dev/null 2>&1 &', "sh", *noise])
    eventually(lambda: received_at(test_computer, FAR_END)[0] > 0, "the noise is there")
    with pytest.raises(GeneratorError, match="something else sends frames"):
        generator.run(paced(60))


def test_no_process_is_left_after_a_trial(generator, footprint):
    generator.probe(60, 1)  # the Python that runs scripts stands ready from now on
    before = footprint.processes()
    generator.run(paced(60))
    assert footprint.processes() == before


TRIAL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
from middlebench.model.traffic import Load
sys.path[:0] = sys.argv[1:]
from helpers import compose
from test_generators import CABLE, GENERATORS
from middlebench.testbed import site_of
host = site_of("tests", compose()).open().test_computer
GENERATORS[{name!r}](host, CABLE).run(
    Load(60, packets_per_second=1000, saturating={saturating}, warm_up_s=0, window_s=600, sample_interval_s=1)
)
"""


@pytest.mark.parametrize("saturating", [False, True], ids=["paced", "saturating"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
@pytest.mark.parametrize("name", GENERATORS)
def test_no_process_is_left_when_the_caller_is_gone_in_the_middle_of_a_trial(
    test_computer, footprint: Footprint, name, end, saturating
):
    before = footprint.processes()
    sent = received_at(test_computer, FAR_END)[0]
    folders = [str(folder) for folder in Path(__file__).parents[:2]]
    with subprocess.Popen(
        [sys.executable, "-c", TRIAL.format(name=name, saturating=saturating), *folders], stderr=subprocess.DEVNULL
    ) as caller:
        try:
            eventually(lambda: received_at(test_computer, FAR_END)[0] > sent, "the trial runs")
            caller.send_signal(end)
            caller.wait()
        finally:
            kill(caller.pid)
    eventually(lambda: footprint.processes() == before, "every process of the trial ended")


def test_description_names_the_tool(generator):
    assert generator.describe().startswith(("trafgen 0", "pkt-gen (netmap"))


CAPTURE = """
import json, select, socket, sys
receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
receiver.bind((sys.argv[1], 3))  # ETH_P_ALL
found = []
while len(found) < int(sys.argv[2]) and select.select([receiver], [], [], 20)[0]:
    frame, address = receiver.recvfrom(65536)
    if address[2] != socket.PACKET_OUTGOING:
        found.append(frame.hex())
print(json.dumps(found))
"""


def captured(host: Host, port: str, count: int, act: Callable[[], object]) -> list[bytes]:
    """Return the first frames that reach a port while something is done, as a socket of the test's own sees them."""
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(host.run, host.script(CAPTURE, port, str(count)))
        eventually(lambda: " 0003 " in host.run(["cat", "/proc/net/packet"]).stdout, "it listens")
        act()
        return [bytes.fromhex(frame) for frame in json.loads(seen.result().stdout)]


def source_port(frame: bytes) -> int:
    return int.from_bytes(frame[34:36], "big")


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
    lost = traffic.trial_sent_packets - traffic.trial_received_packets
    assert lost > 0
    assert traffic.receiver_bytes.trial == load.bytes_of(traffic.trial_sent_packets) - 1514 * lost
    assert traffic.unexpected_packets == 0


def test_probes_are_of_the_flow_that_is_asked_for(generator, test_computer):
    frames = captured(test_computer, FAR_END, 2, lambda: generator.probe(60, 2, flow=3))
    assert [source_port(frame) - UDP_PORT for frame in frames] == [3, 3]


def timed(frame_bytes: int, rate: float = 1000, **changes: float) -> Load:
    """A load of which frames are timed."""
    return replace(
        paced(frame_bytes, window_s=0.5, sample_interval_s=0.5, **changes), packets_per_second=rate, latency=True
    )


def median_ns(traffic: Traffic) -> float:
    assert traffic.timing
    return statistics.median(traffic.timing.nanoseconds)


def test_generator_times_frames_or_says_that_it_cannot(make, generator):
    if make is GENERATORS["pkt-gen"]:
        with pytest.raises(GeneratorError, match="cannot tell how long frames take"):
            generator.run(timed(60))
        return
    traffic = generator.run(timed(60))
    assert traffic.timing.sent == traffic.timing.received >= len(traffic.timing.nanoseconds) > 100
    assert all(0 < each < 10**9 for each in traffic.timing.nanoseconds)
    assert traffic.trial_received_packets == traffic.trial_sent_packets


def test_timed_frames_are_valid_and_a_share_of_the_load(test_computer):
    generator = GENERATORS["trafgen"](test_computer, CABLE)
    frames = captured(test_computer, FAR_END, 200, lambda: generator.run(replace(timed(60, 8000), flows=3)))
    for number, frame in enumerate(frames):
        assert source_port(frame) - UDP_PORT == number % 3
        assert udp_checksum(frame) == 0
    assert 10 <= sum(any(frame[42:]) for frame in frames) <= 120


def udp_checksum(frame: bytes) -> int:
    """Return the checksum over pseudo header and datagram, the datagram's own included: 0 where that is right."""
    return internet_checksum(frame[26:34] + bytes((0, 17)) + frame[38:40] + frame[34:])


def test_frames_that_are_lost_are_counted_beside_the_times(test_computer):
    traffic = GENERATORS["trafgen"](test_computer, ("eth0", "eth1")).run(timed(60))
    assert traffic.timing.sent > 0
    assert (traffic.timing.received, traffic.timing.nanoseconds) == (0, ())


@contextmanager
def delayed(host: Host, milliseconds: float) -> Iterator[tuple[Ports, int]]:
    """A path of a known delay: its two ports, and the process that passes the frames."""
    host.run(["ip", "link", "add", "name", "behind0", "type", "veth", "peer", "name", "behind1"])
    host.run(["ip", "-batch", "-"], stdin="".join(f"link set dev behind{end} arp off up\n" for end in (0, 1)))
    forwarder = [host.python, "-I", "-S", str(TESTS / "delaying_forwarder.py"), FAR_END, "behind0", str(milliseconds)]
    started = host.run(["sh", "-c", '"$@" > /dev/null 2>&1 & echo $!', "sh", *forwarder]).stdout.strip()
    try:
        eventually(lambda: " 0003 " in host.run(["cat", "/proc/net/packet"]).stdout, "it listens")
        yield ("direct0", "behind1"), int(started)
    finally:
        host.run(["kill", "-KILL", started])
        host.run(["ip", "link", "delete", "dev", "behind0"])


@pytest.mark.parametrize("milliseconds", [1, 5, 10])
def test_a_known_delay_is_found_within_five_per_cent(test_computer, milliseconds):
    own = GENERATORS["trafgen"](test_computer, CABLE)
    with delayed(test_computer, milliseconds) as (ports, _):
        generator = GENERATORS["trafgen"](test_computer, ports)

        def attempt() -> bool:
            found = (median_ns(generator.run(timed(60, 500))) - median_ns(own.run(timed(60, 500)))) / 1e6
            return found == pytest.approx(milliseconds, rel=0.05)

        eventually(attempt, f"{milliseconds} ms are found, with no other work on the processor")


def test_a_pause_of_a_tenth_of_a_second_shows_in_the_longest_times_and_in_no_loss(test_computer):
    with delayed(test_computer, 0) as (ports, forwarder):
        generator = GENERATORS["trafgen"](test_computer, ports)
        before = received_at(test_computer, FAR_END)[0]

        def pause_in_the_window() -> None:
            eventually(lambda: received_at(test_computer, FAR_END)[0] > before + 200, "a fifth of a second has passed")
            test_computer.run(["sh", "-c", f"kill -STOP {forwarder}; sleep 0.1; kill -CONT {forwarder}"])

        with ThreadPoolExecutor(1) as pool:
            paused = pool.submit(pause_in_the_window)
            traffic = generator.run(replace(timed(60, 1000), window_s=1.5))
            paused.result()
    timing = traffic.timing
    assert timing.sent == timing.received
    assert traffic.trial_sent_packets == traffic.trial_received_packets
    assert max(timing.nanoseconds) > 80e6
    assert statistics.quantiles(timing.nanoseconds, n=100)[98] > 20e6  # 100 of 1500 frames waited
