"""Sends 60-byte frames into one port and counts what comes out of another; standard library only.

python -c THIS IN OUT PACKETS_PER_SECOND WARM_UP_S WINDOW_S    prints packets and seconds of the window

0 packets/s is as fast as one can. A pace is kept in bursts of a millisecond.
"""

import contextlib
import socket
import sys
import time
from pathlib import Path

FRAME = bytes.fromhex("024d42000001024d420000000800") + bytes(46)
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20  # linux/if_packet.h
BURST_SECONDS = 0.001
FLOOD_BURST = 500


def received(port: str) -> int:
    """Return how many frames came out of the machine by this tap."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == port:
            return int(counters.split()[1])
    raise LookupError(f"there is no port {port}")


def main() -> None:
    """Send, and count within the window."""
    entrance, exit_ = sys.argv[1:3]
    pace, warm_up_s, window_s = map(float, sys.argv[3:])
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((entrance, 0))
    sender.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    start = time.monotonic()
    sent, first, begin = 0, 0, 0.0
    while (now := time.monotonic()) < start + warm_up_s + window_s:
        if not begin and now >= start + warm_up_s:
            begin, first = now, received(exit_)
        due = FLOOD_BURST if not pace else int((now - start) * pace) - sent
        for _ in range(due):
            with contextlib.suppress(OSError):  # the port is full: the frame is lost here, and not counted there
                sender.send(FRAME)
        sent += due
        if pace:
            time.sleep(BURST_SECONDS)
    print(received(exit_) - first, time.monotonic() - begin)


if __name__ == "__main__":
    main()
