"""The pkt-gen driver against a stand-in that speaks pkt-gen's language and sends real frames, over a real chain."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from middlebench.generators.base import Load
from middlebench.generators.pkt_gen.driver import Options, PktGen
from middlebench.system.errors import GeneratorError, MiddlebenchError
from middlebench.trials.convergence import converge, plan_for

if TYPE_CHECKING:
    from middlebench.testbed import Testbed

STAND_IN = str(Path(__file__).parents[1] / "pktgen_stand_in.py")


def load(**changes: object) -> Load:
    values = {"packets_per_second": 2000.0, "saturating": False, "warm_up_s": 0.3, "window_s": 0.6, "sample_s": 0.2}
    return Load(frame_bytes=100, **(values | changes))  # type: ignore[arg-type]


def pktgen(testbed: Testbed, program: str = STAND_IN) -> PktGen:
    options = Options(driver="pkt-gen", program=program, link_wait_s=0)
    return PktGen(options, testbed.hosts.test_computer, testbed.hosts.test_ports)


@pytest.mark.parametrize("version", ["11.1", "13.0"])
def test_a_trial_is_counted_on_both_sides(testbed: Testbed, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("STAND_IN_VERSION", version)
    converge(testbed, plan_for(testbed, 1))
    generator = pktgen(testbed)
    probe = generator.probe(100, 3)
    assert (probe.sent, probe.returned, probe.strange) == (3, 3, 0)
    traffic = generator.run(load())
    assert traffic.trial_sent_packets == traffic.trial_received_packets > 0
    assert traffic.stray_packets == 0
    assert traffic.window_s == pytest.approx(0.6, abs=0.45)
    assert [each.t_s for each in traffic.samples] == sorted({each.t_s for each in traffic.samples})
    assert traffic.samples[-1].received_packets == traffic.received_packets
    assert traffic.offered_packets == pytest.approx(traffic.received_packets, rel=0.3)
    assert "Received" in traffic.raw


def test_given_number_of_frames_is_sent_and_counted_to_the_frame(testbed: Testbed) -> None:
    converge(testbed, plan_for(testbed, 1))
    traffic = pktgen(testbed).run(load(warm_up_s=0, window_s=2, sample_s=2, packets=203))
    assert traffic.trial_sent_packets == traffic.offered_packets == 203
    assert traffic.trial_received_packets == traffic.received_packets == 203
    assert traffic.window_s >= 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("module", "the netmap module is not loaded"),
        ("busy", "the interface is in use"),
        ("mtu", "the frame is too large"),
        ("thread", "ouch, thread 0 exited with error"),
        ("silent", "the sender sent nothing"),
        ("format", "unknown format"),
    ],
)
def test_every_fault_is_named(testbed: Testbed, monkeypatch: pytest.MonkeyPatch, fault: str, said: str) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", fault)
    with pytest.raises(GeneratorError, match=said):
        pktgen(testbed).run(load(window_s=0.2))


def test_a_claim_above_line_rate_is_refused(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "claims")
    monkeypatch.setenv("STAND_IN_VERSION", "11.1")
    with pytest.raises(GeneratorError, match=r"the sender claims \d+ packets/s; the link carries 2000"):
        pktgen(testbed).run(load(saturating=True))


def test_a_missing_program_is_named(testbed: Testbed) -> None:
    with pytest.raises(GeneratorError, match="there is no program mbench-no-pkt-gen"):
        pktgen(testbed, "mbench-no-pkt-gen").run(load())
    with pytest.raises(GeneratorError, match="there is no program mbench-no-pkt-gen"):
        pktgen(testbed, "mbench-no-pkt-gen").describe()


def test_a_name_that_netmap_cannot_take_is_refused_at_once(testbed: Testbed) -> None:
    with pytest.raises(GeneratorError, match="mbench-x"):
        PktGen(Options(driver="pkt-gen"), testbed.hosts.test_computer, ("mbench-x", "eth1"))


def test_cancelling_ends_both(testbed: Testbed) -> None:
    cancel = threading.Event()
    threading.Timer(0.8, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(MiddlebenchError):
        pktgen(testbed).run(load(window_s=30.0), cancel)
    assert time.monotonic() - started < 10
    assert "pktgen_stand_in" not in testbed.hosts.test_computer.run(["ps", "-eo", "args"]).stdout
