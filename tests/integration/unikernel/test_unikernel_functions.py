"""What our unikernel's functions do beyond what every kind of middlebox must: limits, tables, and bad parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from console import status, table
from machines import machines
from machines import start as start_machines
from middlebench.hosts.base import Host
from middlebench.model.frames import udp_frame
from middlebench.model.functions.function import Function
from middlebench.model.packets import checksum_faults, packet_of
from middlebench.model.plan import Middlebox
from middlebench.model.topologies import plan_of
from middlebench.sites.base import Hosts
from middlebench.system.errors import MiddleboxError
from passing import exchange_frames, pass_frames

PROBE = packet_of(udp_frame(60))
Start = Callable[[str, str], Middlebox]


@pytest.fixture
def start(server: Host, hosts: Hosts) -> Iterator[Start]:
    """Starts one machine with a function and the words of its command line."""
    running = machines(server)

    def started(name: str, words: str) -> Middlebox:
        plan = plan_of("chain", 1, hosts.server_ports, [Function(name, 1, unikernel=words)])
        start_machines(running, plan)
        return plan.middleboxes[0]

    yield started
    running.destroy()


def flow(number: int) -> bytes:
    return PROBE.changed(source_port=3000 + number).frame()


@pytest.mark.parametrize(
    ("name", "words", "complaint"),
    [
        ("forward", "speed=9", "unknown option 'speed'; known: function"),
        ("filter", "speed=9", "unknown option 'speed'; known: function rule"),
        ("filter", "rule", "option 'rule' is not NAME=VALUE"),
        ("filter", "rule=allow:0:0.0.0.0/0:0-1:0.0.0.0/0:0-1", "neither accept nor deny at 'allow:"),
        ("filter", "rule=deny:0:0.0.0.0/33:0-1:0.0.0.0/0:0-1", "a number at '33:.*' is above 32"),
        ("filter", "rule=deny:0:0.0.0/0:0-1:0.0.0.0/0:0-1", "no '.' at '/0:"),
        ("filter", "rule=deny:0:0.0.0.0/0:2-1:0.0.0.0/0:0-1", "a range ends before it begins"),
        ("filter", "rule=deny:0:0.0.0.0/0:0-1:0.0.0.0/0:0-65536", "a number at '65536' is above 65535"),
        ("filter", "rule=deny:0:0.0.0.0/0:0-1:0.0.0.0/0:0-1x", "'x' is left over"),
        ("filter", f"rule={'1' * 200}", "longer than 127 characters"),
        ("nat", "", "needs pool=FIRST-LAST and ports=FIRST-LAST"),
        ("nat", "pool=198.18.128.1-198.18.128.0 ports=1-2", "a range ends before it begins"),
        ("balance", "backends=1.0.0.1-1.0.0.2", "needs backends=FIRST-LAST and virtual=ADDRESS"),
        ("balance", "backends=1.0.0.1-1.0.0.17 virtual=1.1.1.1", "more than 16 backends"),
        ("inspect", "", "needs pattern=HEX"),
        ("inspect", "pattern=", "it is empty"),
        ("inspect", "pattern=61g1", "'61g1' is not an even number of the digits"),
        ("inspect", "pattern=616", "'616' is not an even number of the digits"),
        (
            "inspect",
            " ".join(f"pattern={bytes(range(first, first + 32)).hex()}" for first in (0, 32)),
            "more than 63 different",
        ),
        ("monitor", "function=monitor", "must come once"),
    ],
)
def test_bad_parameter_is_named(start, name, words, complaint):
    with pytest.raises(MiddleboxError, match=rf"fatal: .*{complaint}"):
        start(name, words)


def test_parameters_without_a_function_are_those_of_forward(start, server):
    machine = start("forward", "")
    assert status(server, machine)["function"] == "forward"


def test_translation_without_a_free_entry_drops_new_flows_and_keeps_the_old_ones(start, server):
    machine = start("nat", "pool=198.18.128.1-198.18.128.2 ports=5000-5001")
    first = pass_frames(server, *machine.ports, [flow(number) for number in range(4)])
    assert [(packet_of(each).source_address & 0xFF, packet_of(each).source_port) for each in first] == [
        (1, 5000),
        (1, 5001),
        (2, 5000),
        (2, 5001),
    ]
    answers = exchange_frames(
        server,
        machine.ports,
        [(0, flow(4)), (0, flow(3))],
        lambda here, mark: packet_of(flow(0)).changed(payload=mark).frame(),
    )
    assert answers == [[], [first[3]]]
    said = status(server, machine)
    assert (said["flows"], said["capacity"], said["exhausted"]) == (4, 4, 1)


def test_entries_are_as_many_as_the_largest_load_has_flows(start, server):
    machine = start("nat", "pool=198.18.128.1-198.18.128.1 ports=1024-65535")
    assert status(server, machine)["capacity"] >= 10_000


def test_damaged_checksum_stays_damaged_by_the_same_amount(start, server):
    """RFC 1624: an update in steps must not hide damage that a new sum would."""
    machine = start("nat", "pool=198.18.128.1-198.18.128.1 ports=5000-5001")
    damaged = bytearray(flow(0))
    damaged[41] ^= 0x10
    (came,) = pass_frames(server, *machine.ports, [bytes(damaged)])
    assert checksum_faults(came) == ["its UDP checksum is wrong"]

    def wrong_by(frame: bytes) -> int:
        said, right = (int.from_bytes(each[40:42], "big") for each in (frame, packet_of(frame).frame()))
        return (said - right) % 0xFFFF

    assert wrong_by(came) == wrong_by(bytes(damaged)) != 0


def test_monitor_counts_each_flow_and_all_can_be_read(start, server):
    machine = start("monitor", "")
    counts = {number: 1 + number % 3 for number in range(100)}
    frames = [flow(number) for number, count in counts.items() for _ in range(count)]
    assert pass_frames(server, *machine.ports, frames) == frames
    arp = udp_frame(60)[:12] + b"\x08\x06" + bytes(46)
    assert pass_frames(server, *machine.ports, [arp]) == [arp]
    entries = table(server, machine)
    assert {each["source_port"] - 3000: (each["frames"], each["bytes"]) for each in entries} == {
        number: (count, 60 * count) for number, count in counts.items()
    }
    assert {(each["source"], each["destination"], each["protocol"], each["destination_port"]) for each in entries} == {
        ("198.18.0.1", "198.19.0.1", 17, 9)
    }
    said = status(server, machine)
    assert (said["flows"], said["other_frames"], said["other_bytes"]) == (100, 1, 60)


def test_flows_beyond_the_table_are_counted_together(start, server):
    machine = start("monitor", "")
    frames = [PROBE.changed(source_port=number).frame() for number in range(1, 4200)]
    assert pass_frames(server, *machine.ports, frames) == frames
    said = status(server, machine)
    assert said["flows"] == len(table(server, machine)) == 4096
    assert said["other_frames"] == len(frames) - 4096


def test_function_without_a_table_says_so_at_once(start, server):
    assert table(server, start("forward", "")) == []


def test_filter_says_what_it_did(start, server):
    machine = start(
        "filter", "rule=deny:17:0.0.0.0/0:0-65535:0.0.0.0/0:7-7 rule=accept:17:0.0.0.0/0:0-65535:0.0.0.0/0:9-9"
    )
    frames = [PROBE.changed(destination_port=port).frame() for port in (7, 8, 9)]
    answers = exchange_frames(
        server, machine.ports, [(0, each) for each in frames], lambda here, mark: PROBE.changed(payload=mark).frame()
    )
    assert answers == [[], [], [frames[2]]]
    said = status(server, machine)
    assert (said["rules"], said["accepted"], said["denied"], said["unmatched"]) == (2, 4, 1, 1)


def test_patterns_that_overlap_and_nest_are_all_found(start, server):
    words = ["he", "she", "his", "hers", "xshx"]  # the example of Aho and Corasick, and one that shares a beginning
    machine = start("inspect", " ".join(f"pattern={word.encode().hex()}" for word in words))
    texts = [b"ushers", b"shis", b"xshe", b"xshx", b"shx", b"h", b"sh", b"hhhhiiss", b"hi shi", b"xxsh", b"", b"xshxx"]
    frames = [PROBE.changed(payload=text).frame() for text in texts]
    answers = exchange_frames(
        server, machine.ports, [(0, each) for each in frames], lambda here, mark: PROBE.changed(payload=mark).frame()
    )
    expected = [not any(word.encode() in text for word in words) for text in texts]
    assert [answer == [frame] for answer, frame in zip(answers, frames, strict=True)] == expected
