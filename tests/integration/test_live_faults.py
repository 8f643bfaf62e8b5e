"""Faults of live parts, before, in and behind a window: each cell is right, or void with a reason; never wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from footprint import Footprint, kill
from helpers import compose, once_traffic_runs, settings
from middlebench.generators.shared import agents
from middlebench.model.cell import Cell
from middlebench.model.record import Record
from middlebench.model.traffic import Load, Probe, Traffic
from middlebench.switches.private_openvswitch import FOLDER
from middlebench.switches.shared import instance
from middlebench.system.errors import MiddlebenchError
from middlebench.testbed import Testbed, site_of, stand_up
from middlebench.trials.cell import measure
from middlebench.trials.convergence import converge, plan_for

NAME = "live-faults"
OPTIONS = {"middlebox": {"driver": "qemu", "accelerator": "tcg"}}
PACED_KPPS = 1.0
"""What any machine carries without loss, so that a record in which frames are missing is wrong."""
PORT, MACHINE = "mbench-1-in", "mbench-1"


@dataclass(frozen=True)
class Live:
    """A testbed with a chain of one virtual machine, and its processes."""

    testbed: Testbed
    footprint: Footprint

    def on_server(self, command: str) -> None:
        self.testbed.hosts.middlebox_server.run(["env", f"OVS_RUNDIR={FOLDER}", *command.split()])

    def on_test_computer(self, command: str) -> None:
        self.testbed.hosts.test_computer.run(command.split())

    def signal(self, process: str, number: int) -> None:
        pids = [self.footprint.machine(MACHINE)] if process == MACHINE else self.footprint.named(process)
        assert pids, f"{process} runs"
        for pid in pids:
            os.kill(pid, number)

    def measure(self, **changes: Any) -> Record:
        asked = settings(**{"offered_load": PACED_KPPS, "window_s": 0.8, "sample_interval_s": 0.1} | changes)
        return measure(self.testbed, Cell(testbed=NAME, n=1, frame_bytes=800, repetition=1), asked)[0]


Fault = Callable[[Live], None]


def on_server(command: str) -> Fault:
    return lambda live: live.on_server(command)


def on_test_computer(command: str) -> Fault:
    return lambda live: live.on_test_computer(command)


def send(process: str, number: int) -> Fault:
    return lambda live: live.signal(process, number)


@dataclass(frozen=True)
class Injected:
    """A fault, and what the reason must name where a cell is void."""

    make: Fault
    words: str


FAULTS = {
    "port down": Injected(on_server(f"ip link set dev {PORT} down"), PORT),
    "uplink down": Injected(on_server("ip link set dev eth0 down"), "eth0"),
    "receiving port down": Injected(on_test_computer("ip link set dev eth1 down"), "eth1"),
    "MTU of a port": Injected(on_server(f"ip link set dev {PORT} mtu 100"), PORT),
    "MTU of an uplink": Injected(on_server("ip link set dev eth1 mtu 100"), "eth1"),
    "shaper deleted": Injected(on_test_computer("tc qdisc del dev eth0 root"), "eth0 shaper"),
    "flow deleted": Injected(on_server(f"ovs-ofctl -O OpenFlow13 del-flows mbench-br0 in_port={PORT}"), "flow"),
    "switch daemon stopped": Injected(send("ovs-vswitchd", signal.SIGSTOP), "ovs-vswitchd"),
    "switch daemon killed": Injected(send("ovs-vswitchd", signal.SIGKILL), "ovs-vswitchd"),
    "database stopped": Injected(send("ovsdb-server", signal.SIGSTOP), "ovsdb-server"),
    "database killed": Injected(send("ovsdb-server", signal.SIGKILL), "ovsdb-server"),
    "machine stopped": Injected(send(MACHINE, signal.SIGSTOP), MACHINE),
    "machine killed": Injected(send(MACHINE, signal.SIGKILL), MACHINE),
}
faults = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@pytest.fixture(scope="module")
def footprint(runtime: Path) -> Iterator[Footprint]:
    """All of these tests use one testbed: each repairs what the one before has left."""
    with pytest.MonkeyPatch.context() as patch:
        # How long to wait for what never comes, and for a daemon that was stopped.
        patch.setattr(agents, "PROBE_SECONDS", 1.5)
        patch.setattr(instance, "ANSWER_SECONDS", 2.0)
        yield Footprint(runtime)
        site_of(NAME, compose(**OPTIONS)).close()


@pytest.fixture
def live(footprint: Footprint, unikernel: Path) -> Live:
    """The testbed as a job finds it: whatever was broken is set up again."""
    testbed = stand_up(NAME, compose(**OPTIONS))
    converge(testbed, plan_for(testbed, 1))
    return Live(testbed, footprint)


@dataclass(frozen=True)
class WithHook:
    """The testbed's generator, and something to do as soon as its traffic is over."""

    inner: Any
    behind: Callable[[], None]

    def probe(self, frame_bytes: int, count: int, flow: int = 0) -> Probe:
        return self.inner.probe(frame_bytes, count, flow)

    def run(self, load: Load, cancel: Event | None = None) -> Traffic:
        traffic = self.inner.run(load, cancel)
        self.behind()
        return traffic

    def describe(self) -> str:
        return self.inner.describe()


