"""Which interfaces must be left alone, judged from what ``ip -json`` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.hosts.local import LocalHost
from middlebench.hosts.shared.interfaces import Interface, Network, demand_free, parse_network, read_network
from middlebench.system.errors import HostError


def interface(name: str, **values: Any) -> Interface:
    return Interface.model_validate({"ifname": name, **values})


def network(**eth0: Any) -> Network:
    interfaces = {"eth0": interface("eth0", flags=["UP"], **eth0), "lo": interface("lo", flags=["LOOPBACK"])}
    return Network(interfaces=interfaces, default_routes=frozenset({"eth8"}), ssh_ports=frozenset({"eth9"}))


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
    stacked = {"eth0.5": interface("eth0.5", link="eth0", linkinfo={"info_kind": kind})}
    found = Network({**found.interfaces, **stacked}, found.default_routes, found.ssh_ports)
    assert found.objections("eth0", switched=False) == (["eth0.5 is stacked on eth0"] if counts else [])


@pytest.mark.parametrize(
    ("port", "said"),
    [("lo", "loopback"), ("eth8", "there is no interface eth8 (there are: eth0, lo)")],
)
def test_others_are_named(port: str, said: str) -> None:
    assert said in "; ".join(network().objections(port, switched=False))


def test_routes_are_reasons() -> None:
    routes = Network({"eth0": interface("eth0")}, frozenset({"eth0"}), frozenset({"eth0"}))
    said = routes.objections("eth0", switched=False)
    assert said == ["eth0 carries the SSH connection by which we are here", "eth0 carries a default route"]


IN_A_NAMESPACE = """
ip link add name eth1 type veth peer name eth2
ip link add name eth3 type veth peer name eth4
ip -6 address add fe80::11/64 dev eth1 nodad
ip address add 198.51.100.1/24 dev eth3
ip link set dev eth1 up; ip link set dev eth2 up; ip link set dev eth3 up; ip link set dev eth4 up
exec "$@"
"""


def host_reached_by(connection: str, *environment: str) -> LocalHost:
    """Return a host with interfaces of its own, each command of which sees this SSH_CONNECTION."""
    enter = ("unshare", "--user", "--map-root-user", "--net", "sh", "-c", IN_A_NAMESPACE, "enter")
    return LocalHost("far away", prefix=(*enter, "env", f"SSH_CONNECTION={connection}", *environment))


@pytest.mark.parametrize(
    ("connection", "ports"),
    [
        ("", set()),
        ("fe80::22%eth1 50000 fe80::11%eth1 22", {"eth1"}),
        ("198.51.100.7 50000 198.51.100.1 22", {"eth3"}),
    ],
)
def test_the_port_of_the_ssh_connection_is_found(connection: str, ports: set[str]) -> None:
    assert read_network(host_reached_by(connection)).ssh_ports == ports


@pytest.mark.parametrize("client", ["203.0.113.9", "UNKNOWN", "fe80::22%eth9"])
def test_a_connection_whose_port_is_not_found_objects_to_every_port(client: str) -> None:
    with pytest.raises(HostError) as caught:
        demand_free(host_reached_by(f"{client} 50000 198.51.100.1 22"), ["eth2"])
    assert "must be left alone" in caught.value.doing
    assert caught.value.result is not None
    assert caught.value.result.host == "far away"


@pytest.mark.parametrize(
    "printed", ["", "[{}]", "{", "eth0: up", '[{"ifname": 7}]', '[{"ifname": "eth0", "flags": 1}]']
)
def test_an_ip_that_prints_something_else_is_named_with_its_version(tmp_path: Path, printed: str) -> None:
    odd = tmp_path / "ip"
    odd.write_text(f"#!/bin/sh\n[ \"$1\" = -V ] && echo 'ip utility, odd-5.5' || printf '%s' '{printed}'\n")
    odd.chmod(0o755)
    with pytest.raises(HostError) as caught:
        read_network(host_reached_by("", f"PATH={tmp_path}:/usr/bin:/bin"))
    assert "far away" in caught.value.doing
    assert "odd-5.5" in caught.value.happened


@given(st.text())
def test_no_text_is_a_traceback(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse_network([], text, ["[]", "[]"])
