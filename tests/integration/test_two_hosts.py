"""A testbed of two computers over SSH: what it takes, what it leaves alone, and what goes wrong with it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import eventually, settings
from middlebench.config.testbed import composed
from middlebench.model.cell import Cell
from middlebench.sites.shared.computer import AGENT, FOLDER
from middlebench.sites.ssh import driver as ssh_site
from middlebench.sites.ssh import locks
from middlebench.sites.ssh.locks import RUN_LOCK, TRIAL_LOCK
from middlebench.system.errors import HostError, LockError, SwitchError, TrialError
from middlebench.testbed import environment_of, site_of, stand_up
from middlebench.trials.cell import measure
from middlebench.trials.convergence import converge, plan_for
from ssh_server import Sshd, needs_sshd
from two_computers import TwoComputers, two_computers

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def computers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoComputers]:
    with two_computers(tmp_path_factory.mktemp("computers")) as computers:
        yield computers
        assert computers.remains() == ""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.3)
    monkeypatch.setattr(ssh_site, "CARRIER_SECONDS", 0.3)


@pytest.fixture
def taken_down(computers: TwoComputers) -> Iterator[None]:
    """The test leaves the computers as it found them."""
    yield
    site_of("two-hosts", computers.options).close()


def cell(length: int, size: int) -> Cell:
    return Cell(testbed="two-hosts", n=length, frame_bytes=size, repetition=1)


@pytest.mark.usefixtures("taken_down")
def test_cells_are_measured_over_ssh_and_the_live_chain_is_found_again(computers: TwoComputers) -> None:
    testbed = stand_up("two-hosts", computers.options)
    for length, size in ((1, 60), (2, 1514)):
        record, _ = measure(testbed, cell(length, size), settings(offered_load=5.0))
        assert record.counts.received_packets > 0
        assert record.counts.trial_received_packets == record.counts.trial_sent_packets
        assert record.attestation.probes_returned == record.attestation.probes_sent
        assert len(record.hops) == length + 1
        assert "the server's own" in record.components.switch
    again = stand_up("two-hosts", computers.options)
    assert again.hosts.middlebox_server is testbed.hosts.middlebox_server
    assert converge(again, plan_for(again, 2)).live.fingerprint == record.attestation.fingerprint


@pytest.mark.usefixtures("taken_down")
def test_a_restarted_switch_is_noticed_and_the_chain_made_anew(computers: TwoComputers) -> None:
    testbed = stand_up("two-hosts", computers.options)
    before = converge(testbed, plan_for(testbed, 1)).live
    computers.restart_switch()
    told: list[str] = []
    after = converge(testbed, plan_for(testbed, 1), told.append).live
    assert "is not live" in told[0]
    assert after.switch.identity != before.switch.identity
    record, _ = measure(testbed, cell(1, 60), settings(offered_load=5.0))
    assert record.counts.received_packets > 0


@pytest.mark.usefixtures("taken_down")
def test_a_full_disk_on_the_server_is_told_and_once_there_is_room_the_chain_stands(computers: TwoComputers) -> None:
    testbed = stand_up("two-hosts", computers.options)
    computers.on(computers.server, "cat /dev/zero > /run/openvswitch/full 2> /dev/null || :")
    with pytest.raises(SwitchError, match="No space left on device"):
        converge(testbed, plan_for(testbed, 1))
    computers.on(computers.server, "rm /run/openvswitch/full")
    record, _ = measure(testbed, cell(1, 60), settings(offered_load=5.0))
    assert record.counts.received_packets > 0


@pytest.mark.usefixtures("taken_down")
def test_pkt_gen_measures_over_ssh(computers: TwoComputers) -> None:
    stand_in = str(Path(__file__).parents[1] / "pktgen_stand_in.py")
    generator = {"driver": "pkt-gen", "program": stand_in, "link_wait_s": 0}
    testbed = stand_up("two-hosts", composed(computers.composition | {"generator": generator}, "the tests"))
    load = settings(offered_load=2.0, warm_up_s=0.3, window_s=0.6, sample_interval_s=0.2)
    record, raw = measure(testbed, cell(1, 100), load)
    assert record.counts.trial_received_packets == record.counts.trial_sent_packets > 0
    assert record.hops[-1].tx_packets >= record.counts.trial_received_packets
    assert record.components.generator.startswith("pkt-gen")
    assert "main_thread" in raw


def port_state(computers: TwoComputers, sshd: Sshd) -> str:
    direct = "direct0 direct1" if sshd is computers.test_computer else ""
    return computers.on(
        sshd,
        f"for p in eth0 eth1 {direct}; do ethtool -k $p; cat /sys/class/net/$p/mtu /sys/class/net/$p/flags "
        "/proc/sys/net/ipv6/conf/$p/disable_ipv6; done",
    )


def test_ports_are_prepared_and_put_back(computers: TwoComputers) -> None:
    both = (computers.test_computer, computers.server)
    before = [port_state(computers, sshd) for sshd in both]
    site = site_of("two-hosts", computers.options)
    site.open()
    prepared = port_state(computers, computers.test_computer)
    assert prepared != before[0]
    assert "generic-receive-offload: on" not in prepared
    environment = environment_of(site, computers.options)
    assert environment.middlebox_server.programs["ovs-vsctl"].startswith("ovs-vsctl (Open vSwitch)")
    assert environment.middlebox_server.ports["eth0"]["driver"] == "veth"
    assert environment.test_computer.ports.keys() == {"eth0", "eth1", "direct0", "direct1"}
    assert any("direct1: it tells nothing of flow control" in limit for limit in environment.limits)
    assert site.close() is True
    assert site.close() is False
    assert [port_state(computers, sshd) for sshd in both] == before


@pytest.mark.usefixtures("taken_down")
def test_another_user_is_told_who_measures(computers: TwoComputers) -> None:
    with somebody_else(computers) as answer:
        assert answer == {"locked": True}
        with pytest.raises(LockError, match="locked by alice@elsewhere since noon for testbed x"):
            site_of("two-hosts", computers.options).open()
    site_of("two-hosts", computers.options).open()


@pytest.mark.usefixtures("taken_down")
def test_a_run_keeps_others_off_between_its_jobs(computers: TwoComputers) -> None:
    with site_of("two-hosts", computers.options).held(0.0):
        with somebody_else(computers) as answer:
            assert "testbed two-hosts" in answer["held_by"]
        with open_elsewhere(computers) as job:
            assert job.communicate() == ("open\n", "")
    with somebody_else(computers) as answer:
        assert answer == {"locked": True}
        with (
            pytest.raises(LockError, match="alice@elsewhere"),
            site_of("two-hosts", computers.options).held(0.0),
        ):
            pass


@pytest.mark.usefixtures("taken_down")
def test_a_job_waits_for_one_that_outlived_its_run(computers: TwoComputers) -> None:
    with site_of("two-hosts", computers.options).held(0.0):
        with somebody_else(computers, [TRIAL_LOCK]):
            job = open_elsewhere(computers)
            assert job.stderr is not None
            told = job.stderr.readline()
        with job:
            assert job.communicate() == ("open\n", "")
    assert told.startswith("waiting for middlebox-server: locked by alice@elsewhere since noon")


def test_a_computer_that_vanishes_gives_its_locks_back(computers: TwoComputers) -> None:
    computers.on(computers.server, "sysctl -q net.ipv4.tcp_retries2=1")  # it takes 15 minutes otherwise
    with open_elsewhere(computers) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with computers.off(computers.server):
            eventually(lambda: not computers.server.sessions(), "the server gives the connection up")
        with somebody_else(computers) as answer:
            assert answer == {"locked": True}
        other.communicate()
    computers.on(computers.server, "sysctl -q net.ipv4.tcp_retries2=15")
    site_of("two-hosts", computers.options).close()


@contextmanager
def somebody_else(computers: TwoComputers, locks: Sequence[str] = (RUN_LOCK, TRIAL_LOCK)) -> Iterator[dict[str, Any]]:
    """Lock the server as a job of somebody else's would, from elsewhere; return what the agent answered."""
    holder = json.dumps({"user": "alice@elsewhere", "since": "noon", "purpose": "testbed x", "pid": 1, "command": "c"})
    request = {"verb": "hold", "folder": FOLDER, "locks": dict.fromkeys(locks, 3.0), "beat_s": 60.0}
    words = json.dumps(request | {"holder": holder, "family": []})
    hold = shlex.join(["python3", "-c", AGENT, words])
    with subprocess.Popen(
        [*computers.ssh(computers.server), hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        yield json.loads(other.stdout.readline())
        other.communicate()


OPEN = """
import json
import sys
from middlebench.config.testbed import composed
from middlebench.sites.ssh import locks
from middlebench.testbed import site_of
locks.BEAT_SECONDS, locks.LOCK_SECONDS = 0.2, 0.3
site_of("two-hosts", composed(json.loads(sys.argv[1]), "the tests")).open()
print("open", flush=True)
sys.stdin.read()
"""


def open_elsewhere(computers: TwoComputers) -> subprocess.Popen[str]:
    """Open the site in another process, one of our own children."""
    argv = [sys.executable, "-c", OPEN, computers.options.model_dump_json()]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_killed_run_gives_its_locks_back(computers: TwoComputers) -> None:
    with open_elsewhere(computers) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        try:
            with pytest.raises(LockError, match="testbed two-hosts"):
                site_of("two-hosts", computers.options).open()
        finally:
            other.send_signal(signal.SIGKILL)
    assert site_of("two-hosts", computers.options).close() is True


@pytest.mark.usefixtures("taken_down")
def test_a_job_uses_the_locks_of_its_run(computers: TwoComputers) -> None:
    site_of("two-hosts", computers.options).open()
    with open_elsewhere(computers) as job:
        assert job.communicate() == ("open\n", "")
    assert job.returncode == 0


@pytest.mark.usefixtures("taken_down")
def test_another_testbed_is_not_overrun(computers: TwoComputers) -> None:
    site_of("two-hosts", computers.options).open()
    with pytest.raises(HostError, match="testbed two-hosts stands there"):
        site_of("another", computers.options).open()
    assert site_of("another", computers.options).close() is False


def test_a_port_that_somebody_needs_is_left_alone(computers: TwoComputers) -> None:
    computers.on(computers.server, "ip link set dev eth1 up; ip route add default dev eth1")
    options = computers.changed("middlebox_server", ports=["mgmt", "eth1"])
    with pytest.raises(HostError, match="mgmt carries the SSH connection") as caught:
        site_of("two-hosts", options).open()
    assert "mgmt has the address" in str(caught.value)
    assert "eth1 carries a default route" in str(caught.value)
    site_of("two-hosts", options).close()
    computers.on(computers.server, "ip route del default; ip link set dev eth1 down")


def test_direct_ports_are_checked_as_the_others(computers: TwoComputers) -> None:
    options = computers.changed("test_computer", direct_ports=["mgmt", "direct1"])
    with pytest.raises(HostError, match="mgmt carries the SSH connection"):
        site_of("two-hosts", options).open()
    computers.on(computers.test_computer, "ip link add name dark0 type veth peer name dark1")
    options = computers.changed("test_computer", direct_ports=["dark0", "direct1"])
    with pytest.raises(HostError, match=r"dark0 and direct1 had no link") as caught:
        site_of("two-hosts", options).open()
    assert "test-computer eth1 to middlebox-server eth1, test-computer dark0 to direct1" in str(caught.value)
    site_of("two-hosts", options).close()
    computers.on(computers.test_computer, "ip link del dev dark0")


def test_a_bridge_that_is_not_ours_keeps_its_ports(computers: TwoComputers) -> None:
    computers.on(
        computers.server, "ovs-vsctl add-br theirs -- set Bridge theirs datapath_type=netdev -- add-port theirs eth1"
    )
    testbed = stand_up("two-hosts", computers.options)
    with pytest.raises(SwitchError, match="eth1 is on bridge theirs, which is not ours"):
        converge(testbed, plan_for(testbed, 1))
    assert computers.on(computers.server, "ovs-vsctl list-ports theirs").split() == ["eth1"]
    site_of("two-hosts", computers.options).close()
    assert computers.on(computers.server, "ovs-vsctl list-br").split() == ["theirs"]
    computers.on(computers.server, "ovs-vsctl del-br theirs")


def test_a_cable_that_is_not_there_is_named(computers: TwoComputers) -> None:
    computers.on(computers.server, "ip link add name dark0 type veth peer name dark1")
    options = computers.changed("middlebox_server", ports=["dark0", "eth1"])
    with pytest.raises(HostError, match=r"eth0 had no link for 0\.3 s"):
        site_of("two-hosts", options).open()
    site_of("two-hosts", options).close()
    computers.on(computers.server, "ip link del dev dark0")


OLD_PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) echo 3.6 ;;
    *) echo "SyntaxError: invalid syntax" >&2; exit 1 ;;
