"""Chains of real Xen domains on the emulated host: real ``xl``, real Open vSwitch, real frames."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from helpers import eventually, interface_counters, settings
from middlebench.hosts.base import Host
from middlebench.hosts.ssh import SshHost
from middlebench.model.cell import Cell
from middlebench.model.record import Record
from middlebench.model.topologies import plan_of
from middlebench.sites.lab.driver import Lab
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError, MiddlebenchError, MiddleboxError, TrialError
from middlebench.testbed import Testbed, environment_of
from middlebench.trials.cell import measure
from middlebench.trials.convergence import converge, deploy, read_live, tear_down

STALE = """
name = "mbench-1"
kernel = "/usr/lib/mbench/linux/vmlinux"
memory = 100
"""
SHORT = settings(window_s=3.0, warm_up_s=1.0, sample_interval_s=1.0)
LONG = settings(window_s=120.0, warm_up_s=1.0, sample_interval_s=1.0)


def cell(length: int, frame_bytes: int = 256) -> Cell:
    return Cell(testbed="lab-tests", n=length, frame_bytes=frame_bytes, repetition=1)


def chain_of(testbed: Testbed, length: int):
    return plan_of("chain", length, testbed.hosts.server_ports)


def what_is_there(server: Host) -> tuple[set[str], set[str]]:
    """Names of all domains, and of all interfaces that carry our label."""
    said = server.run(["sh", "-c", "xl list; echo; ip -brief link; ovs-vsctl list-br"]).stdout
    domains, _, rest = said.partition("\n\n")
    return {line.split()[0] for line in domains.splitlines()[1:]}, {
        line.split()[0] for line in rest.splitlines() if line.startswith("mbench-")
    }


def measured(testbed: Testbed, length: int) -> Record:
    """Return a cell's record. A trial in which the emulated host starved is void, and asked for again as it says."""
    with suppress(TrialError):
        return measure(testbed, cell(length), SHORT)[0]
    return measure(testbed, cell(length), SHORT)[0]


@pytest.mark.parametrize("length", [pytest.param(1, marks=pytest.mark.quick), 2])
def test_a_chain_is_measured_and_leaves_nothing_behind(testbed, server, length):
    record = measured(testbed, length)
    assert record.counts.received_packets > 0
    assert [hop.bridge for hop in record.hops] == [f"mbench-br{index}" for index in range(length + 1)]
    assert all(hop.rx_packets >= record.counts.received_packets for hop in record.hops)
    machine = record.usage.machine
    assert machine is not None
    assert machine.processors == 1
    assert 0 < sum(each.cpu_s for each in record.usage.middleboxes) <= machine.domains_s < machine.elapsed_s
    rounding_s = 0.1 * (length + 1)  # `xl list` tells tenths of a second
    assert 0 < machine.dom0_s <= machine.elapsed_s - machine.domains_s + rounding_s
    assert "dom0's one processor was" in record.bottleneck.evidence
    assert "the machine's one processor was" in record.bottleneck.evidence
    assert what_is_there(server)[0] == {"Domain-0", *(f"mbench-{index}" for index in range(1, length + 1))}
    tear_down(testbed)
    assert what_is_there(server) == ({"Domain-0"}, set())


@pytest.mark.parametrize("topology", ["pipeline", "parallel"])
def test_domains_that_are_joined_in_another_way_pass_every_frame_and_leave_nothing_behind(testbed, server, topology):
    asked = SHORT.model_copy(update={"offered_load": 0.02, "flows": 2})
    record, _ = measure(testbed, cell(2).model_copy(update={"topology": topology}), asked)
    assert record.counts.trial_received_packets == record.counts.trial_sent_packets > 0
    assert [hop.bridge for hop in record.hops] == ["mbench-br0", "mbench-br1"]
    if topology == "pipeline":
        (wire,) = record.wires
        assert (wire.rx_packets, wire.tx_packets) == (record.counts.trial_sent_packets,) * 2
    else:
        first, second = record.hops[0].egress.values()
        assert abs(first - second) <= 1
    tear_down(testbed)
    assert what_is_there(server) == ({"Domain-0"}, set())


def sent_frames(testbed: Testbed) -> int:
    return interface_counters(testbed.hosts.test_computer)[testbed.hosts.test_ports[0]].tx_packets


