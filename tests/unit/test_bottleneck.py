"""What limited a cell follows from its counts, from where its packets were lost and from who was busy."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.bottleneck import NEGLIGIBLE_LOSS, bottleneck_of
from middlebench.model.record import Counts, WireCounts
from middlebench.model.topologies import plan_of
from middlebench.model.usage import ProcessorUsage, ProcessUsage, Usage
from plan_counts import Passed, hops_of, middleboxes_of

LINE_RATE = 100_000
SENT = 100_000
UPLINKS = ("eth0", "eth1")


def counts(received=SENT, offered=SENT, intended=LINE_RATE) -> Counts:
    return Counts(
        window_s=1.0,
        intended_packets=intended,
        offered_packets=offered,
        received_packets=received,
        offered_bytes=0,
        received_bytes=0,
        trial_sent_packets=offered,
        trial_received_packets=received,
    )


def processors(*busy_s: float) -> tuple[ProcessorUsage, ...]:
    return tuple(
        ProcessorUsage(cpu=cpu, busy_s=busy, softirq_s=0, stolen_s=0, idle_s=2 - busy)
        for cpu, busy in enumerate(busy_s)
    )


def process(name: str, seconds: float) -> tuple[ProcessUsage, ...]:
    return (ProcessUsage(name=name, cpu_s=seconds, busiest_thread_s=seconds, context_switches=0),)


def usage(server=(1.0, 1.0), switch=0.5, middlebox=0.5) -> Usage:
    """Two processors half busy in two seconds of traffic."""
    return Usage(
        traffic_s=2.0,
        test_computer=processors(1.0),
        middlebox_server=processors(*server),
        generator=(),
        switch=process("switch", switch),
        middleboxes=process("mbench-1", middlebox),
    )


@dataclass
class Chain:
    """A chain of one, in which packets get lost at the places given."""

    link_0: int = 0
    bridge_0_in: int = 0
    flow_table: int = 0
    bridge_0_out: int = 0
    dropped: int = 0
    middlebox: int = 0
    bridge_1_in: int = 0
    link_1: int = 0
    sent: int = SENT

    def limit(self, used: Usage | None = None, negligible: float = NEGLIGIBLE_LOSS, **changes: int):
        steps = [self.link_0, self.bridge_0_in, self.flow_table, self.bridge_0_out, self.middlebox, self.bridge_1_in]
        passed = [self.sent]
        for step in steps:
            passed.append(passed[-1] - step)
        _, entered, taken, forwarded, left, entered_1, left_1 = passed
        first = Passed(entered, taken, forwarded, left, self.dropped)
        plan = plan_of("chain", 1, UPLINKS)
        hops, own = hops_of(plan, [first, Passed(entered_1, left_1, left_1, left_1)]), middleboxes_of(plan)
        total = counts(received=left_1 - self.link_1, offered=self.sent, **changes)
        return bottleneck_of(total, LINE_RATE, hops, own, used or usage(), negligible)


@pytest.mark.parametrize(
    ("chain", "intended", "cause"),
    [
        (Chain(sent=98_000), LINE_RATE, "generator"),
        (Chain(sent=99_500), LINE_RATE, "link"),
        (Chain(sent=99_500, bridge_0_in=900), LINE_RATE, "link"),
        (Chain(sent=50_000), 50_000, "offered load"),
        (Chain(sent=40_000), 50_000, "generator"),
    ],
)
def test_chain_that_kept_up_is_limited_by_what_feeds_it(chain, intended, cause):
    found = chain.limit(intended=intended)
    assert found.cause == cause
    assert found.unaccounted_packets == 0


def test_sender_that_a_link_holds_back_for_a_busy_server_is_not_to_blame():
    chain = Chain(sent=50_000)
    assert chain.limit(usage(server=(2.0, 2.0))).cause == "server CPU"
    assert chain.limit(usage(server=(1.0, 1.0))).cause == "generator"


def test_frames_that_overflow_the_ring_of_a_busy_server_are_its_processors_loss():
    assert Chain(link_0=20_000).limit(usage(server=(2.0, 2.0))).cause == "server CPU"
    assert Chain(link_1=20_000).limit(usage(server=(2.0, 2.0))).cause == "link"


@pytest.mark.parametrize(
    ("chain", "cause", "place"),
    [
        (Chain(bridge_0_in=20_000), "switch", "bridge 0 (in)"),
        (Chain(flow_table=20_000), "switch", "bridge 0 (flow table)"),
        (Chain(bridge_0_out=20_000), "switch", "bridge 0 (out)"),
        (Chain(bridge_0_out=20_000, dropped=20_000), "middlebox", "bridge 0 (out)"),
        (Chain(middlebox=20_000), "middlebox", "middlebox 1"),
        (Chain(link_0=20_000), "link", "link 0"),
        (Chain(link_1=20_000), "link", "link 1"),
        (Chain(bridge_0_in=15_000, middlebox=5_000), "switch", "bridge 0 (in)"),
        (Chain(bridge_0_in=8_000, bridge_1_in=8_000, middlebox=10_000), "switch", "middlebox 1"),
    ],
)
def test_while_processors_are_free_the_place_of_the_loss_decides(chain, cause, place):
    found = chain.limit()
    assert (found.cause, found.place) == (cause, place)


def test_what_the_end_of_a_wire_drops_is_the_loss_of_the_middlebox_behind_it():
    plan, through = plan_of("pipeline", 2, UPLINKS), 80_000
    hops = hops_of(plan, [Passed(*[SENT] * 4), Passed(*[through] * 4)])
    (wire,) = plan.wires
    lossy = WireCounts(
        source_port=wire.source_port, destination_port=wire.destination_port, rx_packets=SENT, tx_packets=through
    )
    found = bottleneck_of(counts(received=through), LINE_RATE, hops, middleboxes_of(plan), usage(), wires=[lossy])
    assert (found.cause, found.place, found.unaccounted_packets) == ("middlebox", "wire 2", 0)


def test_chain_that_passes_on_the_line_rate_is_limited_by_the_link_though_frames_were_lost_outside_of_the_window():
    chain = Chain(bridge_0_out=5_000, sent=SENT + 5_000)
    assert chain.limit().cause == "link"
    assert "100 % of the line rate arrived" in chain.limit().evidence
    chain.link_1 = 2_000
    assert chain.limit(usage(switch=2.0)).cause == "switch"


def test_losses_spread_evenly_while_processors_are_free_decide_nothing():
    found = Chain(bridge_0_in=10_000, middlebox=10_000).limit()
    assert found.cause == "unknown"
    assert "only 50 % of what was lost was lost at a" in found.evidence


def test_middlebox_that_did_not_take_frames_from_its_port_is_named():
    evidence = Chain(bridge_0_out=20_000, dropped=19_000).limit().evidence
    assert (
        "100 % of what was lost was lost at a middlebox while 50 % of the server's processor time was free, "
        "20,000 packets at middlebox 1, whose port mbench-1-in dropped 19,000"
    ) in evidence


def test_server_without_time_left_is_to_blame_and_the_place_is_named():
    found = Chain(bridge_0_in=20_000).limit(usage(server=(2.0, 1.92)))
    assert (found.cause, found.place) == ("server CPU", "bridge 0 (in)")
    for words in (
        "2 % of the server's processor time was left",
        "2 processors were 98 % busy",
        "20,000 of 100,000 packets were lost",
    ):
        assert words in found.evidence


@pytest.mark.parametrize("busy", [(2.0, 1.7), (1.0, 1.0)])
def test_server_with_time_left_is_not_to_blame(busy):
    assert Chain(bridge_0_in=20_000).limit(usage(server=busy)).cause == "switch"


def test_rule_that_drops_is_to_blame_however_busy_the_server_is():
    assert Chain(flow_table=20_000).limit(usage(server=(2.0, 2.0))).cause == "switch"


def test_process_that_used_up_one_processor_is_to_blame_wherever_packets_were_lost():
    assert Chain(bridge_0_in=20_000).limit(usage((2.0, 1.0), middlebox=1.95)).cause == "middlebox"
    assert Chain(middlebox=20_000).limit(usage((2.0, 1.0), switch=1.95)).cause == "switch"


def test_counters_that_contradict_each_other_decide_nothing():
    found = Chain(bridge_0_in=20_000, flow_table=-5_000).limit()
    assert (found.cause, found.unaccounted_packets) == ("unknown", 5_000)
    assert "contradict each other by 5,000 packets" in found.evidence


def test_small_contradiction_changes_no_verdict():
    assert Chain(bridge_0_in=20_000, flow_table=-3).limit().cause == "switch"


def test_who_was_how_busy_is_in_the_evidence():
    evidence = Chain(bridge_0_in=20_000).limit(usage(server=(1.5,), switch=0.9, middlebox=0.4)).evidence
    assert "the server's one processor was 75 % busy" in evidence
    assert "the switch 45 %, the middleboxes 20 %, the kernel and others 10 %" in evidence


@given(
    lost=st.lists(st.integers(min_value=0, max_value=10_000), min_size=8, max_size=8),
    busy=st.floats(min_value=0, max_value=2),
)
def test_every_cell_has_a_verdict_with_evidence(lost, busy):
    found = Chain(*lost, sent=SENT).limit(usage(server=(busy,)))
    rule, *rest = found.evidence.split("; ")
    assert any(letter.isdigit() for letter in rule), "the rule that decided quotes a figure"
    assert len(rest) >= 3, "so do where packets were dropped and who was how busy"
    assert found.lost_packets == sum(lost) - lost[4]
    assert (found.place == "") == (found.lost_packets == 0)


@pytest.mark.parametrize(
    ("chain", "negligible", "cause"),
    [
        (Chain(bridge_0_in=10), 0.0, "switch"),
        (Chain(bridge_0_in=10), 0.005, "link"),
        (Chain(bridge_0_in=600), 0.005, "switch"),
        (Chain(sent=SENT - 1), 0.0, "generator"),
        (Chain(sent=SENT - 1), 0.005, "link"),
        (Chain(sent=SENT), 0.0, "link"),
    ],
)
def test_how_much_is_negligible_says_the_goal_of_a_search(chain, negligible, cause):
    assert chain.limit(negligible=negligible).cause == cause
