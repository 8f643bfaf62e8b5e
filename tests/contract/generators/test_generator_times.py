"""How generators time frames: what is known to be late is found to be so."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from generators import CABLE, FAR_END, GENERATORS, TESTS, captured, paced, received_at, source_port
from helpers import eventually
from middlebench.hosts.base import Host, Ports
from middlebench.model.frames import UDP_PORT, internet_checksum
from middlebench.model.traffic import Load, Traffic
from middlebench.system.errors import GeneratorError


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
