import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.plan import INTERFACE_NAME_LIMIT, plan_chain

UPLINKS = ("eth0", "eth1")
LENGTHS = st.integers(min_value=0, max_value=999)


@given(LENGTHS)
def test_chain_has_one_bridge_more_than_middleboxes(length):
    plan = plan_chain(length, UPLINKS)
    assert (len(plan.middleboxes), len(plan.bridges)) == (length, length + 1)


@given(LENGTHS)
def test_neighbours_share_a_bridge(length):
    plan = plan_chain(length, UPLINKS)
    for middlebox in plan.middleboxes:
        before, after = plan.bridges[middlebox.index - 1], plan.bridges[middlebox.index]
        assert before.egress_port == middlebox.ingress_port
        assert after.ingress_port == middlebox.egress_port


@given(LENGTHS)
def test_uplinks_are_the_ends_of_the_chain(length):
    plan = plan_chain(length, UPLINKS)
    assert (plan.bridges[0].ingress_port, plan.bridges[-1].egress_port) == UPLINKS
    assert plan.uplinks == UPLINKS


@given(LENGTHS)
def test_every_port_is_on_one_bridge_and_every_name_is_used_once(length):
    plan = plan_chain(length, UPLINKS)
    on_bridges = [port for bridge in plan.bridges for port in bridge.ports]
    on_middleboxes = [port for middlebox in plan.middleboxes for port in middlebox.ports]
    assert sorted(on_bridges) == sorted([*on_middleboxes, *UPLINKS])
    names = [*on_bridges, *(bridge.name for bridge in plan.bridges), *(each.name for each in plan.middleboxes)]
    assert len(names) == len(set(names))


@given(LENGTHS)
def test_every_name_fits_a_network_interface(length):
    plan = plan_chain(length, UPLINKS)
    names = [name for bridge in plan.bridges for name in (bridge.name, *bridge.ports)]
    assert max(map(len, names)) <= INTERFACE_NAME_LIMIT == 15


def test_chain_of_none_is_one_bridge_between_the_uplinks():
    plan = plan_chain(0, UPLINKS)
    assert plan.middleboxes == ()
    assert [bridge.ports for bridge in plan.bridges] == [UPLINKS]


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
        plan_chain(length, uplinks)
