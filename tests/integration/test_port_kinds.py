"""Chains of each kind of middlebox over each kind of port: frames pass whole, and each is accounted for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from helpers import compose, settings, standing
from middlebench.diagnosis.accounting import account
from middlebench.middleboxes.qemu.machine import SOCKET_FOLDER
from middlebench.model.frames import udp_frame
from middlebench.switches.private_openvswitch import DPDK_DAEMON
from middlebench.testbed import Testbed, alternatives, site_of
from middlebench.trials.convergence import deploy, plan_for, read_live, tear_down
from middlebench.trials.probing import prove_paths
from middlebench.trials.trial import load_of, prepare, run_trial

LENGTH = 2
as_root = pytest.mark.skipif(os.getuid() != 0, reason="AF_XDP needs root")
with_dpdk = pytest.mark.skipif(not Path(DPDK_DAEMON).exists(), reason="openvswitch-switch-dpdk is not installed")
NETNS = {"driver": "netns"}
QEMU = {"driver": "qemu", "accelerator": "tcg"}


def ports(port_type: str, uplink_type: str = "auto") -> dict[str, Any]:
    return {
        "driver": "private-openvswitch",
        "datapath": "userspace",
        "port_type": port_type,
        "uplink_type": uplink_type,
    }


@pytest.fixture(
    params=[
        pytest.param((ports("system"), NETNS), id="netns system"),
        pytest.param((ports("afxdp"), NETNS), id="netns afxdp", marks=as_root),
        pytest.param((ports("system"), QEMU), id="qemu system"),
        pytest.param((ports("afxdp"), QEMU), id="qemu afxdp", marks=as_root),
        pytest.param((ports("vhost-user", "af-packet"), QEMU), id="qemu vhost-user af-packet", marks=with_dpdk),
        pytest.param((ports("vhost-user", "afxdp"), QEMU), id="qemu vhost-user afxdp", marks=[as_root, with_dpdk]),
    ]
)
def testbed(request: pytest.FixtureRequest, runtime: Path, unikernel: Path) -> Iterator[Testbed]:
    switch, middlebox = request.param
    with standing(compose(switch=switch, middlebox=middlebox)) as testbed:
        yield testbed


def tcp_segments(number: int = 64, payload_bytes: int = 700) -> list[bytes]:
    """Return what one connection sends in a row: the kernel merges such frames wherever it may (GRO)."""
    addresses = {"src": bytes([198, 18, 0, 1]), "dst": bytes([198, 18, 0, 2])}
    frames = []
    for index in range(number):
        data = bytes([index]) * payload_bytes
        tcp = dpkt.tcp.TCP(sport=1234, dport=80, seq=1 + index * payload_bytes, ack=1, flags=dpkt.tcp.TH_ACK, data=data)
        ip = dpkt.ip.IP(**addresses, id=index, p=dpkt.ip.IP_PROTO_TCP, df=1, data=tcp)
        frames.append(udp_frame(60)[:12] + b"\x08\x00" + bytes(ip))
    return frames


def test_frames_of_every_size_pass_whole_and_each_is_accounted_for(testbed):
    plan = plan_for(testbed, LENGTH)
    deploy(testbed, plan)
    for frame_bytes in (60, 61, 800, 1514):
        (probe,) = prove_paths(testbed, plan, frame_bytes)
        assert probe.returned == probe.sent
    segments = tcp_segments()
    assert testbed.generator.exchange(segments, [segments[-1]]) == segments
    for offered in ("maximum", 1.0):
        load = load_of(60, settings(offered_load=offered), 1e9)
        before, _ = prepare(testbed, plan, load.frame_bytes)
        found = run_trial(testbed, plan, load, before)
        counts = found.counts
        assert counts.received_packets > 0
        assert (
            account(counts.trial_sent_packets, counts.trial_received_packets, found.hops, found.middleboxes).unaccounted
            == 0
        )
    assert counts.trial_received_packets == counts.trial_sent_packets, "1 kpkt/s is no load"


def test_what_was_torn_down_can_be_deployed_again_in_another_topology_and_leaves_nothing(testbed):
    look, sockets = ["sh", "-c", f"ls {SOCKET_FOLDER} 2> /dev/null || :"], list[str]()
    for topology in ("chain", "pipeline"):
        deploy(testbed, plan_for(testbed, LENGTH, topology=topology))
        sockets += testbed.hosts.middlebox_server.run(look).stdout.split()
    assert len(set(sockets)) == len(sockets), "what a port of old may still connect to is not there again"
    tear_down(testbed)
    live = read_live(testbed)
    assert (live.switch.bridges, live.middleboxes) == ({}, {})


def test_namespaces_are_never_joined_by_vhost_user(runtime):
    asked = compose(switch={"driver": "private-openvswitch", "datapath": "userspace"}, middlebox=NETNS)
    site = site_of("tests", asked)
    try:
        found = {each.switch.port_type for each in alternatives(asked, site.open())}
    finally:
        site.close()
    assert found == {"system", "afxdp"}
