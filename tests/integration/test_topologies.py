"""Topologies beside the chain, with real middleboxes and real traffic, from deployment to record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import compose, once_traffic_runs, settings, without_chain
from middlebench.config.functions import functions_of, load_functions
from middlebench.generators.shared import agents
from middlebench.model.cell import Cell
from middlebench.system.errors import TrialError
from middlebench.testbed import Testbed
from middlebench.trials.cell import measure
from middlebench.trials.convergence import plan_for, read_live
from middlebench.trials.probing import prove_paths
from middlebench.trials.trial import load_of, prepare, run_trial

MIDDLEBOXES = {
    "netns": {"driver": "netns"},
    "qemu": {"driver": "qemu", "accelerator": "tcg"},
}
FUNCTIONS = functions_of("forward+filter+nat", 3, load_functions())


@pytest.fixture(params=MIDDLEBOXES)
def testbed(request: pytest.FixtureRequest, runtime: Path, unikernel: Path) -> Iterator[Testbed]:
    with without_chain(compose(middlebox=MIDDLEBOXES[request.param])) as testbed:
        yield testbed


def test_parallel_middleboxes_share_the_flows_evenly_and_every_frame_is_accounted_for(testbed):
    cell = Cell(testbed="tests", topology="parallel", n=3, frame_bytes=800, function="forward+filter+nat")
    told: list[str] = []
    measured, _ = measure(testbed, cell, settings(offered_load=2.0, flows=30), told.append, FUNCTIONS)
    sent = measured.counts.trial_sent_packets
    assert measured.counts.trial_received_packets == sent > 0
    first, last = measured.hops
    assert (first.bridge, last.bridge) == ("mbench-br0", "mbench-br1")
    assert sum(first.egress.values()) == sum(last.ingress.values()) == first.matched_packets == sent
    assert list(first.egress.values()) == list(last.ingress.values()) == pytest.approx([sent / 3] * 3, rel=0.1)
    assert measured.attestation.probes_returned == 9, "three on each path"
    assert measured.attestation.checked_packets > 0
    assert (measured.bottleneck.lost_packets, measured.bottleneck.unaccounted_packets) == (0, 0)
    assert len(told) == 1
    assert read_live(testbed).differences(plan_for(testbed, 3, FUNCTIONS, "parallel")) == []
    assert read_live(testbed).differences(plan_for(testbed, 3, FUNCTIONS)) != []


@pytest.mark.parametrize("testbed", ["netns"], indirect=True)
def test_one_of_eight_side_by_side_that_is_removed_voids_the_cell_by_name_and_the_other_seven_are_counted(testbed):
    plan = plan_for(testbed, 8, topology="parallel")
    before, _ = prepare(testbed, plan, 100)
    load = load_of(100, settings(offered_load=1.0, flows=8, window_s=0.6), testbed.options.site.link.rate_bps)
    server, gone = testbed.hosts.middlebox_server, plan.middleboxes[4]
    links = "".join(f"link del {port}\n" for port in gone.ports)
    with (
        pytest.raises(TrialError, match=gone.name) as caught,
        once_traffic_runs(testbed, lambda: server.run(["ip", "-batch", "-"], stdin=f"{links}netns del {gone.name}\n")),
    ):
        run_trial(testbed, plan, load, before)
    passed = {name: int(packets) for packets, name in re.findall(r"(\d+) by (mbench-\d)", str(caught.value))}
    assert passed.keys() == {each.name for each in plan.middleboxes} - {gone.name}
    assert max(passed.values()) - min(passed.values()) <= 1, "each has its own flow, and lost none of it"
    assert min(passed.values()) > 0.7 * 1000 / 8 / 2, "they were counted to the end"


def test_pipeline_counts_every_frame_on_its_wires_and_a_cut_wire_is_named(testbed, monkeypatch):
    monkeypatch.setattr(agents, "PROBE_SECONDS", 0.5)
    cell = Cell(testbed="tests", topology="pipeline", n=3, frame_bytes=800)
    measured, _ = measure(testbed, cell, settings(offered_load=2.0))
    sent = measured.counts.trial_sent_packets
    assert measured.counts.trial_received_packets == sent > 0
    assert [hop.bridge for hop in measured.hops] == ["mbench-br0", "mbench-br1"]
    assert [(wire.source_port, wire.rx_packets, wire.tx_packets) for wire in measured.wires] == [
        ("mbench-1-out", sent, sent),
        ("mbench-2-out", sent, sent),
    ]
    assert (measured.bottleneck.lost_packets, measured.bottleneck.unaccounted_packets) == (0, 0)
    plan = plan_for(testbed, 3, topology="pipeline")
    testbed.hosts.middlebox_server.run(["tc", "qdisc", "del", "dev", "mbench-2-out", "ingress"])
    with pytest.raises(TrialError, match="lost before middlebox 3, where they should enter at mbench-3-in"):
        prove_paths(testbed, plan, 60)
