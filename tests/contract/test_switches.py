"""What every switch must do. A driver joins by one line in ``SWITCHES``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import compose
from middlebench.diagnosis.between import hops_between
from middlebench.diagnosis.usage import process_between
from middlebench.hosts.base import Host
from middlebench.model.frames import udp_frame
from middlebench.model.live import LiveBridge
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.topologies import plan_of
from middlebench.sites.base import Hosts
from middlebench.switches import private_openvswitch, system_openvswitch
from middlebench.switches.base import Switch
from middlebench.switches.shared import instance
from middlebench.system.errors import SwitchError
from middlebench.testbed import site_of
from passing import pass_frames


def private_open_vswitch(port_type: str) -> Callable[[Host], Switch]:
    options = private_openvswitch.Options(driver="private-openvswitch", datapath="userspace", port_type=port_type)
    return lambda host: private_openvswitch.PrivateOpenVSwitch(options, host, PortKind.VETH)


def system_open_vswitch(host: Host) -> Switch:
    """The server's own Open vSwitch: an instance that somebody else has started."""
    private_open_vswitch("system")(host).start()
    folder = private_openvswitch.FOLDER
    options = system_openvswitch.Options(driver="system-openvswitch", datapath="userspace", run_folder=folder)
    return system_openvswitch.SystemOpenVSwitch(options, host)


as_root = pytest.mark.skipif(os.getuid() != 0, reason="AF_XDP needs root")

SWITCHES = [
    pytest.param(system_open_vswitch, id="system-openvswitch"),
    pytest.param(private_open_vswitch("system"), id="private-openvswitch system"),
    pytest.param(private_open_vswitch("afxdp"), id="private-openvswitch afxdp", marks=as_root),
]

REMOVE_WIRES = """
ip -brief link show type veth | awk '/^mbench-/ { sub("@.*", "", $1); print "link del dev " $1 }' | ip -force -batch -
exit 0
"""
"""The second end of a wire is gone with the first."""

FRAMES = [udp_frame(size, bytes([size % 256]) * 18) for size in (60, 61, 800, 1514)]


@pytest.fixture
def server(hosts: Hosts) -> Host:
    return hosts.middlebox_server


@pytest.fixture(scope="module", params=SWITCHES)
def make(request: pytest.FixtureRequest, runtime: Path) -> Iterator[Callable[[Host], Switch]]:
    """What makes a switch, on computers on which no other one has run."""
    yield request.param
    site_of("tests", compose()).close()


@pytest.fixture
def switch(make: Callable[[Host], Switch], server: Host) -> Iterator[Switch]:
    """A switch without bridges; what a test has joined to it is removed."""
    driver = make(server)
    driver.start()
    yield driver
    driver.tear_down()
    server.run(["sh", "-c", REMOVE_WIRES])


@pytest.fixture
def plan(hosts: Hosts) -> Plan:
    """A chain of two, with a plain wire in the place of each middlebox."""
    return wired(plan_of("chain", 2, hosts.server_ports), hosts)


def wired(plan: Plan, hosts: Hosts) -> Plan:
    """Put a plain wire in the place of each middlebox."""
    commands = [
        line
        for middlebox in plan.middleboxes
        for line in (
            f"link add name {middlebox.ingress_port} type veth peer name {middlebox.egress_port}",
            *(f"link set dev {port} arp off up" for port in middlebox.ports),
        )
    ]
    hosts.middlebox_server.run(["ip", "-batch", "-"], stdin="".join(f"{line}\n" for line in commands))
    return plan


@pytest.fixture
def connected(switch: Switch, plan: Plan) -> Switch:
    switch.create_bridges(plan)
    switch.connect(plan)
    return switch


def planned(plan: Plan) -> dict[str, LiveBridge]:
    return {
        bridge.name: LiveBridge(frozenset(bridge.ports), frozenset({bridge.ports, bridge.ports[::-1]}))
        for bridge in plan.bridges
    }


def open_vswitch(server: Host, *argv: str) -> None:
    """Do something by hand to the private instance, as a user might."""
    server.run(["env", f"OVS_RUNDIR={private_openvswitch.FOLDER}", *argv])


def test_fresh_switch_has_no_bridges(switch):
    assert switch.live().bridges == {}


def test_bridges_without_ports_are_seen_as_such(switch, plan):
    switch.create_bridges(plan)
    assert switch.live().bridges == {bridge.name: LiveBridge(frozenset(), frozenset()) for bridge in plan.bridges}


