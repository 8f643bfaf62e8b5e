"""Where packets are lost on a chain of this machine: named by its place, and to the packet."""

from __future__ import annotations

import json
import re
import time

import pytest
from cells import PACED, measure_cell, on_server
from helpers import once_traffic_runs
from middlebench.diagnosis.processors import BUSY, busy_ratio
from middlebench.system.errors import TrialError
from middlebench.trials.convergence import deploy, plan_for
from middlebench.trials.probing import PROBES


def test_drop_rule_put_in_by_hand_during_a_trial_is_named_with_its_bridge_to_the_packet(testbed):
    deploy(testbed, plan_for(testbed, 3))
    rule = ("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "mbench-br2", "priority=40000,actions=drop")
    with (
        pytest.raises(TrialError) as caught,
        once_traffic_runs(testbed, lambda: on_server(testbed, *rule)),
    ):
        measure_cell(testbed, 3, window_s=1.0, **PACED)
    said = on_server(testbed, "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "mbench-br2")
    (dropped,) = (int(each) for each in re.findall(r"n_packets=(\d+).*priority=40000", said))
    assert "mbench-br2: flow priority=40000,actions=drop is not ours" in str(caught.value)
    found = re.search(
        r"of ([\d,]+) packets ([\d,]+) arrived; lost at bridge 2 \(flow table\): ([\d,]+)"
        r"(?:, ([\d,]+) more counted as dropped by the flow table of bridge 2, which had left it before)?\n",
        str(caught.value),
    )
    assert found, caught.value
    sent, arrived, lost, credited = (int((each or "0").replace(",", "")) for each in found.groups())
    assert sent - arrived == lost > 0
    assert dropped == lost + credited, "what the rule itself says"


def test_drops_that_no_flow_shows_are_named_with_their_bridge_to_the_packet(testbed):
    deploy(testbed, plan_for(testbed, 3))
    shaper = "rate 1mbit burst 10kb limit 10kb"
    on_server(testbed, *f"tc qdisc replace dev mbench-3-in root tbf {shaper}".split())
    measured = measure_cell(testbed, 3, window_s=0.4, **PACED)
    (qdisc,) = json.loads(on_server(testbed, "tc", "-json", "-statistics", "qdisc", "show", "dev", "mbench-3-in"))
    limit = measured.bottleneck
    assert (limit.place, limit.unaccounted_packets) == ("bridge 2 (out)", 0)
    assert sum(measured.hops[2].dropped.values()) == 0, "a shaper drops by its own rule, whatever its port takes"
    # When a port refuses a frame, Open vSwitch drops what is left of its batch without asking it any more.
    assert 0 < qdisc["drops"] <= limit.lost_packets
    assert limit.lost_packets == measured.counts.trial_sent_packets + 2 * PROBES - qdisc["packets"]
    assert f"{limit.lost_packets:,} of them at bridge 2 (out)" in limit.evidence
    assert limit.cause in ("switch", "server CPU"), "the latter where other work takes all of this machine"


def test_what_the_queue_of_a_middleboxs_port_drops_is_what_it_refused_to_the_packet(testbed):
    deploy(testbed, plan_for(testbed, 3))

    def limit_queue(verb: str, frames: int) -> None:
        on_server(testbed, *f"tc qdisc {verb} dev mbench-3-in root handle 9: pfifo limit {frames}".split())

    def refuse_for_a_while() -> None:
        limit_queue("replace", 0)
        time.sleep(0.2)
        limit_queue("change", 1000)

    with once_traffic_runs(testbed, refuse_for_a_while):
        measured = measure_cell(testbed, 3, window_s=1.5, **PACED)
    (qdisc,) = json.loads(on_server(testbed, "tc", "-json", "-statistics", "qdisc", "show", "dev", "mbench-3-in"))
    assert measured.bottleneck.place == "bridge 2 (out)"
    assert 0 < sum(measured.hops[2].dropped.values()) == qdisc["drops"] <= measured.bottleneck.lost_packets


def test_middlebox_that_is_slowed_by_hand_is_named_with_what_it_lost_to_the_packet(testbed):
    deploy(testbed, plan_for(testbed, 3))
    slow = "tc qdisc replace dev out root tbf rate 1mbit burst 10kb limit 10kb"
    on_server(testbed, *f"ip netns exec mbench-2 {slow}".split())
    measured = measure_cell(testbed, 3, window_s=0.4, **PACED)
    limit, lost = measured.bottleneck, measured.hops[1].tx_packets - measured.hops[2].rx_packets
    assert (limit.place, limit.unaccounted_packets) == ("middlebox 2", 0)
    assert limit.lost_packets == lost > 0
    if busy_ratio(measured.usage.middlebox_server) >= BUSY:
        assert limit.cause == "server CPU", "other work took all of this machine"
    else:
        assert limit.cause == "middlebox"
        assert "100 % of what was lost was lost at a middlebox" in limit.evidence
        assert f"{lost:,} packets at middlebox 2" in limit.evidence
