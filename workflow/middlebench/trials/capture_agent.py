"""Runs on the middlebox server: notes the frames with certain marks that pass certain ports.

Standard library only: it is handed to the host's own Python as text. It watches for a given time.

    python3 -c THIS '{"ports", "marks", "seconds"}'    answers {port: [frame, …]} on standard output, each frame once
"""

import json
import select
import socket
import sys
import time
from typing import Any

ETH_P_ALL = 3  # linux/if_ether.h
MOST_FRAMES = 1024
"""Different frames of one port that are noted at the most."""


def capture(request: dict[str, Any]) -> dict[str, list[str]]:
    """Return the different marked frames of each port, in their order, whichever way they went."""
    marks = [bytes.fromhex(mark) for mark in request["marks"]]
    sockets = {}
    for port in request["ports"]:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        packets.bind((port, ETH_P_ALL))
        sockets[packets] = port
    seen: dict[str, dict[bytes, None]] = {port: {} for port in request["ports"]}
    end = time.monotonic() + request["seconds"]
    while (left := end - time.monotonic()) > 0:
        for packets in select.select(list(sockets), [], [], left)[0]:
            frame = packets.recv(65536)
            noted = seen[sockets[packets]]
            if frame not in noted and len(noted) < MOST_FRAMES and any(mark in frame for mark in marks):
                noted[frame] = None
    return {port: [frame.hex() for frame in noted] for port, noted in seen.items()}


if __name__ == "__main__":
    try:
        print(json.dumps(capture(json.loads(sys.argv[1]))), flush=True)
    except OSError as error:
        print(json.dumps({"error": error.strerror}), flush=True)