def test_live_bridges_are_those_of_the_plan(connected, plan):
    assert connected.live().bridges == planned(plan)


def test_single_bridge_joins_the_uplinks(switch, hosts):
    plan = plan_of("chain", 0, hosts.server_ports)
    switch.create_bridges(plan)
    switch.connect(plan)
    assert switch.live().bridges == planned(plan)


def shapers(server: Host, *ports: str) -> list[str]:
    return [server.run(["tc", "qdisc", "show", "dev", port]).stdout for port in ports]


def test_uplinks_keep_the_shaper_of_their_link(switch, plan, hosts, server):
    before = shapers(server, *hosts.server_ports)
    assert all("tbf" in each for each in before)
    switch.create_bridges(plan)
    switch.connect(plan)
    assert shapers(server, *hosts.server_ports) == before
    switch.tear_down()
    assert shapers(server, *hosts.server_ports) == before
    assert settings_of_ports(server) == ""


def settings_of_ports(server: Host) -> str:
    environment = f"OVS_RUNDIR={private_openvswitch.FOLDER}"
    return server.run(["env", environment, "ovs-vsctl", "--bare", "--columns=_uuid", "list", "QoS"]).stdout.strip()


def test_connecting_twice_changes_nothing(connected, plan):
    before = connected.live()
    connected.connect(plan)
    assert connected.live() == before


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_daemon_that_hangs_is_found_soon_and_started_anew(server, monkeypatch, daemon):
    monkeypatch.setattr(instance, "ANSWER_SECONDS", 1.0)
    switch = private_open_vswitch("system")(server)
    switch.start()
    assert switch.answers()
    open_vswitch(server, "sh", "-c", f'kill -STOP "$(cat "$OVS_RUNDIR/{daemon}.pid")"')
    assert not switch.answers()
    switch.start()
    assert switch.answers()


def test_starting_again_changes_nothing(connected):
    before = connected.live()
    connected.start()
    assert connected.live() == before


def test_frames_pass_the_whole_chain_both_ways_unchanged(connected, hosts):
    first, last = hosts.test_ports
    assert pass_frames(hosts.test_computer, first, last, FRAMES) == FRAMES
    assert pass_frames(hosts.test_computer, last, first, FRAMES) == FRAMES


def test_flows_are_spread_over_parallel_paths_and_keep_their_order(switch, hosts):
    plan = wired(plan_of("parallel", 3, hosts.server_ports), hosts)
    switch.create_bridges(plan)
    switch.connect(plan)
    assert {name: bridge.flows for name, bridge in switch.live().bridges.items()} == {
        name: frozenset(rules) for name, rules in plan.rules.items()
    }
    before = switch.read()
    frames = [udp_frame(60, bytes([number]), flow) for number in range(4) for flow in range(12)]
    came = pass_frames(hosts.test_computer, *hosts.test_ports, frames)
    assert sorted(came) == sorted(frames)
    for flow in range(12):
        own = frames[flow::12]
        assert [frame for frame in came if frame in own] == own
    first, last = hops_between(plan, before, switch.read())
    assert list(first.egress.values()) == list(last.ingress.values()) == [16, 16, 16]
    assert (first.matched_packets, first.forwarded_packets, last.forwarded_packets) == (48, 48, 48)


def test_every_port_counts_the_frames_that_pass_it(connected, plan, hosts):
    before = connected.counters()
    pass_frames(hosts.test_computer, *hosts.test_ports, FRAMES)
    after = connected.counters()
    for bridge in plan.bridges:
        entrance, exit_ = bridge.ports
        assert after[entrance].rx_packets - before[entrance].rx_packets == len(FRAMES)
        assert after[exit_].tx_packets - before[exit_].tx_packets == len(FRAMES)


def test_flow_tables_count_every_frame_at_once(connected, plan, hosts):
    before = connected.read()
    pass_frames(hosts.test_computer, *hosts.test_ports, FRAMES)
    after = connected.read()
    assert after.live == before.live == connected.live()
    assert after.ports.keys() >= {port for bridge in plan.bridges for port in bridge.ports}
    for hop in hops_between(plan, before, after):
        passed = (hop.rx_packets, hop.matched_packets, hop.forwarded_packets, hop.tx_packets)
        assert passed == (len(FRAMES),) * len(passed)


