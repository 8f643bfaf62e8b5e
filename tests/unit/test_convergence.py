from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.live import STOPPED, LiveBridge, LiveChain, LiveSwitch, PortState
from middlebench.model.plan import Plan
from middlebench.model.topologies import plan_of

LENGTHS = st.integers(min_value=0, max_value=40)


def live(plan: Plan) -> LiveChain:
    """The chain that ``plan`` asks for, as it is read when it stands."""
    return LiveChain(
        switch=LiveSwitch(
            bridges={
                bridge.name: LiveBridge(frozenset(bridge.ports), frozenset({bridge.ports, bridge.ports[::-1]}))
                for bridge in plan.bridges
            },
            identity="daemon 1",
        ),
        middleboxes={middlebox.name: f"process {middlebox.index}" for middlebox in plan.middleboxes},
    )


def with_bridge(chain: LiveChain, name: str, **changes) -> LiveChain:
    bridge = replace(chain.switch.bridges[name], **changes)
    return replace(chain, switch=replace(chain.switch, bridges={**chain.switch.bridges, name: bridge}))


PLAN = plan_of("chain", 2, ("eth0", "eth1"))
CHAIN = live(PLAN)
CHANGES = {
    "middlebox mbench-1": replace(CHAIN, middleboxes={"mbench-2": "process 2"}),
    "middlebox mbench-3": replace(CHAIN, middleboxes={**CHAIN.middleboxes, "mbench-3": "process 3"}),
    "mbench-br1": replace(
        CHAIN,
        switch=replace(
            CHAIN.switch, bridges={name: each for name, each in CHAIN.switch.bridges.items() if name != "mbench-br1"}
        ),
    ),
    "mbench-br0: port mbench-1-in": with_bridge(CHAIN, "mbench-br0", ports=frozenset({"eth0"})),
    "mbench-br0: port eth9": with_bridge(CHAIN, "mbench-br0", ports=frozenset({"eth0", "mbench-1-in", "eth9"})),
    "no flow from eth0 to mbench-1-in": with_bridge(CHAIN, "mbench-br0", flows=frozenset({("mbench-1-in", "eth0")})),
    "a flow from eth0 to eth0": with_bridge(
        CHAIN, "mbench-br0", flows=CHAIN.switch.bridges["mbench-br0"].flows | {("eth0", "eth0")}
    ),
    "flow priority=7 is not ours": with_bridge(CHAIN, "mbench-br2", foreign=("flow priority=7 is not ours",)),
}


@given(LENGTHS)
def test_chain_that_stands_as_planned_has_no_differences(length):
    plan = plan_of("chain", length, ("eth0", "eth1"))
    assert live(plan).differences(plan) == []


@given(LENGTHS, LENGTHS)
def test_chains_of_different_lengths_differ_both_ways(one, other):
    plans = [plan_of("chain", length, ("eth0", "eth1")) for length in (one, other)]
    assert bool(live(plans[0]).differences(plans[1])) == (one != other)
    assert (live(plans[0]).fingerprint == live(plans[1]).fingerprint) == (one == other)


@pytest.mark.parametrize("words", CHANGES)
def test_difference_from_the_plan_is_named(words):
    assert any(words in text for text in CHANGES[words].differences(PLAN))


@pytest.mark.parametrize("words", CHANGES)
def test_every_difference_changes_the_fingerprint(words):
    assert CHANGES[words].fingerprint != CHAIN.fingerprint


@pytest.mark.parametrize("words", CHANGES)
def test_change_in_time_is_told_both_ways(words):
    assert CHANGES[words].changes_since(CHAIN)
    assert CHAIN.changes_since(CHANGES[words])


def test_unchanged_chain_has_no_changes():
    assert live(PLAN).changes_since(CHAIN) == []
    assert live(PLAN).fingerprint == CHAIN.fingerprint


def test_middlebox_of_the_same_name_that_is_another_one_is_a_change():
    restarted = replace(CHAIN, middleboxes=CHAIN.middleboxes | {"mbench-2": "process 99"})
    assert restarted.differences(PLAN) == []
    assert restarted.changes_since(CHAIN) == ["middlebox mbench-2 is another one (process 2)"]
    assert restarted.fingerprint != CHAIN.fingerprint


def test_of_a_middlebox_that_ended_nothing_else_is_told():
    after = replace(CHAIN, middleboxes={"mbench-1": "process 1"})
    after = with_bridge(after, "mbench-br1", ports=frozenset({"mbench-1-out"}), flows=frozenset())
    after = with_bridge(after, "mbench-br2", ports=frozenset({"eth1"}), foreign=("port mbench-2-out: No such device",))
    assert after.changes_since(CHAIN) == ["middlebox mbench-2 ended (process 2)"]
    elsewhere = with_bridge(after, "mbench-br0", ports=frozenset({"eth0"}))
    assert elsewhere.changes_since(CHAIN) == [
        "middlebox mbench-2 ended (process 2)",
        "mbench-br0: port mbench-1-in is gone",
    ]


def test_ports_of_a_middlebox_are_known_whatever_its_function_adds_to_its_name():
    bridge = LiveBridge(frozenset({"mbench-1-out", "mbench-10-in"}), frozenset({("mbench-1-out", "mbench-10-in")}))
    assert bridge.without(["mbench-1-nat"]).ports == {"mbench-10-in"}
    assert bridge.without(["mbench-1"]) == LiveBridge(frozenset({"mbench-10-in"}), frozenset())
    assert bridge.without([]) == bridge


def test_restarted_switch_is_a_change():
    restarted = replace(CHAIN, switch=replace(CHAIN.switch, identity="daemon 2"))
    assert restarted.changes_since(CHAIN) == ["the switch was restarted or its bridges were created again"]
    assert restarted.fingerprint != CHAIN.fingerprint


STATES = {port: PortState(up=True, mtu=1500) for port in PLAN.ports}


def with_states(**states: PortState) -> LiveChain:
    named = {name.replace("_", "-"): state for name, state in states.items()}
    return replace(CHAIN, switch=replace(CHAIN.switch, port_states={**STATES, **named}))


@pytest.mark.parametrize("state", [PortState(up=False, mtu=1500), PortState(up=True, mtu=100)], ids=str)
def test_port_that_was_set_otherwise_is_a_difference_and_a_change(state):
    good, changed = with_states(), with_states(mbench_1_in=state)
    assert good.differences(PLAN, mtu=1500) == []
    assert len(changed.differences(PLAN, mtu=1500)) == 1
    assert changed.changes_since(good) == [f"port mbench-1-in is {state}; it was up, MTU 1500"]
    assert changed.fingerprint != good.fingerprint


def test_middlebox_that_is_stopped_is_a_difference_and_a_change():
    stopped = replace(CHAIN, middleboxes=CHAIN.middleboxes | {"mbench-2": "process 2" + STOPPED})
    assert stopped.differences(PLAN) == ["middlebox mbench-2 is stopped"]
    assert stopped.changes_since(CHAIN) == ["middlebox mbench-2 is stopped (process 2)"]
    assert stopped.fingerprint != CHAIN.fingerprint


def test_order_in_which_a_chain_is_read_does_not_change_its_fingerprint():
    other_order = LiveChain(
        switch=replace(CHAIN.switch, bridges=dict(reversed(CHAIN.switch.bridges.items()))),
        middleboxes=dict(reversed(CHAIN.middleboxes.items())),
    )
    assert other_order.fingerprint == CHAIN.fingerprint