def behind_the_window(live: Live, change: Callable[[], None]) -> Live:
    """Let ``change`` happen when the traffic of a trial is over, and nothing was read yet."""
    return replace(live, testbed=replace(live.testbed, generator=WithHook(live.testbed.generator, change)))


def right_or_void(run: Callable[[], Record]) -> str:
    """Run a cell; return the reason where it is void, nothing where its record is right."""
    try:
        measured = run()
    except MiddlebenchError as error:
        return str(error)
    assert measured.counts.trial_received_packets == measured.counts.trial_sent_packets > 0
    assert measured.counts.offered_packets >= 0.9 * measured.counts.intended_packets
    assert measured.attestation.probes_returned == measured.attestation.probes_sent > 0
    return ""


def next_one_is_right(live: Live) -> None:
    again = Live(stand_up(NAME, compose(**OPTIONS)), live.footprint)
    assert right_or_void(again.measure) == ""


@faults
def test_fault_in_a_window_voids_the_cell_and_before_the_next_one_it_is_mended_or_named(live, fault):
    with once_traffic_runs(live.testbed, lambda: fault.make(live)):
        reason = right_or_void(live.measure)
    assert fault.words in reason
    if reason := right_or_void(live.measure):
        assert fault.words in reason
        next_one_is_right(live)


@faults
def test_fault_behind_the_window_voids_the_cell_and_is_named(live, fault):
    changed = behind_the_window(live, lambda: fault.make(live))
    assert fault.words in right_or_void(changed.measure)


UNDONE = {
    "port down": (FAULTS["port down"].make, on_server(f"ip link set dev {PORT} up")),
    "receiving port down": (FAULTS["receiving port down"].make, on_test_computer("ip link set dev eth1 up")),
    "MTU of a port": (FAULTS["MTU of a port"].make, on_server(f"ip link set dev {PORT} mtu 1500")),
    "machine stopped": (FAULTS["machine stopped"].make, send(MACHINE, signal.SIGCONT)),
    "switch daemon stopped": (FAULTS["switch daemon stopped"].make, send("ovs-vswitchd", signal.SIGCONT)),
}


@pytest.mark.parametrize(("make", "undo"), UNDONE.values(), ids=UNDONE)
def test_fault_that_is_undone_before_anybody_looks_voids_the_cell_all_the_same(live, make, undo):
    changed = behind_the_window(live, lambda: undo(live))
    with once_traffic_runs(live.testbed, lambda: make(live)):
        assert "nothing arrived" in right_or_void(lambda: changed.measure(window_s=2.0))


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_generator_that_stops_in_the_window_voids_the_cell(live, number):
    with once_traffic_runs(live.testbed, lambda: live.signal("trafgen", number)):
        reason = right_or_void(lambda: live.measure(offered_load="maximum", window_s=3.0))
    assert "sent nothing" in reason or "ended before the window" in reason
    next_one_is_right(live)


def test_script_that_counts_what_is_received_is_killed_in_the_window(live):
    def kill_script() -> None:
        (sender,) = live.footprint.named("timeout")
        kill(int(Path(f"/proc/{sender}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]))

    with once_traffic_runs(live.testbed, kill_script):
        assert "without an answer" in right_or_void(live.measure)
    next_one_is_right(live)


@pytest.mark.parametrize("when", ["before", "in", "behind"])
def test_holder_that_is_killed_voids_the_cell(live, when):
    def kill_holder() -> None:
        kill(live.footprint.holder())

    with ExitStack() as stack:
        changed = live
        if when == "before":
            kill_holder()
        elif when == "in":
            # The watch itself ends with the holder, and with it this thread's view of the counters.
            stack.enter_context(once_traffic_runs(live.testbed, kill_holder))
        else:
            changed = behind_the_window(live, kill_holder)
        assert right_or_void(changed.measure) != ""
    next_one_is_right(live)
