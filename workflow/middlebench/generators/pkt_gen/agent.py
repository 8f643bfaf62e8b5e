"""Runs on the test computer: a receiving and a sending pkt-gen, from before the warm-up to after the drain.

One process does it all next to the ports, so that no moment depends on how far away the caller is.
Standard library only: it is handed to the host's own ``python3`` as text. Standard input
stays open while our caller lives: when it ends, so do we and both pkt-gen, which gives the ports back to the kernel.

    python3 -c THIS '{"sender": [argv], "receiver": [argv], …}'    answers one JSON object on standard output
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.hosts.shared.devices_agent import state_of
    from middlebench.hosts.shared.usage_agent import children_usage, end_with_parent, machine, processors

READY = "Ready..."
"""What pkt-gen says when it has waited for the link and starts."""
BUSY = "resource busy"
"""What netmap says of a port that somebody else has."""
COUNTED = re.compile(r"main_thread ?\[ *\d+\].*\((\d+(?:\.\d+)?) ?[KMGT]?pkts\b|main_thread ?\[ *\d+\].*\((\d+) pkts\b")
"""A line that tells what was counted in an interval; ``output.py`` reads it exactly."""
IFF_RUNNING = 0x40  # linux/if.h
POLL_SECONDS = 0.02
KILL_SECONDS = 2.0
"""How long a pkt-gen may take to end by SIGKILL; one that hangs in the kernel never does."""


class Tool:
    """One pkt-gen. Its first SIGINT makes it print its summary and leave; a second one would kill it."""

    def __init__(self, argv: list[str]) -> None:
        self.streams: list[TextIO] = [os.fdopen(os.memfd_create(n), "w+", errors="replace") for n in ("out", "err")]
        self.started = time.time()
        try:
            with open("/dev/null", encoding="utf-8") as nothing:
                self.process = subprocess.Popen(
                    argv,
                    stdin=nothing,
                    stdout=self.streams[0],
                    stderr=self.streams[1],
                    preexec_fn=end_with_parent,  # noqa: PLW1509  # there is one thread
                )
        except FileNotFoundError:
            fail("no program", argv[0])
        self.interrupted = False
        self.may_end = False
        tools.append(self)

    def said(self) -> dict[str, Any]:
        """Return what it has printed so far, and how it ended."""
        texts = []
        for stream in self.streams:
            size = os.fstat(stream.fileno()).st_size
            texts.append(os.pread(stream.fileno(), size, 0).decode(errors="replace"))
        return {"stdout": texts[0], "stderr": texts[1], "status": self.process.poll(), "started": self.started}

    def counted(self) -> list[bool]:
        """Return of each interval until now whether it counted anything in it."""
        found = COUNTED.findall(self.said()["stderr"])
        return [float(scaled or plain) > 0 for scaled, plain in found]

    def await_ready(self, seconds: float) -> None:
        """Wait until it works, or has ended where it may."""
        end = time.monotonic() + seconds
        while READY not in self.said()["stderr"] and not (self.may_end and self.process.poll() is not None):
            if time.monotonic() > end:
                fail("not ready", self.said())
            wait(POLL_SECONDS)

    def await_traffic(self, seconds: float) -> None:
        """Wait until it tells of a frame: at a given rate it begins up to two seconds after it is ready."""
        end = time.monotonic() + seconds
        while not any(self.counted()):
            if self.process.poll() is not None:
                return
            if time.monotonic() > end:
                self.interrupt(KILL_SECONDS)
                fail("silent", self.said())
            wait(POLL_SECONDS)

    def interrupt(self, seconds: float) -> None:
        """End it so that it tells its figures; in ``seconds``, or else by force and as an error."""
        if not self.interrupted:
            self.interrupted = True
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            fail("does not end" if self.kill() else "hangs", self.said())

    def kill(self) -> bool:
        """End it by force; return whether it ended, which one that hangs in the kernel does not."""
        self.interrupted = True
        self.process.kill()
        try:
            self.process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True


class KernelLog:
    """What netmap says in the kernel's log, from when we open it; nothing where we may not read it."""

    file: "int | None" = None

    def __init__(self) -> None:
        self.lines: list[str] = []

    def open(self) -> None:
        """Begin behind the last line that is there."""
        try:
            self.file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self.file, 0, os.SEEK_END)
        except OSError:
            return

    def read(self) -> "list[str]":
        """Return the lines until now."""
        while self.file is not None:
            try:
                self.lines.append(os.read(self.file, 8192).decode(errors="replace").partition(";")[2].strip())
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # lines were overwritten before we read them: the next read goes on behind them
            except OSError:
                break
        return [line for line in self.lines if "netmap" in line]


tools: "list[Tool]" = []
kernel_log = KernelLog()


