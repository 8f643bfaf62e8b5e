"""Runs on the test computer: sends probes, or runs a generator and reads both ports' counters.

One process does it all next to the ports, so that the moments at which counters are read do not
depend on how far away the caller is. Standard library only: it is handed to the host's own
``python3`` as text. Standard input is a lifeline: when it ends, so do we and the generator.

    python3 -c THIS '{"verb": "probe" or "load", …}'    answers one JSON object on standard output
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.hosts.shared.usage_agent import children_usage, machine, processors

Request = dict[str, Any]
Counters = dict[str, tuple[int, int, int, int]]
"""For each port: rx bytes, rx packets, tx bytes, tx packets."""
Reading = tuple[float, Counters]
"""A moment, and what the ports had counted then."""

ETH_P_ALL = 3
SCRATCH_FOLDER = "/tmp"  # trafgen makes, and removes at once, a file in its working folder
END_POLL_SECONDS = 0.002
PACKET_OUTGOING = 4  # linux/if_packet.h: a frame of our own that the socket overhears


def read_counters(ports: Collection[str]) -> Reading:
    """Return (moment, {port: (rx bytes, rx packets, tx bytes, tx packets)}) from one read of the kernel's table."""
    moment = time.monotonic()
    with open("/proc/net/dev") as table:
        lines = table.readlines()
    counters = {}
    for line in lines[2:]:
        name, _, rest = line.partition(":")
        if name.strip() in ports:
            values = [int(value) for value in rest.split()]
            counters[name.strip()] = (values[0], values[1], values[8], values[9])
    missing = [port for port in ports if port not in counters]
    if missing:
        fail(f"there is no port {missing[0]}")
    return moment, counters


def fail(message: str) -> NoReturn:
    """End with a message for the caller."""
    print(json.dumps({"error": message}), flush=True)
    sys.exit(1)


def caller_is_gone(seconds: float) -> bool:
    """Wait for ``seconds``, and say whether the lifeline ended in that time."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([0], [], [], left)[0] and not os.read(0, 1):
            return True
    return False


def open_port(port: str, protocol: int) -> socket.socket:
    """Return a packet socket on ``port``; until it is bound it sees no frame of any port."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        packets.bind((port, protocol))
    except OSError as error:
        fail(f"port {port}: {error.strerror}")
    return packets


def probe(request: Request) -> dict[str, object]:
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
    return {"sent": len(frames), "returned": returned, "strange": strange}


def pin(group: int, cpus: Collection[int]) -> None:
    """Keep every process of a process group to ``cpus``: trafgen binds itself to processor 0."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.getpgid(int(entry)) == group:
                    os.sched_setaffinity(int(entry), cpus)
            except OSError:
                continue  # it ended in between


def stop(generator: "subprocess.Popen[bytes]", log: TextIO) -> str:
    """End the generator's process group, gently first, and return what it printed."""
    for signal_number, patience in ((signal.SIGINT, 2.0), (signal.SIGKILL, 2.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(generator.pid, signal_number)
        try:
            generator.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    with contextlib.suppress(ProcessLookupError):
        os.killpg(generator.pid, signal.SIGKILL)  # children that outlived their parent
    log.seek(0)
    return log.read()[-4000:]


def await_first_frame(generator: "subprocess.Popen[bytes]", port: str, before: Counters, limit: float) -> bool:
    """Wait until the sending port has counted a frame; false where the generator ends, or ``limit`` passes, without."""
    while True:
        ended = generator.poll() is not None
        if read_counters([port])[1][port] != before[port]:
            return True
        if ended or time.monotonic() > limit:
            return False
        if caller_is_gone(0.001):
            sys.exit(1)


def await_end(generator: "subprocess.Popen[bytes]", limit: float) -> None:
    """Wait until the generator ends by itself; it gets no longer than to the moment ``limit``."""
    while generator.poll() is None and time.monotonic() < limit:
        if caller_is_gone(END_POLL_SECONDS):
            sys.exit(1)


def drain(
    ports: "tuple[str, str]", before: Counters, quiet_s: float, missing_quiet_s: float, limit_s: float
) -> "tuple[Counters, bool]":
    """Wait until nothing moves any more; return the counters then, and whether that came within ``limit_s``.

    That is when nothing has moved for ``quiet_s``; where frames are missing, which may only be late, for
    ``missing_quiet_s``.
    """
    sender, receiver = ports
    _, last = read_counters(ports)
    moved = start = time.monotonic()
    while time.monotonic() - start < limit_s:
        if caller_is_gone(quiet_s):
            sys.exit(1)
        moment, now = read_counters(ports)
        if now != last:
            moved, last = moment, now
            continue
        missing = now[sender][3] - before[sender][3] - (now[receiver][1] - before[receiver][1])
        if not missing or moment - moved >= missing_quiet_s:
            return last, True
    return last, False


def load(request: Request) -> dict[str, object]:
    """Run the generator; read both ports before it, through the window, and after the drain."""
    ports = (request["tx_port"], request["rx_port"])
    _, first = read_counters(ports)
    if caller_is_gone(request["silence_s"]):
        sys.exit(1)
    _, before = read_counters(ports)
    if before != first:
        fail("something else sends frames on the measured ports: they were counted before the generator started")
    with open("/dev/null") as nothing, os.fdopen(os.memfd_create("generator"), "w+", errors="replace") as log:
        generator = subprocess.Popen(
            request["argv"],
            cwd=SCRATCH_FOLDER,
            stdin=nothing,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        samples, spent = [], []
        try:
            start = time.monotonic()
            if not await_first_frame(generator, ports[0], before, start + request["start_limit_s"]):
                said = stop(generator, log)
                fail(f"the generator sent nothing (exit status {generator.returncode}); it said: {said}")
            if request["cpus"]:
                pin(generator.pid, request["cpus"])
            start = time.monotonic()
            for moment in request["moments_s"]:
                if caller_is_gone(max(0.0, start + moment - time.monotonic())):
                    sys.exit(1)
                samples.append(read_counters(ports))
                spent.append(processors())
            ended_early = request["end_limit_s"] is None and generator.poll() is not None
            if request["end_limit_s"] is not None:
                await_end(generator, start + request["end_limit_s"])
                samples.append(read_counters(ports))
                spent.append(processors())
        finally:
            said = stop(generator, log)
    traffic_s = time.monotonic() - start
    last, drained = drain(ports, before, request["drain_quiet_s"], request["missing_quiet_s"], request["drain_limit_s"])
    return {
        "ended_early": ended_early,
        "status": generator.returncode,
        "drained": drained,
        "before": before,
        "samples": samples,
        "after": last,
        "traffic_s": traffic_s,
        "processors": [spent[0], spent[-1]],
        "machine": machine(),
        "usage": children_usage(),
        "said": said,
    }


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        answer = {"probe": probe, "load": load}[request["verb"]](request)
    except OSError as error:
        fail(f"{error.strerror}: {error.filename or 'packet socket'}")
    print(json.dumps(answer), flush=True)
