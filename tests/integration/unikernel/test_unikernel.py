"""The unikernel in virtual machines that run: what comes out, what is counted, and what its image is."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console import status
from helpers import PROJECT, compose, eventually, interface_counters
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from machines import machines, own_kernel, start
from middlebench.hosts.base import Host
from middlebench.model.plan import Middlebox
from middlebench.model.topologies import plan_of
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddleboxError
from middlebench.testbed import site_of
from passing import pass_frames

SMALLEST, LARGEST = 60, 1514
FLOOD_SECONDS = float(os.environ.get("MIDDLEBENCH_FLOOD_SECONDS", "1"))
"""How long the flood lasts; set the variable to 60 for the long one."""


class TestFrames:
    """One machine carries the frames of all these tests."""

    @pytest.fixture(scope="class")
    @classmethod
    def wire(cls, unikernel: Path, runtime: Path) -> Iterator[tuple[Host, Middlebox]]:
        hosts = site_of("tests", compose()).open()
        running, plan = machines(hosts.middlebox_server), plan_of("chain", 1, hosts.server_ports)
        start(running, plan)
        yield hosts.middlebox_server, plan.middleboxes[0]
        running.destroy()

    @staticmethod
    def random_frame(size: int, dice: random.Random) -> bytes:
        """Return random bytes, addresses and all; only no VLAN tag, which a packet socket would take out."""
        frame = dice.randbytes(size)
        return frame if frame[12:14] not in (b"\x81\x00", b"\x88\xa8") else TestFrames.random_frame(size, dice)

    @pytest.mark.parametrize("direction", [1, -1], ids=["forward", "backward"])
    def test_every_size_comes_out_as_it_went_in(self, wire, direction):
        host, middlebox = wire
        dice = random.Random(direction)
        frames = [self.random_frame(size, dice) for size in range(SMALLEST, LARGEST + 1)]
        assert pass_frames(host, *middlebox.ports[::direction], frames) == frames

    @given(
        direction=st.sampled_from([1, -1]),
        sizes=st.lists(st.integers(SMALLEST, LARGEST), min_size=1, max_size=300),
        dice=st.randoms(use_true_random=False),
    )
    @example(direction=1, sizes=[LARGEST] * 300, dice=random.Random(1))
    @example(direction=-1, sizes=[SMALLEST] * 300, dice=random.Random(2))
    @examples(max_examples=25)
    def test_any_sequence_of_sizes_and_contents_comes_out_as_it_went_in(self, wire, direction, sizes, dice):
        host, middlebox = wire
        frames = [self.random_frame(size, dice) for size in sizes]
        assert pass_frames(host, *middlebox.ports[::direction], frames) == frames


FLOOD_AGENT = """
import errno, multiprocessing, socket, sys, time
end = time.monotonic() + float(sys.argv[1])

def flood(port, results):
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((port, 0))
    frame, sent = bytes.fromhex("024d42000001024d420000000800") + bytes(46), 0
    while time.monotonic() < end:
        for _ in range(1000):
            try:
                sender.send(frame)
                sent += 1
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # refused before it reached the port
                    raise
    results.put((port, sent))

results = multiprocessing.Queue()
senders = [multiprocessing.Process(target=flood, args=(port, results)) for port in sys.argv[2:]]
for each in senders:
    each.start()
for _ in senders:
    print(*results.get())
for each in senders:
    each.join()
