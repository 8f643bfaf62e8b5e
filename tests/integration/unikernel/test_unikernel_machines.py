"""Virtual machines that cannot start, stop to answer, or end: each is named, and before the next trial replaced."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from footprint import kill
from helpers import compose, eventually, interface_counters, once_traffic_runs, settings, without_chain
from machines import EMULATED, machines, own_kernel, start
from middlebench.diagnosis.processors import BUSY, busy_ratio
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.middleboxes.qemu import machine
from middlebench.model.cell import Cell
from middlebench.model.functions.function import Function
from middlebench.model.plan import CHAIN, Topology
from middlebench.model.record import Record
from middlebench.model.topologies import plan_of
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddleboxError, TrialError
from middlebench.testbed import Testbed
from middlebench.trials.cell import measure
from middlebench.trials.convergence import deploy, plan_for, read_live


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


class TestTrial:
    @pytest.fixture
    def testbed(self, runtime: Path, unikernel: Path) -> Iterator[Testbed]:
        with without_chain(compose(middlebox=EMULATED)) as testbed:
            yield testbed

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
