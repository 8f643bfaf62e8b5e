"""Which interfaces must be left alone, judged from what ``ip -json`` says."""

from __future__ import annotations

from typing import Any

import pytest
from middlebench.hosts.shared.interfaces import Network


def network(**eth0: Any) -> Network:
    interfaces = {"eth0": {"ifname": "eth0", "flags": ["UP"], **eth0}, "lo": {"flags": ["LOOPBACK"]}}
    return Network(interfaces=interfaces, default_routes=frozenset({"eth8"}), ssh_routes=frozenset({"eth9"}))


def test_a_plain_port_is_free() -> None:
    link_local = [{"local": "fe80::1", "scope": "link"}]
    assert network(addr_info=link_local).objections("eth0", switched=False) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"addr_info": [{"local": "203.0.113.1", "scope": "global"}]}, "eth0 has the address 203.0.113.1"),
        ({"master": "br0"}, "eth0 is part of br0"),
        ({"master": "ovs-system"}, "eth0 is part of ovs-system"),
    ],
)
def test_a_port_in_use_is_not(found: dict[str, Any], said: str) -> None:
    assert network(**found).objections("eth0", switched=False) == [said]


def test_a_port_of_open_vswitch_is_left_to_its_owner_to_judge() -> None:
    assert network(master="ovs-system").objections("eth0", switched=True) == []
    assert network(master="br0").objections("eth0", switched=True) == ["eth0 is part of br0"]


@pytest.mark.parametrize(("kind", "counts"), [("vlan", True), ("macvlan", True), ("veth", False)])
def test_what_is_stacked_on_a_port_counts(kind: str, counts: bool) -> None:
    found = network()
    stacked = {"eth0.5": {"link": "eth0", "linkinfo": {"info_kind": kind}}}
    found = Network({**found.interfaces, **stacked}, found.default_routes, found.ssh_routes)
    assert found.objections("eth0", switched=False) == (["eth0.5 is stacked on eth0"] if counts else [])


@pytest.mark.parametrize(
    ("port", "said"),
    [("lo", "loopback"), ("eth8", "there is no interface eth8 (there are: eth0, lo)")],
)
def test_others_are_named(port: str, said: str) -> None:
    assert said in "; ".join(network().objections(port, switched=False))


def test_routes_are_reasons() -> None:
    routes = Network({"eth0": {}}, frozenset({"eth0"}), frozenset({"eth0"}))
    said = routes.objections("eth0", switched=False)
    assert said == ["eth0 carries the SSH connection by which we are here", "eth0 carries a default route"]
