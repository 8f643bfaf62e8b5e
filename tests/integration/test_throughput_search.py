"""The throughput search on a real chain, whose last link is shaped: what it can carry is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from helpers import settings
from middlebench.generators.trafgen import driver as trafgen
from middlebench.model.cell import Cell
from middlebench.model.frames import wire_bits
from middlebench.model.load import Goal, SearchParameters
from middlebench.model.record import Record
from middlebench.switches import private_openvswitch
from middlebench.system.errors import TrialError
from middlebench.testbed import Testbed
from middlebench.trials.cell import measure
from middlebench.trials.convergence import plan_for
from middlebench.trials.search import NO_LOWER_BOUND
from middlebench.trials.search_trials import SearchTrials
from middlebench.trials.trial import load_of, prepare, run_trial

FRAME_BYTES = 800
CAPACITY_BPS = 20e6
CAPACITY_PPS = CAPACITY_BPS / wire_bits(FRAME_BYTES)
QUEUE_BYTES = 48 * FRAME_BYTES
"""What the shaper holds back before it drops: more than a burst of the sender, little of a trial."""
LOSS_RATIO = 0.05
"""Enough that a moment in which other work has the processors does not decide."""
WIDTH = 0.05
TRIAL_S = 0.5


@pytest.fixture
def shaped(testbed: Testbed) -> Testbed:
    """A testbed in which the port of the middlebox takes no more than ``CAPACITY_BPS``."""
    plan = plan_for(testbed, 1)
    prepare(testbed, plan, FRAME_BYTES)  # ovs-vswitchd removes queueing disciplines of ports it takes
    shape = f"stab overhead 24 linklayer ethernet tbf rate {CAPACITY_BPS:.0f}bit burst 4000 limit {QUEUE_BYTES}"
    port = plan.middleboxes[0].ingress_port
    testbed.hosts.middlebox_server.run(["tc", "qdisc", "replace", "dev", port, "root", "handle", "2:", *shape.split()])
    return testbed


def searched(testbed: Testbed, goal: str, tell: Callable[[str], None] = lambda _: None, **changes: float) -> Record:
    """Measure the cell of one middlebox whose load is searched for."""
    parameters = {
        "relative_width": WIDTH,
        "initial_trial_s": TRIAL_S,
        "final_trial_s": TRIAL_S,
        "duration_sum_s": TRIAL_S,
        "preceding_targets": 1,
        "warm_up_s": 0,
    }
    asked = settings(offered_load=goal, search=SearchParameters(**parameters | changes))
    cell = Cell(testbed="tests", n=1, frame_bytes=FRAME_BYTES, repetition=1)
    return measure(testbed, cell, asked, tell)[0]


def bisected(testbed: Testbed) -> tuple[float, float]:
    """Return what halving finds between nothing and twice the capacity: no library, and no code of the search."""
    plan = plan_for(testbed, 1)
    reading, _ = prepare(testbed, plan, FRAME_BYTES)
    lower, upper = 0.0, 2 * CAPACITY_PPS
    while upper - lower > WIDTH * upper:
        rate = (lower + upper) / 2
        load = load_of(FRAME_BYTES, settings(offered_load=rate / 1000, warm_up_s=0, window_s=TRIAL_S), 1e9)
        outcome = run_trial(testbed, plan, load, reading)
        reading = outcome.after
        lost = 1 - outcome.traffic.trial_received_packets / outcome.traffic.trial_sent_packets
        lower, upper = (rate, upper) if lost <= LOSS_RATIO else (lower, rate)
    return lower, upper


def test_search_agrees_with_a_bisection_by_hand_and_with_what_the_shaper_lets_pass(shaped):
    record = searched(shaped, f"pdr({LOSS_RATIO})")
    lower, upper = bisected(shaped)
    found = record.search
    assert found is not None
    assert found.lower_bound_pps is not None
    assert found.upper_bound_pps is not None
    assert 1 - found.lower_bound_pps / found.upper_bound_pps <= WIDTH
    # The queue of the shaper, and what fits between two bounds, on both sides.
    slack = WIDTH * upper + QUEUE_BYTES / FRAME_BYTES / TRIAL_S
    assert found.lower_bound_pps == pytest.approx(lower, abs=slack)
    assert found.lower_bound_pps == pytest.approx(CAPACITY_PPS / (1 - LOSS_RATIO), abs=slack)
    assert record.counts.intended_packets == round(found.lower_bound_pps * record.counts.window_s)
    assert record.counts.offered_packets == pytest.approx(record.counts.intended_packets, rel=0.2)
    assert record.components.generator == trafgen.PACED_SENDER_NAME
    # The verdict is of a trial above the bound, where the shaper drops, and not of the last one.
    assert record.bottleneck.lost_packets > LOSS_RATIO * found.upper_bound_pps * TRIAL_S
    assert record.bottleneck.cause != "offered load"
    assert f"(trial {found.limiting_trial} of the search)" in record.bottleneck.evidence


def cached_flows(testbed: Testbed) -> list[str]:
    """What the switch's datapath forwards by without asking anybody."""
    command = ["env", f"OVS_RUNDIR={private_openvswitch.FOLDER}", "ovs-appctl", "dpctl/dump-flows"]
    shown = testbed.hosts.middlebox_server.run(command).stdout.splitlines()
    return [line for line in shown if "in_port" in line]


def test_no_frame_of_a_trial_has_its_flow_looked_up_and_every_hop_counts_those_of_the_trial_alone(testbed):
    plan = plan_for(testbed, 2)
    reading, _ = prepare(testbed, plan, FRAME_BYTES)
    maximum = load_of(FRAME_BYTES, settings(), 1e9)
    trials = SearchTrials(testbed, plan, maximum, Goal(0.0), reading)
    for _ in range(2):
        passed = trials.run(0.1, 1000, 100)
        assert passed.offered_packets == passed.forwarded_packets > 0
    after = trials.reading
    assert len(cached_flows(testbed)) == len(plan.bridges)
    outcome = run_trial(testbed, plan, replace(maximum, packets_per_second=1000, saturating=False, packets=50), after)
    sent = {outcome.counts.trial_sent_packets}
    assert {hop.rx_packets for hop in outcome.hops} == {hop.matched_packets for hop in outcome.hops} == sent
    assert {hop.forwarded_packets for hop in outcome.hops} == {hop.tx_packets for hop in outcome.hops} == sent


def test_chain_that_loses_at_any_load_has_a_throughput_of_0_and_is_no_error(shaped):
    port = plan_for(shaped, 1).middleboxes[0].ingress_port
    slow = f"tc qdisc replace dev {port} root handle 2: tbf rate 1mbit burst 4000 limit {QUEUE_BYTES}"
    shaped.hosts.middlebox_server.run(slow.split())
    told: list[str] = []
    record = searched(shaped, "ndr", told.append, minimum_load=0.05)
    assert record.search is not None
    assert (record.search.lower_bound_pps, record.search.conditional_throughput_pps) == (None, 0)
    assert NO_LOWER_BOUND in record.flags
    assert "miss it" in told[-1]
    assert record.bottleneck.lost_packets > 0


def test_change_of_the_chain_voids_the_search(shaped):
    trials = []

    def tell(message: str) -> None:
        trials.append(message)
        if len(trials) == 2:
            shaped.switch.tear_down()

    with pytest.raises(TrialError, match="void"):
        searched(shaped, "ndr", tell)