"""


def flood(host: Host, *ports: str) -> dict[str, int]:
    """Send small frames into all ports at once, as fast as one can; return how many by port."""
    result = host.run(host.script(FLOOD_AGENT, str(FLOOD_SECONDS), *ports), deadline=Deadline(FLOOD_SECONDS + 30))
    return {port: int(sent) for port, sent in map(str.split, result.stdout.splitlines())}


class TestFlood:
    def test_every_frame_sent_is_received_or_counted_as_dropped(self, server, plan):
        """Beyond the machine's pace in both directions at once, not one frame is unaccounted for."""
        start(machines(server), plan)
        (middlebox,) = plan.middleboxes
        before = interface_counters(server)
        sent = flood(server, *middlebox.ports)

        def settled() -> dict[str, Any] | None:
            then, now = status(server, middlebox), status(server, middlebox)
            return now if _packets(then) == _packets(now) else None

        guest = eventually(settled, "the machine has forwarded all that waited")
        after = interface_counters(server)
        assert sum(each["rx"] for each in guest["ports"]) == sum(
            each["tx"] + each["dropped_ring_full"] + each["dropped_by_function"] + each["dropped_malformed"]
            for each in guest["ports"]
        )
        for here, there in ((0, 1), (1, 0)):
            entrance, exit_ = middlebox.ports[here], middlebox.ports[there]
            came_in, went_out = guest["ports"][here], guest["ports"][there]
            overrun = after[entrance].tx_dropped - before[entrance].tx_dropped
            dropped = came_in["dropped_ring_full"] + came_in["dropped_by_function"] + came_in["dropped_malformed"]
            received = after[exit_].rx_packets - before[exit_].rx_packets
            assert sent[entrance] > 0
            assert overrun > 0, "the flood was too slow to be one"
            assert after[entrance].tx_packets - before[entrance].tx_packets == came_in["rx"]
            assert went_out["tx"] == received
            assert sent[entrance] == received + overrun + dropped

    def test_machine_forwards_as_before_after_a_flood(self, server, plan):
        start(machines(server), plan)
        (middlebox,) = plan.middleboxes
        flood(server, *middlebox.ports)
        frames = [TestFrames.random_frame(size, random.Random(size)) for size in (60, 700, 1514)]

        def calm() -> bool:
            return pass_frames(server, *middlebox.ports, frames) == frames

        eventually(calm, "frames pass again one by one")

    def test_idle_machine_sleeps(self, server, plan):
        start(machines(server), plan)
        first = status(server, plan.middleboxes[0])["halts"]
        second = status(server, plan.middleboxes[0])["halts"]
        assert first < second < first + 100, "it halts until it is asked, and does not spin"


def _packets(status: dict[str, Any]) -> list[list[int]]:
    return [[port["rx"], port["tx"]] for port in status["ports"]]


class TestImage:
    def test_users_own_kernel_forwards(self, server, plan, unikernel):
        own = machines(server, image=own_kernel(unikernel))
        start(own, plan)
        frames = [TestFrames.random_frame(size, random.Random(size)) for size in (60, 1514)]
        assert pass_frames(server, *plan.middleboxes[0].ports, frames) == frames
        assert own.describe().startswith("unikernel.elf ")

    @pytest.mark.parametrize("polls", [True, False])
    def test_users_kernel_polls_where_its_options_say_so(self, server, plan, unikernel, polls):
        own = machines(server, image=own_kernel(unikernel) | {"polls": polls})
        start(own, plan)
        assert [each.usage.polls for each in own.read().values()] == [polls] * len(plan.middleboxes)

    def test_name_of_the_middlebox_reaches_a_users_kernel(self, server, plan, unikernel):
        own = machines(server, image=own_kernel(unikernel) | {"command_line": "function={name}"})
        own.create(plan)
        with pytest.raises(MiddleboxError, match="unknown function 'mbench-1'"):
            own.wait_until_ready(plan)

    def test_sources_give_the_same_bytes_wherever_they_are_built(self, unikernel, tmp_path):
        for name in ("one", "another folder"):
            copy = tmp_path / name.replace(" ", "-")
            command = ["make", "--silent", f"BUILD={copy}"]
            subprocess.run(command, cwd=PROJECT / "workflow" / "unikernel", check=True)
            assert (copy / "unikernel.elf").read_bytes() == unikernel.read_bytes()

    def test_image_says_nothing_of_where_it_was_built(self, unikernel):
        assert not re.search(rb"/(work|home|tmp|root)/", unikernel.read_bytes())
        assert str(PROJECT).encode() not in unikernel.read_bytes()

    def test_status_is_json_with_every_counter(self, server, plan):
        start(machines(server), plan)
        said = status(server, plan.middleboxes[0])
        assert said["function"] == "forward"
        assert [sorted(port) for port in said["ports"]] == [
            [
                "dropped_by_function",
                "dropped_malformed",
                "dropped_ring_full",
                "interrupts",
                "rx",
                "rx_buffers",
                "tx",
                "tx_pending",
            ]
        ] * 2