def fail(kind: str, said: Any) -> NoReturn:
    """End with a message for the caller."""
    print(json.dumps({"error": kind, "said": said, "kernel": kernel_log.read()}), flush=True)
    sys.exit(1)


def wait(seconds: float) -> None:
    """Wait; leave when the caller is gone or a pkt-gen ends meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([0], [], [], min(left, 0.1))[0] and not os.read(0, 1):
            sys.exit(1)
        for tool in tools:
            if tool.process.poll() is not None and not (tool.interrupted or tool.may_end):
                fail("ended", tool.said())


def await_end(tool: Tool, seconds: float) -> None:
    """Wait until a pkt-gen has sent all that it was to send, and has ended; no longer than ``seconds``."""
    end = time.monotonic() + seconds
    while tool.process.poll() is None and time.monotonic() < end:
        wait(POLL_SECONDS)


def await_silence(receiver: Tool, intervals: int, limit_s: float) -> bool:
    """Wait until the receiver has counted nothing in ``intervals`` whole intervals; false when that did not come."""
    before, end = len(receiver.counted()), time.monotonic() + limit_s
    while time.monotonic() < end:
        since = receiver.counted()[before + 1 :]  # the first one began before we asked
        if len(since) >= intervals and not any(since[-intervals:]):
            return True
        wait(POLL_SECONDS)
    return False


def await_links(ports: list[str], seconds: float) -> None:
    """Wait until all ports have a link; entering and leaving netmap mode takes it away for a while."""
    end = time.monotonic() + seconds
    while dark := [port for port in ports if not (state_of(port) or (0, 0))[0] & IFF_RUNNING]:
        if time.monotonic() > end:
            fail("no link", dark)
        wait(POLL_SECONDS)


def others(device: str, ports: list[str], ours: "Collection[int]") -> list[str]:
    """Return the processes, each by number and command, that have a netmap device open for one of the ports.

    Netmap does not tell who has which port: it is taken from the command line.
    """
    named = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, ports)) + r")(?![\w.])")
    found = []
    for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        if int(entry) in ours:
            continue
        try:
            files = [os.readlink(f"/proc/{entry}/fd/{number}") for number in os.listdir(f"/proc/{entry}/fd")]
            with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read().replace("\0", " ").strip()
        except OSError:
            continue  # it ended in between, or is not ours to look at
        if device in files and named.search(command):
            found.append(f"{entry} ({command})")
    return found


def demand_alone(request: dict[str, Any]) -> None:
    """End with an error where another program uses netmap on our ports."""
    if found := others(request["device"], request["ports"], {tool.process.pid for tool in tools}):
        fail("other users", found)


def start(argvs: list[list[str]], seconds: float) -> "tuple[Tool, int]":
    """Start a pkt-gen by the first command that it takes; return it when it works, and which command that was.

    A version that does not know how to open a port exclusively refuses that at once.
    """
    for number, argv in enumerate(argvs):
        tool = Tool(argv)
        tool.may_end = number + 1 < len(argvs)
        tool.await_ready(seconds)
        if tool.process.poll() is None or not tool.may_end:
            break
        if BUSY in tool.said()["stderr"]:
            fail("ended", tool.said())
        tools.remove(tool)
    tool.may_end = False
    return tool, number


def main(request: dict[str, Any]) -> None:
    """Receiver first, then sender; window; sender's end, drain, receiver's end."""
    demand_alone(request)
    kernel_log.open()
    receiver, number = start(request["receivers"], request["ready_s"])
    sender, _ = start(request["senders"][number:], request["ready_s"])
    sender.may_end = request["bounded"]
    sending = sender.started
    await_links(request["ports"], request["link_s"])
    sender.await_traffic(request["silent_s"])
    wait(request["warm_up_s"])
    begin, idle = time.time(), processors()
    if request["bounded"]:
        await_end(sender, request["window_s"])
    else:
        # A line tells of an interval behind it: the last ones of the window come after it.
        wait(request["window_s"] + request["lines_s"])
    used = processors()
    demand_alone(request)
    sender.interrupt(request["interrupt_s"])
    stopped = time.time()
    drained = await_silence(receiver, request["quiet_intervals"], request["drain_s"])
    receiver.interrupt(request["interrupt_s"])
    await_links(request["ports"], request["link_s"])
    print(
        json.dumps(
            {
                "sender": sender.said(),
                "receiver": receiver.said(),
                "sending": sending,
                "begin": begin,
                "stopped": stopped,
                "drained": drained,
                "processors": [idle, used],
                "machine": machine(),
                "usage": children_usage(),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main(json.loads(sys.argv[1]))
    finally:
        for each in tools:
            if each.process.poll() is None:
                each.kill()
