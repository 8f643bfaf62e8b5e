"""The config file of a domain, and what is seen of one."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.middleboxes.xen.domain import DomainView, config_file
from middlebench.middleboxes.xen.images import LinuxImage, LinuxOptions
from middlebench.middleboxes.xen.xl import Domain
from middlebench.model.topologies import plan_of

LINUX = LinuxImage(LinuxOptions(kind="linux"))


def read_back(text: str) -> dict[str, object]:
    """A domain's config file is, for what we write in it, lines of Python literals."""
    return {key: ast.literal_eval(value) for key, _, value in (line.partition(" = ") for line in text.splitlines())}


@given(length=st.integers(1, 30), place=st.data())
def test_the_two_interfaces_are_the_plans_ports_on_the_plans_bridges(length, place):
    plan = plan_of("chain", length, ("eth0", "eth1"))
    middlebox = place.draw(st.sampled_from(plan.middleboxes))
    config = read_back(config_file(middlebox, plan, LINUX.settings(), memory_mib=100))
    vifs = [dict(part.split("=") for part in vif.split(",")) for vif in config["vif"]]
    assert config["name"] == middlebox.name
    assert [vif["vifname"] for vif in vifs] == list(middlebox.ports)
    assert [vif["bridge"] for vif in vifs] == [
        plan.bridges[middlebox.index - 1].name,
        plan.bridges[middlebox.index].name,
    ]
    assert all(vif["script"] == "vif-openvswitch" for vif in vifs)


def test_neighbours_in_a_pipeline_share_a_bridge_that_is_none_of_open_vswitch():
    plan = plan_of("pipeline", 3, ("eth0", "eth1"))
    vifs = [
        dict(part.split("=") for part in vif.split(","))
        for middlebox in plan.middleboxes
        for vif in read_back(config_file(middlebox, plan, LINUX.settings(), memory_mib=100))["vif"]
    ]
    assert [(vif["script"], vif["bridge"]) for vif in vifs] == [
        ("vif-openvswitch", "mbench-br0"),
        *[("vif-bridge", "mbench-wire2")] * 2,
        *[("vif-bridge", "mbench-wire3")] * 2,
        ("vif-openvswitch", "mbench-br1"),
    ]


def test_no_two_interfaces_of_a_chain_share_an_address():
    plan = plan_of("chain", 50, ("eth0", "eth1"))
    texts = [config_file(each, plan, {}, memory_mib=100) for each in plan.middleboxes]
    macs = [part for text in texts for part in text.split(",") if part.startswith("mac=")]
    assert len(set(macs)) == 100


def test_processors_are_given_in_turn():
    plan = plan_of("chain", 3, ("eth0", "eth1"))
    given_cpus = [
        read_back(config_file(each, plan, {}, memory_mib=8, cpus=(2, 5)))["cpus"] for each in plan.middleboxes
    ]
    assert given_cpus == ["2", "5", "2"]
    assert "cpus" not in read_back(config_file(plan.middleboxes[0], plan, {}, memory_mib=8))


def test_a_quote_in_a_setting_cannot_end_it():
    plan = plan_of("chain", 1, ("eth0", "eth1"))
    text = config_file(plan.middleboxes[0], plan, {"extra": 'a" b\nname = "x'}, memory_mib=100)
    assert read_back(text)["extra"] == 'a" b\nname = "x'
    assert text.count("name = ") == 2


@pytest.mark.parametrize(
    ("console", "ready", "failure"),
    [
        ("booting\n", False, ""),
        ("middlebox: ready: forwarding between eth0 and eth1\n", True, ""),
        ("middlebox: failed: there is no port eth1\n", False, "there is no port eth1"),
        ("[    1.0] Kernel panic - not syncing: No working init found.\n", False, "Kernel panic"),
    ],
)
def test_what_linux_says_is_understood(console, ready, failure):
    view = DomainView(Domain("mbench-1", 1, 100, 1, "-b----", 0.1), {}, console)
    assert LINUX.ready(view) is ready
    assert failure in LINUX.failure(view)
    assert bool(failure) == bool(LINUX.failure(view))
