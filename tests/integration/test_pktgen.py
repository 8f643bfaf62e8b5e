"""The pkt-gen driver against a stand-in that speaks pkt-gen's language and sends real frames, over a real chain."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from helpers import eventually
from middlebench.generators.pkt_gen import driver
from middlebench.generators.pkt_gen.driver import Options, PktGen
from middlebench.model.traffic import Load
from middlebench.system.errors import GeneratorError, MiddlebenchError
from middlebench.testbed import Testbed
from middlebench.trials.convergence import converge, plan_for

STAND_IN = str(Path(__file__).parents[1] / "pktgen_stand_in.py")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_SECOND", "0.2")


def load(**changes: object) -> Load:
    values = {
        "packets_per_second": 2000.0,
        "saturating": False,
        "warm_up_s": 0.3,
        "window_s": 0.6,
        "sample_interval_s": 0.2,
    }
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
    assert (probe.sent, probe.returned, probe.unexpected) == (3, 3, 0)
    traffic = generator.run(load())
    assert traffic.trial_sent_packets == traffic.trial_received_packets > 0
    assert traffic.unexpected_packets == 0
    assert traffic.window_s == pytest.approx(0.6, abs=0.45)
    assert [each.t_s for each in traffic.samples] == sorted({each.t_s for each in traffic.samples})
    assert traffic.samples[-1].received_packets == traffic.received_packets
    assert traffic.offered_packets == pytest.approx(traffic.received_packets, rel=0.3)
    assert "Received" in traffic.raw


def test_given_number_of_frames_is_sent_and_counted_to_the_frame(testbed: Testbed) -> None:
    converge(testbed, plan_for(testbed, 1))
    traffic = pktgen(testbed).run(load(warm_up_s=0, window_s=2, sample_interval_s=2, packets=203))
    assert traffic.trial_sent_packets == traffic.offered_packets == 203
    assert traffic.trial_received_packets == traffic.received_packets == 203
    assert traffic.window_s >= 2


def test_paced_load_is_offered_though_pkt_gen_waits_for_whole_seconds(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_SECOND", "1")

    def attempt() -> bool:
        traffic = pktgen(testbed).run(load(packets_per_second=1000.0, window_s=1.0))
        return traffic.offered_packets == pytest.approx(1000 * traffic.window_s, rel=0.03)

    eventually(attempt, "other work leaves the sender the processor for a second, and the load is held")


def test_frames_that_leave_late_are_waited_for(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "late")
    converge(testbed, plan_for(testbed, 1))
    traffic = pktgen(testbed).run(load(packets_per_second=500.0))
    assert traffic.trial_received_packets == traffic.trial_sent_packets


@pytest.mark.parametrize(
    ("fault", "version", "said"),
    [
        ("module", "13.0", "the netmap module is not loaded"),
        ("module", "11.1", "the netmap module is not loaded"),
        ("busy", "13.0", "the interface is in use"),
        ("busy", "11.1", "the interface is in use"),
        ("native-only", "13.0", "admode is 1"),
        ("api", "13.0", "netmap cannot open the interface"),
        ("mtu", "13.0", "the frame is too large"),
        ("thread", "13.0", "ouch, thread 0 exited with error"),
        ("silent", "13.0", "the sender sent nothing"),
        ("format", "13.0", "unknown format"),
        ("hang", "13.0", "did not end within 1 s of SIGINT and was killed"),
    ],
)
def test_every_fault_is_named_and_not_by_the_usage_page(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch, fault: str, version: str, said: str
) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", fault)
    monkeypatch.setenv("STAND_IN_VERSION", version)
    monkeypatch.setattr(driver, "END_SECONDS", 1.0)
    monkeypatch.setattr(driver, "START_SECONDS", 1.0)
    with pytest.raises(GeneratorError, match=said) as caught:
        pktgen(testbed).run(load(window_s=0.2))
    assert "Usage" not in str(caught.value)
    assert "pktgen_stand_in" not in testbed.hosts.test_computer.run(["ps", "-eo", "args"]).stdout


@pytest.mark.parametrize("version", ["11.1", "13.0"])
@pytest.mark.parametrize("port", ["sending", "receiving"])
def test_another_pkt_gen_on_a_port_is_an_error(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, port: str
) -> None:
    device = tmp_path / "netmap"
    device.touch()
    monkeypatch.setattr(driver, "DEVICE", str(device))
    monkeypatch.setenv("STAND_IN_VERSION", version)
    name = testbed.hosts.test_ports[port == "receiving"]
    other = [STAND_IN, "-i", f"netmap:{name}", "-f", "rx", "-w", "0", "-T", "1000"]
    started = testbed.hosts.test_computer.run(
        ["sh", "-c", '"$@" 3< "$0" > /dev/null 2>&1 & echo $!', str(device), *other]
    )
    try:
        eventually(
            lambda: f"@netmap:{name}:" in testbed.hosts.test_computer.run(["cat", "/proc/net/unix"]).stdout,
            "the other one has the port",
        )
        with pytest.raises(GeneratorError, match=rf"another program uses netmap on .*{name} -f rx"):
            pktgen(testbed).run(load())
        monkeypatch.setattr(driver, "DEVICE", "/dev/netmap")
        if version != "11.1":  # unseen, as another user's would be: the kernel refuses it
            with pytest.raises(GeneratorError, match="the interface is in use"):
                pktgen(testbed).run(load())
    finally:
        testbed.hosts.test_computer.run(["kill", "-KILL", started.stdout.strip()])


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
    threading.Timer(1.5, cancel.set).start()
    with pytest.raises(MiddlebenchError):
        pktgen(testbed).run(load(window_s=30.0), cancel)
    assert "pktgen_stand_in" not in testbed.hosts.test_computer.run(["ps", "-eo", "args"]).stdout
