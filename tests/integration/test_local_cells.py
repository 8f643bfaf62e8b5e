"""The ``namespaces`` site with a real switch, real middleboxes and real traffic, from deployment to record."""

from __future__ import annotations

import re
import time

import pytest
from cells import PACED, measure_cell, on_server
from helpers import once_traffic_runs, settings
from middlebench.generators.shared import agents
from middlebench.model import record_file
from middlebench.model.frames import udp_frame
from middlebench.model.record import GENERATOR_LIMITED, LINKS_COSTLY, SERVER_SHARED, WINDOW_TOO_SHORT, Record
from middlebench.system.errors import TrialError
from middlebench.trials.convergence import deploy, plan_for, read_live
from middlebench.trials.probing import prove_paths
from passing import pass_frames


class TestMeasuring:
    @pytest.mark.parametrize("n", [0, 1, 3])
    def test_cells_of_one_chain_are_measured_and_attested(self, testbed, n):
        records = [measure_cell(testbed, n, size) for size in (60, 800, 1514)]
        for each in records:
            counts = each.counts
            assert counts.received_packets > 0
            assert 0 < counts.offered_packets <= counts.intended_packets * 1.01
            assert counts.offered_bytes in (
                counts.offered_packets * each.cell.frame_bytes,
                counts.offered_packets * (each.cell.frame_bytes - 14),
            )
            assert counts.received_bytes == counts.received_packets * each.cell.frame_bytes
            assert 0 < counts.trial_received_packets <= counts.trial_sent_packets
            assert each.attestation.probes_returned == each.attestation.probes_sent > 0
            assert set(each.flags) <= {GENERATOR_LIMITED, LINKS_COSTLY, SERVER_SHARED, WINDOW_TOO_SHORT}
            assert each.usage.links[0].cpu_s >= 0
            assert [hop.bridge for hop in each.hops] == [f"mbench-br{index}" for index in range(n + 1)]
        assert len({each.attestation.fingerprint for each in records}) == 1, "the chain was deployed once"

    def test_single_bridge_loses_nothing_at_a_paced_load(self, testbed):
        measured = measure_cell(testbed, 0, **PACED)
        counts = measured.counts
        assert counts.trial_received_packets == counts.trial_sent_packets > 0
        assert [(hop.rx_packets, hop.tx_packets, sum(hop.dropped.values())) for hop in measured.hops] == [
            (counts.trial_sent_packets, counts.trial_sent_packets, 0)
        ]

    def test_every_hop_of_a_chain_counts_what_passes_it(self, testbed):
        measured = measure_cell(testbed, 2, **PACED)
        assert measured.counts.trial_received_packets == measured.counts.trial_sent_packets > 0
        for hop in measured.hops:
            passed = (hop.rx_packets, hop.matched_packets, hop.forwarded_packets, hop.tx_packets)
            assert passed == (measured.counts.trial_sent_packets,) * len(passed)
        assert (
            measured.bottleneck.place,
            measured.bottleneck.lost_packets,
            measured.bottleneck.unaccounted_packets,
        ) == ("", 0, 0)

    def test_record_survives_its_way_over_the_disk(self, testbed, tmp_path):
        measured = measure_cell(testbed, 1)
        record_file.write(measured, tmp_path / "rep1.json")
        found = record_file.read(Record, tmp_path / "rep1.json")
        assert found.model_copy(update={"digest": ""}) == measured

    def test_every_side_says_what_it_used(self, testbed):
        usage = measure_cell(testbed, 1, **PACED).usage
        assert [each.cpu for each in usage.test_computer] == list(testbed.hosts.test_computer.cpus)
        assert [each.cpu for each in usage.middlebox_server] == list(testbed.hosts.middlebox_server.cpus)
        generator, cards = usage.generator
        assert (generator.name, cards.name) == ("generator", "links")
        for process in (generator, *usage.switch):
            assert process.cpu_s >= process.busiest_thread_s >= 0
            assert process.context_switches is None or process.context_switches > 0
            assert process.io_calls is None or process.io_calls >= 0
        assert usage.middleboxes == (), "a namespace has no process of its own"
        assert usage.traffic_s >= settings().warm_up_s + settings().window_s


class TestConvergence:
    def test_deployed_chain_passes_frames_and_took_no_longer_than_it_says(self, testbed):
        begin = time.monotonic()
        deployment = deploy(testbed, plan_for(testbed, 2))
        assert deployment.removing_s > 0
        assert 0 < deployment.total_s <= time.monotonic() - begin - deployment.removing_s
        frames = [udp_frame(size, b"deployed") for size in (60, 800, 1514)]
        assert pass_frames(testbed.hosts.test_computer, *testbed.hosts.test_ports, frames) == frames
        assert read_live(testbed).fingerprint == deployment.fingerprint

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (("ovs-vsctl", "del-br", "mbench-br1"), "mbench-br1 is missing"),
            (("ip", "netns", "delete", "mbench-1"), "mbench-1 is missing"),
            (("ip", "link", "delete", "dev", "mbench-2-out"), "mbench-2-out"),
        ],
        ids=["bridge", "namespace", "interface"],
    )
    def test_chain_that_somebody_damaged_is_repaired_before_it_is_measured(self, testbed, footprint, command, words):
        deploy(testbed, plan_for(testbed, 2))
        on_server(testbed, *command)
        told = []
        assert measure_cell(testbed, 2, tell=told.append).counts.received_packets > 0
        assert len(told) == 1
        assert words in told[0]
        assert [len(footprint.named(daemon)) for daemon in ("ovsdb-server", "ovs-vswitchd")] == [1, 1]

    def test_middlebox_that_looks_right_but_does_not_forward_is_found(self, testbed, monkeypatch):
        monkeypatch.setattr(agents, "PROBE_SECONDS", 0.5)
        plan = plan_for(testbed, 2)
        deploy(testbed, plan)
        on_server(testbed, "ip", "-netns", "mbench-1", "link", "set", "dev", "forward", "down")
        assert read_live(testbed).differences(plan) == []
        with pytest.raises(TrialError, match="lost before middlebox 1, where they should leave at mbench-1-out"):
            prove_paths(testbed, plan, 60)
        told = []
        assert measure_cell(testbed, 2, tell=told.append).counts.received_packets > 0
        assert "does not forward: deploying it anew" in told[0]


class TestChangeDuringATrial:
    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (
                ("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "mbench-br0", "priority=7,dl_type=0x0806,actions=drop"),
                "mbench-br0: flow priority=7,arp,actions=drop is not ours",
            ),
            (("ip", "netns", "delete", "mbench-2"), "middlebox mbench-2 ended"),
            (("ip", "link", "delete", "dev", "mbench-1-in"), "mbench-br0: port mbench-1-in"),
        ],
        ids=["flow added", "namespace removed", "interface removed"],
    )
    def test_trial_is_void_and_the_next_one_is_right(self, testbed, command, words):
        deploy(testbed, plan_for(testbed, 2))
        with (
            pytest.raises(TrialError, match="void: .*" + re.escape(words)),
            once_traffic_runs(testbed, lambda: on_server(testbed, *command)),
        ):
            measure_cell(testbed, 2, window_s=1.5, sample_interval_s=0.5)
        assert measure_cell(testbed, 2, **PACED).counts.received_packets > 0
