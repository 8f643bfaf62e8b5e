import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.frames import MOST_FLOWS, UDP_PORT
from middlebench.model.sharing import UNEVEN, are_even
from middlebench.model.topologies import INTERFACE_NAME_LIMIT, TOPOLOGIES, plan_of

UPLINKS = ("eth0", "eth1")
LENGTHS = st.integers(min_value=0, max_value=999)


@given(LENGTHS)
def test_chain_has_one_bridge_more_than_middleboxes(length):
    plan = plan_of("chain", length, UPLINKS)
    assert (len(plan.middleboxes), len(plan.bridges)) == (length, length + 1)


@given(LENGTHS)
def test_neighbours_share_a_bridge(length):
    plan = plan_of("chain", length, UPLINKS)
    for middlebox in plan.middleboxes:
        before, after = plan.bridges[middlebox.index - 1], plan.bridges[middlebox.index]
        assert before.egress_ports == (middlebox.ingress_port,)
        assert after.ingress_ports == (middlebox.egress_port,)


@given(LENGTHS)
def test_uplinks_are_the_ends_of_the_chain(length):
    plan = plan_of("chain", length, UPLINKS)
    assert plan.bridges[0].ingress_ports + plan.bridges[-1].egress_ports == UPLINKS
    assert plan.uplinks == UPLINKS


@given(LENGTHS)
def test_every_port_is_on_one_bridge_and_every_name_is_used_once(length):
    plan = plan_of("chain", length, UPLINKS)
    on_bridges = [port for bridge in plan.bridges for port in bridge.ports]
    on_middleboxes = [port for middlebox in plan.middleboxes for port in middlebox.ports]
    assert sorted(on_bridges) == sorted([*on_middleboxes, *UPLINKS])
    names = [*on_bridges, *(bridge.name for bridge in plan.bridges), *(each.name for each in plan.middleboxes)]
    assert len(names) == len(set(names))


@given(LENGTHS)
def test_every_name_fits_a_network_interface(length):
    plan = plan_of("chain", length, UPLINKS)
    names = [name for bridge in plan.bridges for name in (bridge.name, *bridge.ports)]
    assert max(map(len, names)) <= INTERFACE_NAME_LIMIT == 15


def test_chain_of_none_is_one_bridge_between_the_uplinks():
    plan = plan_of("chain", 0, UPLINKS)
    assert plan.middleboxes == ()
    assert [bridge.ports for bridge in plan.bridges] == [UPLINKS]


@given(LENGTHS)
def test_chain_is_one_path_through_every_node(length):
    plan = plan_of("chain", length, UPLINKS)
    (path,) = plan.paths
    assert [hop.kind for hop in path.hops] == ["bridge", *["middlebox", "bridge"] * length]
    assert len(plan.links) == 2 * length
    assert plan.wires == ()
    assert plan.routes == {bridge.name: (bridge.ports, bridge.ports[::-1]) for bridge in plan.bridges}
    assert len(path.counters) == 2 * (length + 1), "a bridge and a middlebox share the port that joins them"


def test_bridge_where_paths_part_forwards_to_each_of_them():
    plan = plan_of("parallel", 3, UPLINKS)
    assert len(plan.paths) == 3
    first, last = plan.bridges
    assert (first.ingress_ports, last.egress_ports) == (("eth0",), ("eth1",))
    assert first.egress_ports == tuple(each.ingress_port for each in plan.middleboxes)
    assert set(plan.routes[last.name]) == {
        route for each in plan.middleboxes for route in ((each.egress_port, "eth1"), ("eth1", each.egress_port))
    }
    assert plan.uplinks == UPLINKS
    assert plan.rules[last.name][0] == ("mbench-1-out", "eth1"), "where paths meet there is nothing to choose"


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_no_middlebox_is_one_bridge_in_every_topology(topology):
    assert plan_of(topology, 0, UPLINKS).paths == plan_of("chain", 0, UPLINKS).paths


@given(st.integers(1, 40), st.integers(1, MOST_FLOWS))
def test_flows_are_spread_evenly_and_each_takes_one_path_forth_and_back(n, flows):
    plan = plan_of("parallel", n, UPLINKS)
    first, last = (plan.rules[bridge.name] for bridge in plan.bridges)
    for flow in {0, flows // 2, flows - 1}:
        (forth,) = _taking(first, "eth0", "source", UDP_PORT + flow)
        (back,) = _taking(last, "eth1", "destination", UDP_PORT + flow)
        assert forth.removesuffix("-in") == back.removesuffix("-out")
    if n > 1:
        of_first_path = [each[2] for each in first if each[:2] == ("eth0", "mbench-1-in") and len(each) == 3]
        values, ports = {each.value for each in of_first_path}, of_first_path[0].mask + 1
        taken = sum((UDP_PORT + flow) % ports in values for flow in range(flows))
        assert not are_even(flows, n) or taken * n == pytest.approx(flows, rel=UNEVEN)


def _taking(rules, ingress, side, udp_port):
    """Return where a frame with this UDP port leaves, by each rule that takes it."""
    return [
        egress
        for port, egress, *shares in rules
        if port == ingress and all(each.side == side and udp_port & each.mask == each.value for each in shares)
    ]


def test_middleboxes_without_a_bridge_between_them_are_joined_by_wires():
    plan = plan_of("pipeline", 3, UPLINKS)
    assert [(wire.source_port, wire.destination_port) for wire in plan.wires] == [
        ("mbench-1-out", "mbench-2-in"),
        ("mbench-2-out", "mbench-3-in"),
    ]
    assert len(plan.bridges) == 2
    assert len(plan.links) == 4


@pytest.mark.parametrize(
    ("length", "uplinks", "words"),
    [
        (-1, UPLINKS, "-1 middleboxes"),
        (1, ("eth0", "eth0"), "eth0 twice"),
        (1, ("a-very-long-name", "eth1"), "'a-very-long-name' is longer than 15"),
    ],
)
def test_impossible_chain_is_refused(length, uplinks, words):
    with pytest.raises(ValueError, match=words):
        plan_of("chain", length, uplinks)
