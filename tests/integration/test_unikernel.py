"""The unikernel in virtual machines that run: what comes out, what is counted, and what happens when one ends."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import (
    PROJECT,
    Footprint,
    compose,
    eventually,
    interface_counters,
    kill,
    once_traffic_runs,
    pass_frames,
    settings,
    status,
)
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from middlebench.diagnosis.processors import BUSY, busy_ratio
from middlebench.hosts.base import Host
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.middleboxes.qemu import machine
from middlebench.model.cell import Cell
from middlebench.model.functions.function import Function
from middlebench.model.plan import CHAIN, Middlebox, Plan, Topology
from middlebench.model.record import Record
from middlebench.model.topologies import plan_of
from middlebench.sites.base import Hosts
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddleboxError, TrialError
from middlebench.testbed import site_of, stand_up
from middlebench.trials.cell import measure
from middlebench.trials.convergence import deploy, plan_for, read_live

if TYPE_CHECKING:
    from middlebench.testbed import Testbed

EMULATED = {"driver": "qemu", "accelerator": "tcg"}
MTU = 1500
SMALLEST, LARGEST = 60, 1514
FLOOD_SECONDS = float(os.environ.get("MIDDLEBENCH_FLOOD_SECONDS", "5"))
"""How long the flood lasts; set the variable to 60 for the long one."""


def machines(host: Host, **options: Any) -> qemu.QemuMiddleboxes:
    return qemu.QemuMiddleboxes(qemu.Options.model_validate(EMULATED | options), host, MTU)


@pytest.fixture
def server(hosts: Hosts, unikernel: Path) -> Host:
    return hosts.middlebox_server


@pytest.fixture
def plan(hosts: Hosts) -> Plan:
    return plan_of("chain", 1, hosts.server_ports)


def start(middleboxes: qemu.QemuMiddleboxes, plan: Plan) -> None:
    middleboxes.create(plan)
    middleboxes.wait_until_ready(plan)


class TestFrames:
    """One machine carries the frames of all these tests."""

    @pytest.fixture(scope="class")
    @classmethod
    def wire(cls, unikernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Middlebox]]:
        folder = tmp_path_factory.mktemp("runtime")
        folder.chmod(0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MIDDLEBENCH_RUNTIME", str(folder))
            site = site_of("tests", compose())
            try:
                hosts = site.open()
                plan = plan_of("chain", 1, hosts.server_ports)
                start(machines(hosts.middlebox_server), plan)
                yield hosts.middlebox_server, plan.middleboxes[0]
            finally:
                site.close()
                Footprint(folder).demand_nothing_left()

    @staticmethod
    def random_frame(size: int, dice: random.Random) -> bytes:
        """Return random bytes, addresses and all; only no VLAN tag, which a packet socket would take out."""
        frame = dice.randbytes(size)
        return frame if frame[12:14] not in (b"\x81\x00", b"\x88\xa8") else TestFrames.random_frame(size, dice)

    @pytest.mark.parametrize("direction", [1, -1], ids=["forward", "backward"])
    def test_every_size_comes_out_as_it_went_in(self, wire, direction):
        host, middlebox = wire
        dice = random.Random(direction)
        frames = [self.random_frame(size, dice) for size in range(SMALLEST, LARGEST + 1)]
        assert pass_frames(host, *middlebox.ports[::direction], frames) == frames

    @given(
        direction=st.sampled_from([1, -1]),
        sizes=st.lists(st.integers(SMALLEST, LARGEST), min_size=1, max_size=300),
        dice=st.randoms(use_true_random=False),
    )
    @example(direction=1, sizes=[LARGEST] * 300, dice=random.Random(1))
    @example(direction=-1, sizes=[SMALLEST] * 300, dice=random.Random(2))
    @examples(max_examples=25)
    def test_any_sequence_of_sizes_and_contents_comes_out_as_it_went_in(self, wire, direction, sizes, dice):
        host, middlebox = wire
        frames = [self.random_frame(size, dice) for size in sizes]
        assert pass_frames(host, *middlebox.ports[::direction], frames) == frames


FLOOD_AGENT = """
import errno, multiprocessing, socket, sys, time
end = time.monotonic() + float(sys.argv[1])

def flood(port, results):
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((port, 0))
    frame, sent = bytes.fromhex("024d42000001024d420000000800") + bytes(46), 0
    while time.monotonic() < end:
        for _ in range(1000):
            try:
                sender.send(frame)
                sent += 1
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # refused before it reached the port
                    raise
    results.put((port, sent))

results = multiprocessing.Queue()
senders = [multiprocessing.Process(target=flood, args=(port, results)) for port in sys.argv[2:]]
for each in senders:
    each.start()
