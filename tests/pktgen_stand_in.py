#!/usr/bin/env python3
"""A stand-in for netmap's pkt-gen, for tests only: real frames over packet sockets, pkt-gen's own words around them.

It understands the options that our driver gives, prints the formats of the version that the environment
variable STAND_IN_VERSION names (11.1 or 13.0), and leaves with its summary on the first SIGINT. What else it
shares with the real one, as that was seen under Linux 6.1:

- with `-R` no frame leaves before the next whole second but one after `Ready...`;
- with `-R` frames leave in bursts of `-b`, or of a 300th of the rate where that is less;
- a port that is opened exclusively (`netmap:PORT/x`) cannot be opened a second time, nor exclusively where
  another one has it; version 11.1 does not know `/x`;
- where it refuses, its standard error ends with its usage page.

It fails as pkt-gen does when STAND_IN_FAULT says how.
"""

import argparse
import contextlib
import errno
import math
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path

VERSION = os.environ.get("STAND_IN_VERSION", "13.0")
FAULT = os.environ.get("STAND_IN_FAULT", "")
OLD = VERSION == "11.1"
DEFAULT_BURST = 512
SECOND = float(os.environ.get("STAND_IN_SECOND", "1"))
"""How long its seconds last where it waits for one; a test that is not about that need not wait."""
CARD_PACKETS_PER_SECOND = 4000
"""What this card sends at the most: a link of netmap's own has no shaper."""
LATE_PACKETS, LATE_SECONDS = 20, 1.5
USAGE = """Usage:
pkt-gen arguments
     -h      Show program usage and exit.

     -i interface
             Name of the network interface that pkt-gen operates on.  It can be a system network interface
             (e.g., em0), the name of a vale(4) port, or any valid netmap port name.
""" + "".join(f"\n     -{letter} value\n             What {letter} is.\n" for letter in "nlbdsDSacpTwRXHPzZNFMIWvrABCo")


def say(function: str, text: str) -> None:
    now = time.time()
    print(f"{int(now) % 1000:03d}.{int(now % 1 * 1e6):06d} {function} [1234] {text}", file=sys.stderr, flush=True)


def scaled(value: float) -> str:
    units = ["", "K", "M", "G"]
    while value >= 1000:
        value /= 1000
        units.pop(0)
    return f"{value:.3f} {units[0]}"


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Refused(Exception):
    """The port cannot be had."""


