"""Runs on the test computer: sends single frames out of one port, and sees which come back at the other one.

It says besides by how much the receiving port counts a frame as longer than it is; null where the counters do not tell.

Standard library only: it is handed to the host's own ``python3`` as text, behind that of ``ports_agent``.

    python3 -c THIS '{"tx_port", "rx_port", "frames", "marks", "limit_s"}'    answers one JSON object on standard output
"""

import json
import select
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.generators.shared.ports_agent import fail, open_port, read_counters

ETH_P_ALL = 3  # linux/if_ether.h
PACKET_OUTGOING = 4  # linux/if_packet.h: a frame of our own that the socket overhears
COUNT_SECONDS = 0.1


def probe(request: dict[str, Any]) -> dict[str, object]:
    """Send the frames and collect what the receiver gets until one with each mark is back, or the time is over."""
    receiver, sender = open_port(request["rx_port"], ETH_P_ALL), open_port(request["tx_port"], 0)
    missing, came = {bytes.fromhex(mark) for mark in request["marks"]}, []
    _, before = read_counters([request["rx_port"]])
    for frame in request["frames"]:
        sender.send(bytes.fromhex(frame))
    end = time.monotonic() + request["limit_s"]
    while missing and (left := end - time.monotonic()) > 0:
        if not select.select([receiver], [], [], left)[0]:
            break
        data, address = receiver.recvfrom(65536)
        if address[2] != PACKET_OUTGOING:
            came.append(data.hex())
            missing = {mark for mark in missing if mark not in data}
    return {"came": came, "excess": excess(request["rx_port"], before[request["rx_port"]], came)}


def excess(port: str, before: "tuple[int, ...]", came: "list[str]") -> "int | None":
    """Return by how many bytes a port counts each frame as longer than it is; None where it counted other frames too.

    A packet socket may see a frame before the port counts it.
    """
    end = time.monotonic() + COUNT_SECONDS
    while True:
        counted = [now - then for now, then in zip(read_counters([port])[1][port], before, strict=True)]
        if counted[1] >= len(came) or time.monotonic() > end:
            break
        time.sleep(0.001)
    more = counted[0] - sum(len(frame) // 2 for frame in came)
    return more // len(came) if came and counted[1] == len(came) and more % len(came) == 0 else None


if __name__ == "__main__":
    try:
        print(json.dumps(probe(json.loads(sys.argv[1]))), flush=True)
    except OSError as error:
        fail(f"{error.strerror}: {error.filename or 'packet socket'}")