def test_a_domain_that_is_destroyed_while_frames_pass_voids_the_trial(testbed, server):
    deploy(testbed, chain_of(testbed, 1))
    before = sent_frames(testbed)

    def destroy_once_frames_pass() -> None:
        eventually(lambda: sent_frames(testbed) > before + 1000, "frames pass", limit_s=120.0)
        server.run(["xl", "destroy", "mbench-1"], deadline=Deadline(90.0))

    second = threading.Thread(target=destroy_once_frames_pass)
    second.start()
    begin = time.monotonic()
    with pytest.raises(TrialError, match="domain mbench-1 ended"):
        measure(testbed, cell(1), LONG)
    assert time.monotonic() - begin < LONG.window_s
    second.join()


def test_sshd_killed_while_frames_pass_voids_the_trial_and_the_next_one_stands(testbed, server):
    deploy(testbed, chain_of(testbed, 1))
    before = sent_frames(testbed)

    def kill_once_frames_pass() -> None:
        eventually(lambda: sent_frames(testbed) > before + 1000, "frames pass", limit_s=120.0)
        with suppress(HostError):  # it is how we are there
            server.run(["sh", "-c", "kill -KILL $(pidof sshd)"])

    second = threading.Thread(target=kill_once_frames_pass)
    second.start()
    with pytest.raises(TrialError, match="the connection was lost"):
        measure(testbed, cell(1), LONG)
    second.join()
    assert testbed.hosts.test_computer.run(["pgrep", "trafgen"], check=False).stdout == ""
    eventually(lambda: connected(server), "its init has started sshd again", limit_s=120.0)
    record, _ = measure(testbed, cell(1), SHORT)
    assert record.counts.received_packets > 0


def connected(server: SshHost) -> bool:
    with suppress(HostError):
        server.connect()
    return server.connected


def test_a_stale_domain_of_the_same_name_is_removed_first(testbed, server):
    server.run(
        ["sh", "-c", "cat > /run/stale.cfg && xl create -p /run/stale.cfg"], stdin=STALE, deadline=Deadline(120.0)
    )
    stale = testbed.middleboxes.live()["mbench-1"]
    deploy(testbed, chain_of(testbed, 1))
    assert testbed.middleboxes.live()["mbench-1"] != stale


def test_a_restarted_switch_is_noticed_and_the_chain_made_anew(testbed, server):
    plan = chain_of(testbed, 1)
    deploy(testbed, plan)
    before = read_live(testbed)
    server.run(["sh", "-c", "ovs-appctl -t ovs-vswitchd exit && sleep 3; ovs-vsctl --timeout=30 show > /dev/null"])
    server.run(["sh", "-c", RESTART])
    after = converge(testbed, plan).live
    assert after.switch.identity != before.switch.identity
    assert after.differences(plan) == []


RESTART = """
pidof ovs-vswitchd > /dev/null || ovs-vswitchd unix:/run/openvswitch/db.sock --pidfile --detach --monitor \
    --no-chdir --log-file=/var/log/openvswitch/ovs-vswitchd.log -vconsole:off
"""


def test_a_full_disk_on_the_server_is_told(testbed, server):
    plan = chain_of(testbed, 1)
    try:
        server.run(["sh", "-c", "dd if=/dev/zero of=/var/full bs=1M 2> /dev/null; true"], deadline=Deadline(300.0))
        with pytest.raises(MiddlebenchError, match="No space left on device"):
            deploy(testbed, plan)
    finally:
        server.run(["rm", "-f", "/var/full"])


def test_a_missing_image_is_told_before_anything_is_made(testbed, server):
    server.run(["mv", "/usr/lib/mbench/linux", "/usr/lib/mbench/away"])
    try:
        with pytest.raises(MiddleboxError, match="there is no file /usr/lib/mbench/linux/vmlinux"):
            deploy(testbed, chain_of(testbed, 1))
        assert what_is_there(server)[0] == {"Domain-0"}
    finally:
        server.run(["mv", "/usr/lib/mbench/away", "/usr/lib/mbench/linux"])


@pytest.mark.quick
def test_the_lab_says_of_itself_that_it_is_emulated(lab):
    environment = environment_of(Lab(lab.options.site, lab.name), lab.options)
    assert environment.emulated
    assert environment.middlebox_server.hypervisor == "xen"
    assert environment.middlebox_server.cores == 1
    assert environment.middlebox_server.memory_mib > 2048  # of which dom0 has 1024
    assert environment.middlebox_server.programs.keys() == {"ovs-vsctl", "xl"}
    assert len(environment.middlebox_server.images) == 2