def test_frames_that_a_flow_drops_were_taken_and_not_forwarded(connected, plan, hosts, server):
    before = connected.read()
    open_vswitch(server, "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "mbench-br1", "priority=40000,actions=drop")
    pass_frames(hosts.test_computer, *hosts.test_ports, FRAMES[:3], limit_s=0.1)
    hops = hops_between(plan, before, connected.read())
    assert [(hop.matched_packets, hop.forwarded_packets) for hop in hops[:2]] == [(3, 3), (3, 0)]


def test_switch_says_what_its_daemon_and_the_processors_have_used(connected, server):
    before, after = connected.read(), connected.read()
    assert tuple(after.processors[0]) == server.cpus
    used = process_between("switch", before.daemon, after.daemon)
    assert used.cpu_s >= 0
    assert used.context_switches is None or used.context_switches > 0, "a thread of it may have ended"


def test_closed_bridges_let_nothing_pass(switch, plan, hosts, server):
    switch.create_bridges(plan)
    for bridge in plan.bridges:
        open_vswitch(
            server,
            "ovs-vsctl",
            "add-port",
            bridge.name,
            bridge.ingress_ports[0],
            "--",
            "add-port",
            bridge.name,
            bridge.egress_ports[0],
        )
    assert pass_frames(hosts.test_computer, *hosts.test_ports, FRAMES[:1], limit_s=0.2) == [b""]
    assert {bridge.flows for bridge in switch.live().bridges.values()} == {frozenset()}


@pytest.mark.parametrize("flow", ["priority=100,actions=drop", "in_port=1,dl_type=0x0800,actions=output:2"])
def test_flow_added_by_hand_is_seen_as_foreign(connected, plan, server, flow):
    open_vswitch(server, "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "mbench-br1", flow)
    live = connected.live().bridges
    assert len(live["mbench-br1"].foreign) == 1
    assert flow.partition(",actions")[2] in live["mbench-br1"].foreign[0]
    assert {name: bridge for name, bridge in live.items() if not bridge.foreign} == {
        name: bridge for name, bridge in planned(plan).items() if name != "mbench-br1"
    }


def test_flow_removed_by_hand_is_missing(connected, server):
    open_vswitch(server, "ovs-ofctl", "-O", "OpenFlow13", "del-flows", "mbench-br1", "in_port=mbench-1-out")
    assert connected.live().bridges["mbench-br1"].flows == {("mbench-2-in", "mbench-1-out")}


def test_port_whose_interface_went_away_is_seen_as_broken(connected, server):
    server.run(["ip", "link", "delete", "dev", "mbench-1-in"])
    bridge = connected.live().bridges["mbench-br0"]
    assert "mbench-1-in" not in bridge.ports
    assert any("mbench-1-in" in text for text in bridge.foreign)


def test_port_that_is_missing_is_named(switch, hosts):
    plan = plan_of("chain", 0, (hosts.server_ports[0], "absent7"))

    def join() -> None:
        switch.create_bridges(plan)
        switch.connect(plan)

    with pytest.raises(SwitchError, match="absent7"):
        join()


def test_bridge_that_is_there_already_is_an_error(connected, plan):
    with pytest.raises(SwitchError, match="mbench-br0"):
        connected.create_bridges(plan)


def test_torn_down_switch_has_no_bridges_and_leaves_ports_alone(connected, plan, hosts):
    connected.tear_down()
    assert connected.live().bridges == {}
    assert set(connected.counters()) >= {
        *hosts.server_ports,
        *(port for each in plan.middleboxes for port in each.ports),
    }


def test_tearing_down_twice_is_no_error(connected):
    connected.tear_down()
    connected.tear_down()
    assert connected.live().bridges == {}


def test_bridge_that_is_not_ours_is_left_alone(connected, server):
    open_vswitch(server, "ovs-vsctl", "add-br", "theirs", "--", "set", "Bridge", "theirs", "datapath_type=netdev")
    assert "theirs" not in connected.live().bridges
    connected.tear_down()
    open_vswitch(server, "ovs-vsctl", "br-exists", "theirs")
    open_vswitch(server, "ovs-vsctl", "del-br", "theirs")


def test_bridges_that_were_made_anew_are_told_apart(connected, plan):
    before = connected.live()
    connected.tear_down()
    connected.create_bridges(plan)
    connected.connect(plan)
    after = connected.live()
    assert after.bridges == before.bridges
    assert after.identity != before.identity


def test_description_has_the_version(switch):
    assert any(word[0].isdigit() and "." in word for word in switch.describe().replace(",", "").split())
