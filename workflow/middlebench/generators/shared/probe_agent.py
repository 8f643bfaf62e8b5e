"""Runs on the test computer: sends single frames out of one port, and sees which come back at the other one.

Standard library only: it is handed to the host's own ``python3`` as text, behind that of ``ports_agent``.

    python3 -c THIS '{"tx_port", "rx_port", "frames", "marks", "limit_s"}'    answers one JSON object on standard output
"""

import json
import select
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.generators.shared.ports_agent import fail, open_port

ETH_P_ALL = 3  # linux/if_ether.h
PACKET_OUTGOING = 4  # linux/if_packet.h: a frame of our own that the socket overhears


def probe(request: dict[str, Any]) -> dict[str, object]:
    """Send the frames and collect what the receiver gets until one with each mark is back, or the time is over."""
    receiver, sender = open_port(request["rx_port"], ETH_P_ALL), open_port(request["tx_port"], 0)
    missing, came = {bytes.fromhex(mark) for mark in request["marks"]}, []
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
    return {"came": came}


if __name__ == "__main__":
    try:
        print(json.dumps(probe(json.loads(sys.argv[1]))), flush=True)
    except OSError as error:
        fail(f"{error.strerror}: {error.filename or 'packet socket'}")
