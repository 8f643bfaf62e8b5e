"""What every generator must do: send what is asked for, and count it. A driver joins by one line in ``GENERATORS``."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from footprint import Footprint, kill
from generators import CABLE, FAR_END, GENERATORS, TESTS, paced, received_at, saturating
from helpers import eventually
from middlebench.generators.shared import agents
from middlebench.generators.trafgen import driver as trafgen
from middlebench.generators.trafgen.paced_sender import BURST_PACKETS
from middlebench.model.consistency import LINE_RATE_TOLERANCE
from middlebench.model.frames import ETHERNET_HEADER_BYTES
from middlebench.model.traffic import Load
from middlebench.system.errors import GeneratorError

by_ports = pytest.mark.parametrize("make", ["trafgen"], indirect=True)
"""Of a generator whose frames the ports themselves count; pkt-gen counts by itself, in intervals of its own."""


@pytest.mark.parametrize("frame_bytes", [60, 61, 800, 1514])
def test_every_probe_comes_through_a_cable(generator, frame_bytes):
    probe = generator.probe(frame_bytes, 5)
    assert (probe.sent, probe.returned, probe.unexpected) == (5, 5, 0)


def test_probe_that_is_lost_does_not_count_as_returned(make, test_computer, monkeypatch):
    monkeypatch.setattr(agents, "PROBE_SECONDS", 0.5)
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
            Load(frame_bytes, rate, saturating=False, warm_up_s=0.1, window_s=0.5, sample_interval_s=0.1)
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


@by_ports
def test_bounded_load_that_cannot_be_sent_in_its_time_stays_unsent(generator):
    packets = 5_000_000
    traffic = generator.run(counted(60, packets / 0.2, packets))
    assert 0 < traffic.trial_sent_packets < packets
    assert traffic.trial_received_packets == traffic.trial_sent_packets


@by_ports
@pytest.mark.parametrize(
    ("rate_mbps", "frame_bytes"), [(1000.0, 1500), (100.0, 60), (100.0, 1500)], indirect=["rate_mbps"]
)
def test_saturating_load_is_never_above_line_rate(generator, rate_mbps, frame_bytes):
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


@by_ports
def test_frames_of_others_on_the_ports_are_an_error(generator, test_computer):
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
    before = received_at(test_computer, FAR_END)[0]
    test_computer.run(["sh", "-c", '"$@" > /dev/null 2>&1 &', "sh", *noise])
    try:
        eventually(lambda: received_at(test_computer, FAR_END)[0] > before, "the noise is there")
        with pytest.raises(GeneratorError, match="something else sends frames"):
            generator.run(paced(60))
    finally:
        test_computer.run(["pkill", "-KILL", "trafgen"])


def test_no_process_is_left_after_a_trial(generator, footprint):
    generator.probe(60, 1)  # the Python that runs scripts stands ready from now on
    before = footprint.processes()
    generator.run(paced(60))
    assert footprint.processes() == before


TRIAL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
from middlebench.model.traffic import Load
sys.path.insert(0, sys.argv[1])
from generators import CABLE, GENERATORS
from helpers import compose
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
    with subprocess.Popen(
        [sys.executable, "-c", TRIAL.format(name=name, saturating=saturating), str(TESTS)], stderr=subprocess.DEVNULL
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
