"""What every kind of middlebox must do. A driver joins by one line in ``MIDDLEBOXES``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import compose, eventually
from middlebench.diagnosis.between import middleboxes_between
from middlebench.diagnosis.usage import process_between
from middlebench.hosts.base import Host
from middlebench.middleboxes import netns
from middlebench.middleboxes.base import Middleboxes
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.model.frames import udp_frame
from middlebench.model.plan import Middlebox, Plan
from middlebench.model.topologies import plan_of
from middlebench.sites.base import Hosts
from middlebench.system.errors import MiddleboxError
from middlebench.testbed import site_of
from passing import pass_frames

MTU = 1500
SIZES = range(60, 1515)

MIDDLEBOXES: dict[str, Callable[[Host], Middleboxes]] = {
    "netns": lambda host: netns.NetnsMiddleboxes(netns.Options(driver="netns"), host, MTU),
    "qemu unikernel": lambda host: qemu.QemuMiddleboxes(qemu.Options(driver="qemu", accelerator="tcg"), host, MTU),
}


@pytest.fixture
def server(hosts: Hosts) -> Host:
    return hosts.middlebox_server


@pytest.fixture(scope="module", params=MIDDLEBOXES)
def make(request: pytest.FixtureRequest, runtime: Path, unikernel: Path) -> Iterator[Callable[[Host], Middleboxes]]:
    """What makes middleboxes, on computers on which no others have run."""
    yield MIDDLEBOXES[request.param]
    site_of("tests", compose()).close()


@pytest.fixture
def middleboxes(make: Callable[[Host], Middleboxes], server: Host) -> Middleboxes:
    """Middleboxes, none of which was made yet."""
    found = make(server)
    found.destroy()
    return found


@pytest.fixture
def plan(hosts: Hosts) -> Plan:
    return plan_of("chain", 2, hosts.server_ports)


@pytest.fixture
def running(make: Callable[[Host], Middleboxes], server: Host, plan: Plan) -> Middleboxes:
    """Two middleboxes that run, from the test before where it has left them so."""
    found = make(server)
    if found.live().keys() != {middlebox.name for middlebox in plan.middleboxes}:
        found.destroy()
        found.create(plan)
        found.wait_until_ready(plan)
    return found


def interfaces(host: Host) -> set[str]:
    return {line.split()[0].partition("@")[0] for line in host.run(["ip", "-brief", "link"]).stdout.splitlines()}


def await_forwarding(host: Host, middlebox: Middlebox) -> None:
    """Return once frames pass: a middlebox may still be waking up when it says that it is ready."""
    frame = udp_frame(60, b"first")
    eventually(
        lambda: pass_frames(host, *middlebox.ports, [frame], limit_s=0.5) == [frame], f"{middlebox.name} forwards"
    )


def frames_of_every_size() -> list[bytes]:
    """A valid frame of each size, its payload filled with random bytes."""
    dice = random.Random(20)
    return [udp_frame(size, dice.randbytes(size - 42)) for size in SIZES]


def test_none_is_live_before_any_was_made(middleboxes):
    assert middleboxes.live() == {}


def test_watch_is_silent_before_any_was_made(middleboxes):
    with middleboxes.watch() as watch:
        assert not watch.fired.wait(1.0)
    assert watch.problem == ""


def test_created_middleboxes_are_live_under_their_names(running, plan):
    assert running.live().keys() == {middlebox.name for middlebox in plan.middleboxes}


def test_created_middleboxes_have_their_ports_on_the_server(running, plan, server):
    assert {port for middlebox in plan.middleboxes for port in middlebox.ports} <= interfaces(server)


def test_every_middlebox_says_what_its_start_took(middleboxes, plan):
    middleboxes.create(plan)
    starts = middleboxes.wait_until_ready(plan)
    assert [start.name for start in starts] == [middlebox.name for middlebox in plan.middleboxes]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_frames_of_every_size_pass_byte_for_byte(running, plan, server, direction):
    middlebox = plan.middleboxes[0]
    await_forwarding(server, middlebox)
    ports = middlebox.ports if direction == "forward" else middlebox.ports[::-1]
    frames = frames_of_every_size()
    arrived = pass_frames(server, *ports, frames)
    assert [len(frame) for frame in arrived] == list(SIZES)
    assert arrived == frames


def test_frames_that_are_not_ip_pass_as_well(running, plan, server):
    middlebox = plan.middleboxes[0]
    await_forwarding(server, middlebox)
    frames = [
        udp_frame(60)[:12] + ethertype + bytes(range(46)) for ethertype in (b"\x08\x06", b"\x88\xb5", b"\x86\xdd")
    ]
    assert pass_frames(server, *middlebox.ports, frames) == frames


def test_middleboxes_do_not_forward_to_each_other(running, plan, server):
    first, second = plan.middleboxes
    await_forwarding(server, first)
    assert pass_frames(server, first.ingress_port, second.egress_port, [udp_frame(60)], limit_s=0.2) == [b""]


def test_middleboxes_that_run_on_keep_their_identity(running):
    assert running.live() == running.live()


def test_middlebox_that_was_made_anew_has_another_identity(running, plan):
    before = running.live()
    running.destroy()
    running.create(plan)
    running.wait_until_ready(plan)
    after = running.live()
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_reading_tells_of_the_same_middleboxes(running):
    assert {name: each.identity for name, each in running.read().items()} == running.live()


def test_middlebox_that_counts_at_all_counts_every_frame(running, plan, server):
    await_forwarding(server, plan.middleboxes[0])
    before = running.read()
    frames = [udp_frame(60, bytes([number])) for number in range(10)]
    assert pass_frames(server, *plan.middleboxes[0].ports, frames) == frames
    first, second = middleboxes_between(plan, before, running.read())
    assert first.rx_packets in (None, 10)
    assert first.tx_packets == first.rx_packets
    assert second.rx_packets in (None, 0)


def test_middlebox_that_forwards_uses_processor_time_unless_the_kernel_forwards_for_it(running, plan, server):
    middlebox = plan.middleboxes[0]
    before = running.read()[middlebox.name].usage
    await_forwarding(server, middlebox)
    if before is None:
        assert {each.usage for each in running.read().values()} == {None}
        return

    def has_worked() -> bool:
        pass_frames(server, *middlebox.ports, [udp_frame(60, b"work")] * 100)
        used = process_between(middlebox.name, before, running.read()[middlebox.name].usage)
        assert used is not None
        assert used.cpu_s >= used.busiest_thread_s >= 0
        return used.cpu_s > 0

    eventually(has_worked, f"{middlebox.name} has used processor time")


def test_destroyed_middleboxes_leave_neither_name_nor_port(running, hosts, server):
    running.destroy()
    assert running.live() == {}
    assert interfaces(server) == {"lo", *hosts.server_ports}


def test_destroying_twice_is_no_error(running):
    running.destroy()
    running.destroy()
    assert running.live() == {}


def test_chain_of_none_makes_none(middleboxes, hosts):
    plan = plan_of("chain", 0, hosts.server_ports)
    middleboxes.create(plan)
    assert middleboxes.wait_until_ready(plan) == []
    assert middleboxes.live() == {}


def test_port_whose_name_is_taken_is_an_error_that_names_the_middlebox(middleboxes, plan, server):
    server.run(["ip", "link", "add", "name", "mbench-2-in", "type", "veth", "peer", "name", "other"])
    with pytest.raises(MiddleboxError, match="mbench-2"):
        middleboxes.create(plan)
    server.run(["ip", "link", "delete", "dev", "other"])


def test_what_a_failed_creation_left_can_be_destroyed(middleboxes, plan, hosts, server):
    server.run(["ip", "link", "add", "name", "mbench-2-in", "type", "veth", "peer", "name", "other"])
    with pytest.raises(MiddleboxError):
        middleboxes.create(plan)
    middleboxes.destroy()
    server.run(["ip", "link", "delete", "dev", "other"], check=False)
    middleboxes.create(plan)
    assert middleboxes.live().keys() == {middlebox.name for middlebox in plan.middleboxes}


def test_watch_is_silent_while_all_run(running, plan, server):
    with running.watch() as watch:
        await_forwarding(server, plan.middleboxes[0])
    assert not watch.fired.is_set()
    assert watch.problem == ""


def test_description_is_not_empty(middleboxes):
    assert middleboxes.describe().strip()