class PktGen:
    def __init__(self) -> None:
        parser = argparse.ArgumentParser(add_help=False)
        for option in "ifwTlnsdSDRb":
            parser.add_argument(f"-{option}")
        self.options = parser.parse_args()
        self.sending = self.options.f == "tx"
        self.size = int(self.options.l or 60)
        self.rate = int(self.options.R or 0)
        self.burst = int(self.options.b or DEFAULT_BURST)
        if self.rate:
            self.burst = max(1, min(self.burst, self.rate // 300))
        self.most = int(self.options.n or 0) or sys.maxsize
        self.interval = int(self.options.T) / 1000
        self.packets = self.bytes = self.reported = 0
        self.stopped = False

    def main(self) -> int:
        name = self.options.i.removeprefix("netmap:")
        port, _, flags = name.partition("/")
        say("main", f"interface is {self.options.i}")
        try:
            self.open(port, flags)
        except Refused as refusal:
            print(refusal.args[0], file=sys.stderr)
            say("main", "aborting")
            print(USAGE, file=sys.stderr, flush=True)
            return 255
        if FAULT == "mtu" and self.sending:
            say("main", f"pkt_size ({self.size}) must be <= mtu (1500)")
            return 255
        print(f"{'Sending on' if self.sending else 'Receiving from'} netmap:{port}: 1 queues, 1 threads and 1 cpus.")
        say("start_threads", f"Wait {self.options.w} secs for phy reset")
        time.sleep(float(self.options.w))
        signal.signal(signal.SIGINT, signal.SIG_IGN if FAULT == "hang" else self.stop)
        say("start_threads", "Ready...")
        self.work()
        self.summary()
        return 0

    def open(self, port: str, flags: str) -> None:
        """Have the port as netmap gives it: one exclusively, or all who do not ask for that."""
        opened = f"netmap:{port}" if OLD else port
        if FAULT == "module":
            missing = f"/dev/netmap: {os.strerror(errno.ENOENT)}"
            raise Refused(f"nm_open [542] cannot open /dev/netmap {port}" if OLD else missing)
        if FAULT == "native-only":
            raise Refused(self.refusal(opened, errno.EOPNOTSUPP))
        if FAULT == "api":
            raise Refused(self.refusal(opened, errno.EINVAL))
        if OLD and flags:
            raise Refused(f"nm_open [520] unexpected characters: '/{flags}'")
        with Path("/proc/net/unix").open(
            encoding="utf-8"
        ) as table:  # whoever has a netmap port, in this network namespace
            names = [line.split()[-1] for line in table if f"@netmap:{port}:" in line]
        if FAULT == "busy" or any(flags or each.endswith("exclusive") for each in names):
            raise Refused(self.refusal(opened, errno.EBUSY))
        try:
            socket.if_nametoindex(port)
        except OSError:
            raise Refused(self.refusal(opened, errno.ENXIO)) from None
        self.registered = socket.socket(socket.AF_UNIX)
        self.registered.bind(f"\0netmap:{port}:{os.getpid()}:{'exclusive' if flags else 'shared'}")
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((port, 0 if self.sending else 3))

    def refusal(self, port: str, number: int) -> str:
        if OLD:
            now = time.time()
            return f"{int(now) % 1000:03d}.{int(now % 1 * 1e6):06d} main [1890] Unable to open {port}: " + (
                os.strerror(number)
            )
        return f"{port}: {os.strerror(number)}"

    def stop(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        say("sigint_h", "received control-C on thread 0x7f0000000000")
        self.stopped = True

    def work(self) -> None:
        last = time.time()
        begin = (
            (math.floor(last / SECOND) + 2) * SECOND if self.sending and self.rate else last
        )  # seen of every version
        rate = self.rate or CARD_PACKETS_PER_SECOND
        frames = self.frames() if self.sending else []
        started = begin
        while not self.stopped and self.packets < self.most:
            now = time.time()
            if now - last >= self.interval:
                self.line(now - last)
                last = now
            if not self.sending:
                self.receive(last + self.interval - now)
            elif now < begin or FAULT == "silent" or self.sent >= (now - begin) * rate:
                time.sleep(0.0005)
            else:
                for _ in range(min(self.burst if self.rate else 8, self.most - self.packets)):
                    self.socket.send(frames[self.sent % len(frames)])
                    self.sent += 1
                    self.count(1000 if FAULT == "claims" else 1, self.size)
        if self.sending and FAULT == "late":
            self.send_late(frames)
        self.seconds = time.time() - started
        if FAULT == "thread":
            say("main_thread", "ouch, thread 0 exited with error")
        self.line(time.time() - last)

    sent = 0

    def frames(self) -> list[bytes]:
        """Return a frame a flow, as many as the range of source ports has."""
        ends = [end.rpartition(":") for end in self.options.s.split("-")]
        first, last = (int(end[2]) if end[1] else 1234 for end in (ends[0], ends[-1]))
        addresses = [socket.inet_aton(end[0] or end[2]) for end in (ends[0], self.options.d.rpartition(":"))]
        ethernet = bytes.fromhex("".join((self.options.D + self.options.S).split(":"))) + b"\x08\x00"
        ip = struct.pack("!BBHHHBBH", 0x45, 0, self.size - 14, 0, 0, 64, 17, 0) + addresses[0] + addresses[1]
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        udp = [struct.pack("!HHHH", port, 1234, self.size - 34, 0) for port in range(first, last + 1)]
        return [(ethernet + ip + each).ljust(self.size, b"\0") for each in udp]

    def send_late(self, frames: list[bytes]) -> None:
        """Count frames that wait in a ring, and let them leave when we have ended."""
        self.count(LATE_PACKETS, LATE_PACKETS * self.size)
        if os.fork() == 0:
            os.setsid()
            for _ in range(LATE_PACKETS):
                time.sleep(LATE_SECONDS / LATE_PACKETS)
                self.socket.send(frames[0])
            os._exit(0)

    def receive(self, seconds: float) -> None:
        if select.select([self.socket], [], [], max(0.0, seconds))[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, address = self.socket.recvfrom(65536, socket.MSG_DONTWAIT)
                    if address[2] != socket.PACKET_OUTGOING:
                        self.count(1, len(data))

    def count(self, packets: int, size: int) -> None:
        self.packets += packets
        self.bytes += size

    def line(self, seconds: float) -> None:
        packets, self.reported = self.packets - self.reported, self.packets
        usec = int(seconds * 1e6)
        if usec < 10000:
            self.reported -= packets
            return
        if FAULT == "format":
            say("main_thread", f"{packets} frames per {usec} us")
        elif OLD:
            say("main_thread", f"{packets * 10**6 // usec} pps ({packets} pkts in {usec} usec)")
        else:
            rates = f"{scaled(packets / seconds)}pps ({scaled(packets)}pkts {scaled(packets * self.size * 8)}bps"
            say("main_thread", f"{rates} in {usec} usec) 0.00 avg_batch 99999 min_space")

    def summary(self) -> None:
        verb = "Sent" if self.sending else "Received"
        if not self.packets:
            print(f"{verb} nothing.")
        elif not OLD:
            each = f"{self.packets} packets {self.bytes} bytes 0 events {self.bytes // self.packets} bytes each"
            print(f"{verb} {each} in {self.seconds:.2f} seconds.")
            rates = f"{scaled(1.0)}pps Bandwidth: {scaled(1.0)}bps (raw {scaled(1.0)}bps)"
            print(f"Speed: {rates}. Average batch: inf pkts")
        elif self.sending:
            print(f"Sent {self.packets} packets, {self.size} bytes each, in {self.seconds:.2f} seconds.")
            print("Speed: 1.00 Kpps Bandwidth: 1.00 Mbps (raw 1.00 Mbps)")
        else:
            print(f"Received {self.packets} packets, in {self.seconds:.2f} seconds.")
            print("Speed: 1.00 Kpps")


if __name__ == "__main__":
    status = PktGen().main()
    sys.stdout.flush()
    os._exit(status)  # while an interpreter ends, it no longer handles SIGINT; a C program does to its end