for _ in senders:
    print(*results.get())
for each in senders:
    each.join()
"""


def flood(host: Host, *ports: str) -> dict[str, int]:
    """Send small frames into all ports at once, as fast as one can; return how many by port."""
    result = host.run(host.script(FLOOD_AGENT, str(FLOOD_SECONDS), *ports), deadline=Deadline(FLOOD_SECONDS + 30))
    return {port: int(sent) for port, sent in map(str.split, result.stdout.splitlines())}


class TestFlood:
    def test_every_frame_sent_is_received_or_counted_as_dropped(self, server, plan):
        """Beyond the machine's pace in both directions at once, not one frame is unaccounted for."""
        start(machines(server), plan)
        (middlebox,) = plan.middleboxes
        before = interface_counters(server)
        sent = flood(server, *middlebox.ports)

        def settled() -> dict[str, Any] | None:
            then, now = status(server, middlebox), status(server, middlebox)
            return now if _packets(then) == _packets(now) else None

        guest = eventually(settled, "the machine has forwarded all that waited")
        after = interface_counters(server)
        assert sum(each["rx"] for each in guest["ports"]) == sum(
            each["tx"] + each["dropped_ring_full"] + each["dropped_by_function"] + each["dropped_malformed"]
            for each in guest["ports"]
        )
        for here, there in ((0, 1), (1, 0)):
            entrance, exit_ = middlebox.ports[here], middlebox.ports[there]
            came_in, went_out = guest["ports"][here], guest["ports"][there]
            overrun = after[entrance].tx_dropped - before[entrance].tx_dropped
            dropped = came_in["dropped_ring_full"] + came_in["dropped_by_function"] + came_in["dropped_malformed"]
            received = after[exit_].rx_packets - before[exit_].rx_packets
            assert sent[entrance] > 0
            assert overrun > 0, "the flood was too slow to be one"
            assert after[entrance].tx_packets - before[entrance].tx_packets == came_in["rx"]
            assert went_out["tx"] == received
            assert sent[entrance] == received + overrun + dropped

    def test_machine_forwards_as_before_after_a_flood(self, server, plan):
        start(machines(server), plan)
        (middlebox,) = plan.middleboxes
        flood(server, *middlebox.ports)
        frames = [TestFrames.random_frame(size, random.Random(size)) for size in (60, 700, 1514)]

        def calm() -> bool:
            return pass_frames(server, *middlebox.ports, frames) == frames

        eventually(calm, "frames pass again one by one")

    def test_idle_machine_sleeps(self, server, plan):
        start(machines(server), plan)
        first = status(server, plan.middleboxes[0])["halts"]
        second = status(server, plan.middleboxes[0])["halts"]
        assert first < second < first + 100, "it halts until it is asked, and does not spin"

    def test_machine_that_does_not_answer_has_no_count_and_the_others_have_theirs(self, server, hosts, monkeypatch):
        monkeypatch.setattr(qemu, "STATUS_SECONDS", 1.0)
        plan = plan_of("chain", 2, hosts.server_ports)
        running = machines(server)
        start(running, plan)
        stopped, other = (each.name for each in plan.middleboxes)
        pid = running.live()[stopped].split()[1]
        server.run(["kill", "-STOP", pid])
        readings = running.read()
        server.run(["kill", "-CONT", pid])
        assert readings.keys() == {stopped, other}
        assert (readings[stopped].rx_packets, readings[other].rx_packets) == (None, 0)
        assert readings[stopped].usage is not None


def _packets(status: dict[str, Any]) -> list[list[int]]:
    return [[port["rx"], port["tx"]] for port in status["ports"]]


