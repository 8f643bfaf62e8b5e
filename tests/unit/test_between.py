"""What lies between two readings, for any counters of any chain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.between import hops_between, middleboxes_between, usage_between
from middlebench.model.live import LiveSwitch
from middlebench.model.reading import (
    BridgeCounters,
    MiddleboxReading,
    PortCounters,
    ProcessTimes,
    Reading,
    SwitchReading,
)
from middlebench.model.topologies import plan_of
from middlebench.model.traffic import Traffic
from middlebench.model.usage import MachineUsage, ProcessorUsage

NUMBERS = st.integers(min_value=0, max_value=10**9)
PORTS = st.builds(PortCounters, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
PLANS = st.builds(plan_of, st.just("chain"), st.integers(min_value=0, max_value=4), st.just(("eth0", "eth1")))
MISSED = "table_id=254, priority=0,reg0=0x2,actions=drop"
FOREIGN = "priority=100,actions=drop"


def bridge_counters(forth: int, back: int, missed: int, **others: int) -> BridgeCounters:
    flows = {"in_port=1,actions=output:2": forth, "in_port=2,actions=output:1": back, MISSED: missed, **others}
    return BridgeCounters(flows=flows, forwarding={})


@st.composite
def readings(draw, plan) -> Reading:
    bridges = {}
    for bridge in plan.bridges:
        counters = draw(st.builds(bridge_counters, NUMBERS, NUMBERS, NUMBERS))
        forth, back, _ = counters.flows
        bridges[bridge.name] = replace(counters, forwarding={bridge.ports: forth, bridge.ports[::-1]: back})
    switch = SwitchReading(
        live=LiveSwitch({}, "daemon 1"),
        ports={port: draw(PORTS) for bridge in plan.bridges for port in bridge.ports},
        bridges=bridges,
        processors=({}, {}),
        machine="this one",
        daemon=None,
    )
    middleboxes = {
        each.name: MiddleboxReading(each.name, None, draw(NUMBERS), draw(NUMBERS)) for each in plan.middleboxes
    }
    return Reading(switch, middleboxes)


@given(st.data())
def test_hops_are_the_differences_of_what_each_bridge_counted(data):
    plan = data.draw(PLANS)
    before, after = data.draw(readings(plan)), data.draw(readings(plan))
    for bridge, hop in zip(plan.bridges, hops_between(plan, before.switch, after.switch), strict=True):
        (then_in, then_out), (now_in, now_out) = (
            [each.switch.ports[port] for port in bridge.ports] for each in (before, after)
        )
        assert (hop.bridge, *hop.ingress, *hop.egress) == (bridge.name, *bridge.ports)
        assert hop.rx_packets == now_in.rx_packets - then_in.rx_packets
        assert hop.tx_packets == now_out.tx_packets - then_out.tx_packets
        assert sum(hop.dropped.values()) == now_out.tx_dropped - then_out.tx_dropped
        (forth_then, _, missed_then), (forth_now, _, missed_now) = (
            each.switch.bridges[bridge.name].flows.values() for each in (before, after)
        )
        assert hop.forwarded_packets == forth_now - forth_then
        assert hop.matched_packets == forth_now - forth_then + missed_now - missed_then


@given(st.data(), NUMBERS)
def test_frames_that_pass_every_hop_make_the_same_difference_at_each_counter(data, frames):
    plan = data.draw(PLANS)
    before = replace(data.draw(readings(plan)), links={"middlebox server": ProcessTimes(1.0, {"1": 1.0}, {"1": 1})})
    after = before.with_passed(plan.paths[0], frames)
    assert after.links == before.links
    for hop in hops_between(plan, before.switch, after.switch):
        counts = (hop.rx_packets, hop.matched_packets, hop.forwarded_packets, hop.tx_packets)
        assert counts == (frames,) * len(counts)
        assert sum(hop.dropped.values()) == 0
    for each in middleboxes_between(plan, before.middleboxes, after.middleboxes):
        assert (each.rx_packets, each.tx_packets) == (frames, frames)


PLAN = plan_of("chain", 0, ("eth0", "eth1"))
BRIDGE = PLAN.bridges[0]


def hop_of(before: BridgeCounters, after: BridgeCounters):
    nothing = PortCounters(0, 0, 0, 0)
    ends = {BRIDGE.ports: "in_port=1,actions=output:2", BRIDGE.ports[::-1]: "in_port=2,actions=output:1"}
    readings = (
        SwitchReading(
            live=LiveSwitch({}, ""),
            ports=dict.fromkeys(BRIDGE.ports, nothing),
            bridges={BRIDGE.name: replace(each, forwarding=ends)},
            processors=({}, {}),
            machine="this one",
            daemon=None,
        )
        for each in (before, after)
    )
    return hops_between(PLAN, *readings)[0]


def test_what_a_flow_took_that_came_meanwhile_was_taken_but_not_forwarded():
    hop = hop_of(bridge_counters(10, 0, 0), bridge_counters(15, 0, 0, **{FOREIGN: 7}))
    assert (hop.matched_packets, hop.forwarded_packets) == (12, 5)


def test_with_a_flow_that_went_nobody_knows_what_it_took():
    hop = hop_of(bridge_counters(10, 0, 0, **{FOREIGN: 7}), bridge_counters(15, 0, 0))
    assert (hop.matched_packets, hop.forwarded_packets) == (None, None)


def test_middlebox_that_is_another_one_has_counted_nothing_of_this_trial():
    plan = plan_of("chain", 1, ("eth0", "eth1"))
    then = {"mbench-1": MiddleboxReading("process 1", None, 10, 10)}
    now = {"mbench-1": MiddleboxReading("process 2", None, 3, 3)}
    (found,) = middleboxes_between(plan, then, now)
    assert (found.rx_packets, found.tx_packets) == (None, None)


def reading(machine: str, busy_s: float) -> Reading:
    processors = {1: ProcessorUsage(cpu=1, busy_s=busy_s, softirq_s=0, stolen_s=0, idle_s=10 - busy_s)}
    switch = SwitchReading(
        live=LiveSwitch({}, ""), ports={}, bridges={}, processors=(processors, processors), machine=machine, daemon=None
    )
    return Reading(switch, {})


def machine(busy_s: float) -> MachineUsage:
    return MachineUsage(processors=4, dom0_s=busy_s, domains_s=9 * busy_s, elapsed_s=busy_s)


def traffic(machine: str) -> Traffic:
    window = (ProcessorUsage(cpu=cpu, busy_s=0.9, softirq_s=0, stolen_s=0, idle_s=0.1) for cpu in (0, 1))
    return Traffic(1.0, 0, 0, 0, 0, 0, 0, 0, 2.0, tuple(window), machine, None, (), "")


@pytest.mark.parametrize(("server", "busy_and_idle_s"), [("this one", (0.9, 0.1)), ("another", (1.5, 0.5))])
def test_processors_of_a_shared_machine_are_those_of_the_window_and_others_those_of_the_readings(
    server, busy_and_idle_s
):
    usage = usage_between(PLAN, reading(server, 3.0), reading(server, 4.5), traffic("this one"), test_cpus=[0])
    assert [each.cpu for each in usage.test_computer] == [0]
    (used,) = usage.middlebox_server
    assert (used.cpu, used.busy_s, used.idle_s) == (1, *busy_and_idle_s)


def test_machine_below_the_domains_of_a_chain_is_told_with_them():
    plan = plan_of("chain", 2, ("eth0", "eth1"))
    then, now = (
        replace(
            reading("another", busy_s),
            middleboxes={
                each.name: MiddleboxReading(
                    each.name,
                    ProcessTimes(busy_s, {"vcpu": busy_s}, None, polls=True, machine=machine(busy_s)),
                )
                for each in plan.middleboxes
            },
        )
        for busy_s in (3.0, 4.0)
    )
    usage = usage_between(plan, then, now, traffic("this one"))
    assert [(each.name, each.cpu_s, each.polls) for each in usage.middleboxes] == [
        ("mbench-1", 1.0, True),
        ("mbench-2", 1.0, True),
    ]
    assert (usage.machine.processors, usage.machine.domains_s, usage.machine.elapsed_s) == (4, 9.0, 1.0)
    assert usage_between(PLAN, then, now, traffic("this one")).machine is None, "a bridge alone has no domain"
