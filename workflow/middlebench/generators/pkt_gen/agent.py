"""Runs on the test computer: a receiving and a sending pkt-gen, from before the warm-up to after the drain.

One process does it all next to the ports, so that no moment depends on how far away the caller is.
Standard library only: it is handed to the host's own ``python3`` as text. Standard input is a
lifeline: when it ends, so do we and both pkt-gen, which gives the ports back to the kernel.

    python3 -c THIS '{"sender": [argv], "receiver": [argv], …}'    answers one JSON object on standard output
"""

import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.hosts.shared.usage_agent import children_usage, machine, processors

READY = "Ready..."
"""What pkt-gen says when it has waited for the link and starts."""
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40  # linux/sockios.h, linux/if.h
POLL_SECONDS = 0.02
INTERRUPT_SECONDS = 10.0
"""How long pkt-gen may take from SIGINT to its end."""


class Tool:
    """One pkt-gen. Its first SIGINT makes it print its summary and leave; a second one would kill it."""

    def __init__(self, argv: list[str]) -> None:
        self.streams: list[TextIO] = [os.fdopen(os.memfd_create(n), "w+", errors="replace") for n in ("out", "err")]
        self.started = time.time()
        try:
            with open("/dev/null") as nothing:
                self.process = subprocess.Popen(argv, stdin=nothing, stdout=self.streams[0], stderr=self.streams[1])
        except FileNotFoundError:
            fail("no program", argv[0])
        self.interrupted = False
        self.may_end = False

    def said(self) -> dict[str, Any]:
        """Return what it has printed so far, and how it ended."""
        texts = []
        for stream in self.streams:
            size = os.fstat(stream.fileno()).st_size
            texts.append(os.pread(stream.fileno(), size, 0).decode(errors="replace"))
        return {"stdout": texts[0], "stderr": texts[1], "status": self.process.poll(), "started": self.started}

    def await_ready(self, seconds: float) -> None:
        """Wait until it works."""
        end = time.monotonic() + seconds
        while READY not in self.said()["stderr"]:
            if self.process.poll() is not None:
                fail("ended", self.said())
            if time.monotonic() > end:
                fail("not ready", self.said())
            wait(POLL_SECONDS)

    def interrupt(self) -> None:
        """End it so that it tells its figures."""
        if not self.interrupted:
            self.interrupted = True
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(INTERRUPT_SECONDS)
        except subprocess.TimeoutExpired:
            fail("does not end", self.said())


tools: list[Tool] = []


def fail(kind: str, said: Any) -> NoReturn:
    """End with a message for the caller."""
    print(json.dumps({"error": kind, "said": said}), flush=True)
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
    tool.may_end = True
    end = time.monotonic() + seconds
    while tool.process.poll() is None and time.monotonic() < end:
        wait(POLL_SECONDS)


def await_links(ports: list[str], seconds: float) -> None:
    """Wait until all ports have a link; entering and leaving netmap mode takes it away for a while."""
    end = time.monotonic() + seconds
    while dark := [port for port in ports if not has_link(port)]:
        if time.monotonic() > end:
            fail("no link", dark)
        wait(POLL_SECONDS)


def has_link(port: str) -> bool:
    """Whether a port has a link. Asked of this network namespace: /sys may show another one's ports."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack("16sH14x", port.encode(), 0))
    return bool(struct.unpack("16sH14x", answer)[1] & IFF_RUNNING)


def start(argv: list[str], seconds: float) -> Tool:
    """Start a pkt-gen and wait until it works."""
    tool = Tool(argv)
    tools.append(tool)
    tool.await_ready(seconds)
    return tool


def main(request: dict[str, Any]) -> None:
    """Receiver first, then sender; window; sender's end, drain, receiver's end."""
    receiver = start(request["receiver"], request["ready_s"])
    sender = start(request["sender"], request["ready_s"])
    sending = sender.started
    await_links(request["ports"], request["link_s"])
    wait(request["warm_up_s"])
    begin, idle = time.time(), processors()
    if request["bounded"]:
        await_end(sender, request["window_s"])
    else:
        # A line tells of an interval behind it: the last ones of the window come after it.
        wait(request["window_s"] + request["lines_s"])
    used = processors()
    sender.interrupt()
    stopped = time.time()
    wait(request["drain_s"])
    receiver.interrupt()
    await_links(request["ports"], request["link_s"])
    print(
        json.dumps(
            {
                "sender": sender.said(),
                "receiver": receiver.said(),
                "sending": sending,
                "begin": begin,
                "stopped": stopped,
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
                each.process.kill()
                each.process.wait()