class TestFailures:
    def test_unknown_function_is_named_with_the_known_ones(self, server, plan):
        """The config refuses such a name first; the image must not rely on that."""
        plan = plan_of("chain", 1, plan.uplinks, [Function("levitate", 1)])
        broken = machines(server)
        broken.create(plan)
        with pytest.raises(MiddleboxError, match=r"mbench-1.*unknown function 'levitate'; known: .*forward"):
            broken.wait_until_ready(plan)

    def test_missing_image_is_named(self, server, plan, monkeypatch):
        monkeypatch.setattr(qemu, "UNIKERNEL", Path("build/no-such-image.elf"))
        with pytest.raises(MiddleboxError, match=r"there is no image build/no-such-image\.elf") as caught:
            machines(server).create(plan)
        assert "snakemake --cores 1 -- build/no-such-image.elf" in caught.value.advice

    @pytest.mark.parametrize("missing", ["kernel", "initrd"])
    def test_missing_file_of_a_users_own_image_is_named(self, server, plan, unikernel, missing):
        image = {"kernel": str(unikernel), "initrd": str(unikernel)} | {missing: "/no/such/file"}
        with pytest.raises(MiddleboxError, match="there is no image /no/such/file"):
            machines(server, image=image).create(plan)

    def test_missing_qemu_is_named(self, server, plan, monkeypatch):
        monkeypatch.setattr(machine, "QEMU", "qemu-system-absent")
        with pytest.raises(MiddleboxError, match=r"mbench-1 .*there is no program 'qemu-system-absent'") as caught:
            machines(server).create(plan)
        assert "make setup" in str(caught.value)
        with pytest.raises(MiddleboxError, match="qemu-system-absent"):
            machines(server).describe()

    def test_machine_that_qemu_refuses_is_named_with_what_qemu_says(self, server, plan, unikernel):
        broken = machines(server, image=own_kernel(unikernel) | {"machine": "abacus"})
        broken.create(plan)
        with pytest.raises(MiddleboxError, match=r"(?s)mbench-1 .*it ended; its QEMU ends: .*unsupported machine type"):
            broken.wait_until_ready(plan)

    def test_machine_that_stays_silent_is_named(self, server, plan, unikernel, monkeypatch):
        monkeypatch.setattr(qemu, "READY_SECONDS", 0.0)
        silent = machines(server, image=own_kernel(unikernel) | {"ready": "words that it never says"})
        silent.create(plan)
        with pytest.raises(MiddleboxError, match=r"mbench-1 .*not become ready within 1 s; its console ends: ready"):
            silent.wait_until_ready(plan)

    @pytest.mark.parametrize("moment", ["before", "during"])
    def test_machine_that_ends_is_named_by_the_watch(self, server, hosts, footprint, moment):
        plan = plan_of("chain", 2, hosts.server_ports)
        running = machines(server)
        start(running, plan)
        if moment == "before":
            kill(footprint.machine("mbench-2"))
        with running.watch() as watch:
            if moment == "during":
                assert not watch.fired.wait(1)
                kill(footprint.machine("mbench-2"))
            assert watch.fired.wait(30)
        assert watch.problem.startswith("virtual machine mbench-2 ended")
        assert running.live().keys() == {"mbench-1"}

    def test_destroyed_machines_leave_neither_process_nor_tap(self, server, hosts, footprint):
        plan = plan_of("chain", 3, hosts.server_ports)
        running = machines(server)
        start(running, plan)
        assert len(footprint.named("qemu-system-x86")) == 3
        running.destroy()
        assert footprint.named("qemu-system-x86") == []
        assert interface_counters(server).keys() == {"lo", *hosts.server_ports}


