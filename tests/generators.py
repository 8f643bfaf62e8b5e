"""The generators' drivers, and what tests of them share: loads, a cable, and what reaches its far end."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers import eventually
from middlebench.generators.base import Generator
from middlebench.generators.pkt_gen import driver as pkt_gen
from middlebench.generators.trafgen import driver as trafgen
from middlebench.hosts.base import Host, Ports
from middlebench.model.frames import line_rate_pps
from middlebench.model.mix import FrameSize, sizes_of
from middlebench.model.traffic import Load

TESTS = Path(__file__).parent
GENERATORS: dict[str, Callable[[Host, Ports], Generator]] = {
    "trafgen": trafgen.Trafgen,
    "pkt-gen": lambda host, ports: pkt_gen.PktGen(
        pkt_gen.Options(driver="pkt-gen", program=str(TESTS / "pktgen_stand_in.py"), link_wait_s=0), host, ports
    ),
}
"""netmap's own pkt-gen needs its module: a stand-in that sends real frames takes its place."""

FAR_END = "direct1"
CABLE: Ports = ("direct0", FAR_END)
"""A port of the test computer's, and the other end of its link."""


def paced(frame_size: FrameSize, **changes: float) -> Load:
    """A load that any machine carries without loss."""
    times = {"warm_up_s": 0.1, "window_s": 0.3, "sample_interval_s": 0.1} | changes
    return Load(frame_size, packets_per_second=1000, saturating=False, **times)


def saturating(frame_size: FrameSize, rate_mbps: float) -> Load:
    line_rate = line_rate_pps(rate_mbps * 1e6, statistics.mean(sizes_of(frame_size)))
    return Load(frame_size, line_rate, saturating=True, warm_up_s=0.1, window_s=0.3, sample_interval_s=0.1)


def received_at(host: Host, port: str) -> tuple[int, int]:
    """The kernel's own count of packets and bytes that reached a port."""
    shown = json.loads(host.run(["ip", "-json", "-statistics", "link", "show", "dev", port]).stdout)
    return shown[0]["stats64"]["rx"]["packets"], shown[0]["stats64"]["rx"]["bytes"]


CAPTURE = """
import json, select, socket, sys
receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
receiver.bind((sys.argv[1], 3))  # ETH_P_ALL
found = []
while len(found) < int(sys.argv[2]) and select.select([receiver], [], [], 20)[0]:
    frame, address = receiver.recvfrom(65536)
    if address[2] != socket.PACKET_OUTGOING:
        found.append(frame.hex())
print(json.dumps(found))
"""


def captured(host: Host, port: str, count: int, act: Callable[[], object]) -> list[bytes]:
    """Return the first frames that reach a port while something is done, as a socket of the test's own sees them."""
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(host.run, host.script(CAPTURE, port, str(count)))
        eventually(lambda: " 0003 " in host.run(["cat", "/proc/net/packet"]).stdout, "it listens")
        act()
        return [bytes.fromhex(frame) for frame in json.loads(seen.result().stdout)]


def source_port(frame: bytes) -> int:
    return int.from_bytes(frame[34:36], "big")
