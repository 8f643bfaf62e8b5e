"""Runs on the test computer: sends single frames out of one port, and sees which come back at the other one.

Standard library only: it is handed to the host's own ``python3`` as text, behind that of ``ports_agent``.

    python3 -c THIS '{"tx_port", "rx_port", "frames", "limit_s"}'    answers one JSON object on standard output
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
    """Send the frames and collect, until all are back or the time is over, what the receiver gets."""
    frames = [bytes.fromhex(frame) for frame in request["frames"]]
    receiver, sender = open_port(request["rx_port"], ETH_P_ALL), open_port(request["tx_port"], 0)
    missing, returned, strange = set(frames), 0, 0
    for frame in frames:
        sender.send(frame)
    end = time.monotonic() + request["limit_s"]
    while missing and (left := end - time.monotonic()) > 0:
        if not select.select([receiver], [], [], left)[0]:
            break
        data, address = receiver.recvfrom(65536)
        if address[2] == PACKET_OUTGOING:
            continue
        if data in missing:
            missing.discard(data)
            returned += 1
        else:
            strange += 1
    return {"sent": len(frames), "returned": returned, "unexpected": strange}


if __name__ == "__main__":
    try:
        print(json.dumps(probe(json.loads(sys.argv[1]))), flush=True)
    except OSError as error:
        fail(f"{error.strerror}: {error.filename or 'packet socket'}")