class TestTrial:
    @pytest.fixture
    def testbed(self, runtime: Path, unikernel: Path) -> Iterator[Testbed]:
        options = compose(middlebox=EMULATED)
        try:
            yield stand_up("tests", options)
        finally:
            site_of("tests", options).close()

    @staticmethod
    def measure_cell(testbed: Testbed, topology: Topology = CHAIN, **changes: Any) -> Record:
        cell = Cell(testbed=testbed.name, topology=topology, n=2, frame_bytes=800, repetition=1)
        return measure(testbed, cell, settings(**{"offered_load": 1.0} | changes))[0]

    def test_machine_killed_within_a_cell_voids_it_and_the_next_one_is_right(self, testbed, footprint):
        deploy(testbed, plan_for(testbed, 2, topology="parallel"))
        clock = Deadline(60)
        with (
            pytest.raises(TrialError, match=r"the trial is void: .*mbench-2 ended") as caught,
            once_traffic_runs(testbed, lambda: kill(footprint.machine("mbench-2"))),
        ):
            self.measure_cell(testbed, "parallel", flows=2, window_s=60.0, sample_interval_s=60.0)
        assert not clock.expired, "the end of the machine ended the trial"
        counted = re.search(r"until then: (?:all|of [\d,]+ packets) ([\d,]+)", str(caught.value))
        assert counted, "the frames that the other machine passed on are counted"
        assert int(counted[1].replace(",", "")) > 0
        counts = self.measure_cell(testbed).counts
        assert counts.trial_received_packets == counts.trial_sent_packets > 0
        assert read_live(testbed).middleboxes.keys() == {"mbench-1", "mbench-2"}

    def test_machine_killed_between_cells_is_replaced(self, testbed, footprint):
        first = self.measure_cell(testbed)
        kill(footprint.machine("mbench-1"))
        eventually(lambda: len(read_live(testbed).middleboxes) == 1, "the machine is gone")
        second = self.measure_cell(testbed)
        assert second.counts.trial_received_packets == second.counts.trial_sent_packets > 0
        assert second.attestation.fingerprint != first.attestation.fingerprint

    def test_machine_that_takes_no_frames_for_a_while_is_named_with_what_its_port_refused(self, testbed, footprint):
        deploy(testbed, plan_for(testbed, 2))
        pid, port = footprint.machine("mbench-2"), plan_for(testbed, 2).middleboxes[1].ingress_port

        def stop_until_its_port_overflows() -> None:
            os.kill(pid, signal.SIGSTOP)
            try:
                eventually(lambda: testbed.switch.counters()[port].tx_dropped >= 1000, f"{port} refuses frames")
            finally:
                os.kill(pid, signal.SIGCONT)

        with once_traffic_runs(testbed, stop_until_its_port_overflows):
            measured = self.measure_cell(testbed, offered_load=2.0, window_s=2.5)
        limit, hop = measured.bottleneck, measured.hops[1]
        assert (limit.place, limit.unaccounted_packets) == ("bridge 1 (out)", 0)
        assert 1000 <= sum(hop.dropped.values()) <= limit.lost_packets
        assert f"{limit.lost_packets:,} of {measured.counts.trial_sent_packets:,} packets were lost" in limit.evidence
        if busy_ratio(measured.usage.middlebox_server) >= BUSY:
            assert limit.cause == "server CPU", "other work took all of this machine"
        else:
            assert limit.cause == "middlebox"
            assert f"at middlebox 2, whose port {port} dropped {sum(hop.dropped.values()):,}" in limit.evidence

    def test_deployment_says_what_each_machine_took(self, testbed):
        deployment = deploy(testbed, plan_for(testbed, 2))
        assert [each["name"] for each in deployment.middleboxes] == ["mbench-1", "mbench-2"]
        for each in deployment.middleboxes:
            assert 0 < each["ready_s"] < deployment.total_s
            assert 0 < each["private_kib"] <= each["resident_kib"]


def own_kernel(unikernel: Path) -> dict[str, Any]:
    """Return our image as if it were a user's: all that QEMU must be told is said in options."""
    return {
        "kernel": str(unikernel),
        "command_line": "function=forward",
        "ready": "ready ",
        "machine": machine.MACHINE,
        "device": "virtio-net-device",
        "arguments": ["-global", "virtio-mmio.force-legacy=false", "-device", "isa-debug-exit"],
    }


class TestImage:
    def test_users_own_kernel_forwards(self, server, plan, unikernel):
        own = machines(server, image=own_kernel(unikernel))
        start(own, plan)
        frames = [TestFrames.random_frame(size, random.Random(size)) for size in (60, 1514)]
        assert pass_frames(server, *plan.middleboxes[0].ports, frames) == frames
        assert own.describe().startswith("unikernel.elf ")

    @pytest.mark.parametrize("polls", [True, False])
    def test_users_kernel_polls_where_its_options_say_so(self, server, plan, unikernel, polls):
        own = machines(server, image=own_kernel(unikernel) | {"polls": polls})
        start(own, plan)
        assert [each.usage.polls for each in own.read().values()] == [polls] * len(plan.middleboxes)

    def test_name_of_the_middlebox_reaches_a_users_kernel(self, server, plan, unikernel):
        own = machines(server, image=own_kernel(unikernel) | {"command_line": "function={name}"})
        own.create(plan)
        with pytest.raises(MiddleboxError, match="unknown function 'mbench-1'"):
            own.wait_until_ready(plan)

    def test_sources_give_the_same_bytes_wherever_they_are_built(self, unikernel, tmp_path):
        for name in ("one", "another folder"):
            copy = tmp_path / name.replace(" ", "-")
            command = ["make", "--silent", f"BUILD={copy}"]
            subprocess.run(command, cwd=PROJECT / "workflow" / "unikernel", check=True)
            assert (copy / "unikernel.elf").read_bytes() == unikernel.read_bytes()

    def test_image_says_nothing_of_where_it_was_built(self, unikernel):
        assert not re.search(rb"/(work|home|tmp|root)/", unikernel.read_bytes())
        assert str(PROJECT).encode() not in unikernel.read_bytes()

    def test_status_is_json_with_every_counter(self, server, plan):
        start(machines(server), plan)
        said = status(server, plan.middleboxes[0])
        assert said["function"] == "forward"
        assert [sorted(port) for port in said["ports"]] == [
            [
                "dropped_by_function",
                "dropped_malformed",
                "dropped_ring_full",
                "interrupts",
                "rx",
                "rx_buffers",
                "tx",
                "tx_pending",
            ]
        ] * 2