esac
"""
"""What Python 3.6 says of our agents."""


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("", "running python3 on middlebox-server (server): there is no program 'python3'"),
        (OLD_PYTHON, "using python3 of middlebox-server: it is Python 3.6; 3.9 or newer is needed there"),
    ],
)
def test_a_computer_without_a_fit_python_is_told(computers: TwoComputers, script: str, wanted: str) -> None:
    with computers.replaced(computers.server, "python3", script), pytest.raises(HostError) as caught:
        site_of("two-hosts", computers.options).open()
    assert wanted in str(caught.value)
    assert "what to try: install" in str(caught.value)


def test_a_full_disk_below_run_is_told(computers: TwoComputers) -> None:
    computers.on(computers.server, "mount -o remount,size=4m /run; cat /dev/zero > /run/full 2> /dev/null || :")
    with pytest.raises(HostError, match="writing to /run/mbench on middlebox-server: its disk is full"):
        site_of("two-hosts", computers.options).open()
    computers.on(computers.server, "rm /run/full")
    site_of("two-hosts", computers.options).open()
    site_of("two-hosts", computers.options).close()


@pytest.mark.parametrize("computer", ["test_computer", "server"])
@pytest.mark.usefixtures("taken_down")
def test_sshd_killed_during_a_measurement_leaves_no_record_and_no_generator(
    computers: TwoComputers, computer: str
) -> None:
    testbed = stand_up("two-hosts", computers.options)
    converge(testbed, plan_for(testbed, 1))

    def cut() -> None:
        eventually(computers.generating, "traffic is made")
        computers.cut(getattr(computers, computer))

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises((HostError, TrialError), match="connection was lost"):
        measure(testbed, cell(1, 60), settings(window_s=3.0))
    thread.join()
    eventually(lambda: not computers.generating(), "the generator is gone")
    again = stand_up("two-hosts", computers.options)
    record, _ = measure(again, cell(1, 60), settings(offered_load=5.0))
    assert record.counts.received_packets > 0
