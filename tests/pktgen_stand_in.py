#!/usr/bin/env python3
"""A stand-in for netmap's pkt-gen, for tests only: real frames over packet sockets, pkt-gen's own words around them.

It understands the options that our driver gives, prints the formats of the version that the environment
variable STAND_IN_VERSION names (11.1 or 13.0), and leaves with its summary on the first SIGINT. It fails as
pkt-gen does when STAND_IN_FAULT says how.
"""

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
import time

VERSION = os.environ.get("STAND_IN_VERSION", "13.0")
FAULT = os.environ.get("STAND_IN_FAULT", "")
BURST = 8


def say(function: str, text: str) -> None:
    now = time.time()
    print(f"{int(now) % 1000:03d}.{int(now % 1 * 1e6):06d} {function} [1234] {text}", file=sys.stderr, flush=True)


def scaled(value: float) -> str:
    units = ["", "K", "M", "G"]
    while value >= 1000:
        value /= 1000
        units.pop(0)
    return f"{value:.3f} {units[0]}"


class PktGen:
    def __init__(self) -> None:
        parser = argparse.ArgumentParser(add_help=False)
        for option in "ifwTlnsdSDR":
            parser.add_argument(f"-{option}")
        self.options = parser.parse_args()
        self.sending = self.options.f == "tx"
        self.size = int(self.options.l or 60)
        self.rate = int(self.options.R or 2000)
        self.most = int(self.options.n or 0) or sys.maxsize
        self.interval = int(self.options.T) / 1000
        self.packets = self.bytes = self.reported = 0
        self.stopped = False

    def main(self) -> int:
        port = self.options.i.removeprefix("netmap:")
        say("main", f"interface is netmap:{port}")
        problems = {
            "module": f"Unable to open netmap:{port}: /dev/netmap: No such file or directory",
            "busy": f"Unable to open netmap:{port}: Device or resource busy",
            "mtu": f"pkt_size ({self.size}) must be <= mtu (1500)",
        }
        if FAULT in problems and (FAULT != "mtu" or self.sending):
            say("main", problems[FAULT])
            return 255
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((port, 0 if self.sending else 3))
        print(f"{'Sending on' if self.sending else 'Receiving from'} netmap:{port}: 1 queues, 1 threads and 1 cpus.")
        say("start_threads", f"Wait {self.options.w} secs for phy reset")
        time.sleep(float(self.options.w))
        say("start_threads", "Ready...")
        signal.signal(signal.SIGINT, self.stop)
        self.work()
        self.summary()
        return 0

    def stop(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.stopped = True

    def work(self) -> None:
        header = (
            bytes.fromhex("".join((self.options.D + self.options.S).split(":"))) + b"\x08\x00" if self.sending else b""
        )
        frame = (header + b"\x45" + bytes(7) + b"\x40\x11").ljust(self.size, b"\0")
        begin = last = time.time()
        while not self.stopped and self.packets < self.most:
            now = time.time()
            if now - last >= self.interval:
                self.line(now - last)
                last = now
            if not self.sending:
                self.receive(last + self.interval - now)
            elif FAULT == "silent" or self.bytes >= (now - begin) * self.rate * self.size:
                time.sleep(0.001)
            else:
                burst = min(BURST, self.most - self.packets)
                for _ in range(burst):
                    self.socket.send(frame)
                self.count(burst * (1000 if FAULT == "claims" else 1), burst * self.size)
        self.seconds = time.time() - begin
        if FAULT == "thread":
            say("main_thread", "ouch, thread 0 exited with error")
        self.line(time.time() - last)

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
        elif VERSION == "11.1":
            say("main_thread", f"{packets * 10**6 // usec} pps ({packets} pkts in {usec} usec)")
        else:
            rates = f"{scaled(packets / seconds)}pps ({scaled(packets)}pkts {scaled(packets * self.size * 8)}bps"
            say("main_thread", f"{rates} in {usec} usec) 0.00 avg_batch 99999 min_space")

    def summary(self) -> None:
        verb = "Sent" if self.sending else "Received"
        if not self.packets:
            print(f"{verb} nothing.")
        elif VERSION != "11.1":
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
    sys.exit(PktGen().main())
