"""Runs on the test computer: runs a generator and reads both ports' counters.

One process does it all next to the ports, so that the moments at which counters are read do not
depend on how far away the caller is. Standard library only: it is handed to the host's own
``python3`` as text, behind that of ``ports_agent``. Standard input stays open while our caller lives: when
it ends, so do we and the generator.

    python3 -c THIS '{"argv": …}'    answers one JSON object on standard output
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.generators.shared.listeners_agent import Sampler, Timer
    from middlebench.generators.shared.ports_agent import Counters, Reading, caller_is_gone, fail, read_counters
    from middlebench.generators.shared.stamps_agent import PAYLOAD
    from middlebench.hosts.shared.usage_agent import children_usage, end_with_parent, machine, processors
    from middlebench.model.frames import load_frames

SCRATCH_FOLDER = "/tmp"  # trafgen makes, and removes at once, a file in its working folder
END_POLL_SECONDS = 0.002
DRAIN_LOOKS = 5
"""How often counters are read in the time for which nothing may move: the last move is known to a fifth of it."""
END_SECONDS = 2.0
"""How long the generator may take from SIGINT to its end; then it is killed."""


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
    for signal_number, patience in ((signal.SIGINT, END_SECONDS), (signal.SIGKILL, END_SECONDS)):
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


def await_first_frame(generator: "subprocess.Popen[bytes]", port: str, before: "Counters", limit: float) -> bool:
    """Wait until the sending port has counted a frame; false where the generator ends, or ``limit`` passes, without."""
    while True:
        ended = generator.poll() is not None
        if read_counters([port])[1][port] != before[port]:
            return True
        if ended or time.monotonic() > limit:
            return False
        if caller_is_gone(0.001):
            sys.exit(1)


def now(ports: "tuple[str, str]") -> "tuple[Reading, str, int]":
    """Return what the ports have counted, how processors have spent their time, and the wall clock's nanoseconds."""
    return read_counters(ports), processors(), time.time_ns()


def await_end(generator: "subprocess.Popen[bytes]", limit: float) -> None:
    """Wait until the generator ends by itself; it gets no longer than to the moment ``limit``."""
    while generator.poll() is None and time.monotonic() < limit:
        if caller_is_gone(END_POLL_SECONDS):
            sys.exit(1)


def drain(
    ports: "tuple[str, str]", before: "Counters", quiet_s: float, missing_quiet_s: float, limit_s: float
) -> "tuple[Counters, bool]":
    """Wait until nothing moves any more; return the counters then, and whether that came within ``limit_s``.

    That is when nothing has moved for ``quiet_s``; where frames are missing, which may only be late, for
    ``missing_quiet_s``.
    """
    sender, receiver = ports
    _, last = read_counters(ports)
    moved = start = time.monotonic()
    while time.monotonic() - start < limit_s:
        if caller_is_gone(quiet_s / DRAIN_LOOKS):
            sys.exit(1)
        moment, now = read_counters(ports)
        if now != last:
            moved, last = moment, now
            continue
        missing = now[sender][3] - before[sender][3] - (now[receiver][1] - before[receiver][1])
        if moment - moved >= (missing_quiet_s if missing else quiet_s):
            return last, True
    return last, False


def packet_file(frames: "list[bytes]") -> int:
    """Return a file of frames as trafgen reads them, in turn; their payload is zero."""
    file = os.memfd_create("packets")
    for each in frames:
        header = ", ".join(f"0x{byte:02x}" for byte in each[:PAYLOAD])
        os.write(file, f"{{ {header}, fill(0x00, {len(each) - PAYLOAD}) }}\n".encode())
    return file


def timed(timer: "Timer", window_ns: "tuple[int, int]") -> "dict[str, object]":
    """End the timing; return what it noted, of the frames that left within the window each one's time."""
    unread = timer.end()
    first, last = window_ns
    ways = sorted(timer.arrived.values())
    return {
        "unread": unread,
        "twice": timer.twice,
        "arrived": len(ways),
        "nanoseconds": [took for left, took in ways if first <= left <= last],
    }


def sampled(sampler: "Sampler") -> "dict[str, object]":
    """End the sampling; return each different frame and how often it came.

    A frame is its length, and its bytes up to the last that is not zero.
    """
    sampler.end()
    return {
        "sample": [(len(frame), frame.rstrip(b"\0").hex(), count) for frame, count in sampler.frames.items()],
    }


def bounded(argv: "list[str]", limit_s: float) -> "list[str]":
    """Return the command as one that ends after ``limit_s``, and with it all processes that it started.

    ``timeout`` (coreutils) passes a signal on to its whole process group. The kernel sends it one when we end, by
    whatever: trafgen's own workers would otherwise go on sending.
    """
    return ["timeout", f"--kill-after={END_SECONDS}", f"{limit_s:.3f}", *argv]


def load(request: dict[str, Any]) -> dict[str, object]:
    """Run the generator; read both ports before it, through the window, and after the drain."""
    ports = (request["tx_port"], request["rx_port"])
    _, first = read_counters(ports)
    if caller_is_gone(request["silence_s"]):
        sys.exit(1)
    _, before = read_counters(ports)
    if before != first:
        fail("something else sends frames on the measured ports: they were counted before the generator started")
    argv, files = request["argv"], []
    if argv[0] == "trafgen":
        files = [packet_file(load_frames(request["sizes"], request["flows"]))]
        argv = [*argv, "--in", f"/proc/self/fd/{files[0]}"]
    timer = Timer(ports[1]) if request["times"] else None
    sampler = Sampler(ports[1]) if request["samples"] else None
    for listener in filter(None, (timer, sampler)):
        listener.start()
    with (
        open("/dev/null", encoding="utf-8") as nothing,
        os.fdopen(os.memfd_create("generator"), "w+", errors="replace") as log,
    ):
        generator = subprocess.Popen(
            bounded(argv, request["limit_s"]),
            pass_fds=files,
            cwd=SCRATCH_FOLDER,
            preexec_fn=lambda: end_with_parent(signal.SIGTERM),  # noqa: PLW1509  # there is one thread
            stdin=nothing,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        noted = []
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
                noted.append(now(ports))
            ended_early = request["end_limit_s"] is None and generator.poll() is not None
            if request["end_limit_s"] is not None:
                await_end(generator, start + request["end_limit_s"])
                noted.append(now(ports))
        finally:
            said = stop(generator, log)
    traffic_s = time.monotonic() - start
    last, drained = drain(ports, before, request["drain_quiet_s"], request["missing_quiet_s"], request["drain_limit_s"])
    return {
        "ended_early": ended_early,
        "status": generator.returncode,
        "drained": drained,
        "before": before,
        "samples": [counted for counted, _, _ in noted],
        "after": last,
        "traffic_s": traffic_s,
        "processors": [noted[0][1], noted[-1][1]],
        "machine": machine(),
        "usage": children_usage(),
        "said": said,
        **(timed(timer, (noted[0][2], noted[-1][2])) if timer else {}),
        **(sampled(sampler) if sampler else {}),
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        print(json.dumps(load(json.loads(sys.argv[1]))), flush=True)
    except OSError as error:
        fail(f"{error.strerror}: {error.filename or 'packet socket'}")
