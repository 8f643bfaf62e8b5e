"""Passes single frames between two ports, and tells what arrived."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from middlebench.hosts.base import Host

FRAME_AGENT = """
import select, socket, sys
tx_port, rx_port, limit_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
receiver.bind((rx_port, 3))  # ETH_P_ALL
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sender.bind((tx_port, 0))

def next_frame():
    while select.select([receiver], [], [], limit_s)[0]:
        frame, address = receiver.recvfrom(65536)
        if address[2] != socket.PACKET_OUTGOING:
            return frame
    return b""

for line in sys.stdin:
    sender.send(bytes.fromhex(line))
    print(next_frame().hex())
"""


def pass_frames(host: Host, tx_port: str, rx_port: str, frames: Sequence[bytes], limit_s: float = 3.0) -> list[bytes]:
    """Send frames one after the other; return what arrived upon each, nothing for one that was lost."""
    result = host.run(
        host.script(FRAME_AGENT, tx_port, rx_port, str(limit_s)),
        stdin="".join(f"{frame.hex()}\n" for frame in frames),
    )
    return [bytes.fromhex(line) for line in result.stdout.splitlines()]


EXCHANGE_AGENT = """
import json, select, socket, sys
ports, limit_s = sys.argv[1:3], float(sys.argv[3])
packets = []
for port in ports:
    packets.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    packets[-1].bind((port, 3))  # ETH_P_ALL

def exchange(here, frame, marked, mark):
    packets[here].send(frame)
    packets[here].send(marked)
    came = []
    while select.select([packets[1 - here]], [], [], limit_s)[0]:
        got, address = packets[1 - here].recvfrom(65536)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if mark in got:
            return came
        came.append(got.hex())
    return None

for line in sys.stdin:
    here, frame, marked, mark = json.loads(line)
    print(json.dumps(exchange(here, bytes.fromhex(frame), bytes.fromhex(marked), bytes.fromhex(mark))))
"""


def exchange_frames(
    host: Host, ports: tuple[str, str], frames: Sequence[tuple[int, bytes]], marked: Callable[[int, bytes], bytes]
) -> list[list[bytes] | None]:
    """Send frames one after the other, each from the port of that index; return what arrived at the other port.

    A frame that must pass goes behind each: what has not come when that one comes was dropped.

    Args:
        host: where the ports are.
        ports: two ports, each with the other one behind what is tested.
        frames: index of the port to send from, and frame.
        marked: returns a frame that must pass from that port and has these bytes somewhere.

    Returns:
        For each frame what came before its marked one did; None where that did not come.
    """
    lines = []
    for here, frame in frames:
        mark = os.urandom(12)
        lines.append(json.dumps([here, frame.hex(), marked(here, mark).hex(), mark.hex()]))
    result = host.run(host.script(EXCHANGE_AGENT, *ports, "3"), stdin="".join(f"{line}\n" for line in lines))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    return [None if answer is None else [bytes.fromhex(frame) for frame in answer] for answer in answers]
