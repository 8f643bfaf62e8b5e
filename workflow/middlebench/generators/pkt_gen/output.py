"""What pkt-gen prints, read: its interval lines, its summary, and its ways of failing. Pure: text in, values out.

Every format that netmap's pkt-gen has had since 2013 is known here. A line of these kinds that is none of
them is refused with the text: a figure that is misread is worse than none.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from middlebench.model.record import Sample
from middlebench.system.errors import GeneratorError

CLOCK_SECONDS = 1000
"""pkt-gen's lines carry the seconds of the wall clock modulo this (the ``D`` macro of net/netmap_user.h)."""
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

NUMBER = r"\d+(?:\.\d+)? ?[KMGT]?"
LINE = re.compile(r"^(?P<at>\d{1,3}\.\d{6}) (?P<function>\w+) ?\[ *(?P<line>\d+)\] (?P<text>.*)$")
INTERVALS = (
    # to v11.1: plain integers
    re.compile(r"^\d+ pps \((?P<packets>\d+) pkts in (?P<usec>\d+) usec\)$"),
    # since mid-2015: scaled, three digits behind the point
    re.compile(
        rf"^{NUMBER}pps (?:\[avg/std {NUMBER}/{NUMBER} pps\])?"
        rf"\((?P<packets>{NUMBER})pkts {NUMBER}bps in (?P<usec>\d+) usec\) "
        r"(?:[\d.]+|inf|-?nan) avg_batch(?: -?\d+ min_space)?$"
    ),
)
SUMMARIES = (
    re.compile(r"^(?P<verb>Sent) (?P<packets>\d+) packets, \d+ bytes each, in (?P<seconds>[\d.]+) seconds\.$"),
    re.compile(r"^(?P<verb>Received) (?P<packets>\d+) packets, in (?P<seconds>[\d.]+) seconds\.$"),
    re.compile(
        r"^(?P<verb>Sent|Received) (?P<packets>\d+) packets (?P<bytes>\d+) bytes \d+ events "
        r"\d+ bytes each in (?P<seconds>[\d.]+) seconds\.$"
    ),
    re.compile(r"^(?P<verb>Sent|Received) nothing\.$"),
)
SPEED = re.compile(
    rf"^Speed: {NUMBER}pps(?: Bandwidth: {NUMBER}bps \(raw {NUMBER}bps\)\.?)?(?: Average batch: \S+ pkts)?$"
)
THREAD_FAILED = re.compile(r"^ouch, thread \d+ exited with error$", re.IGNORECASE)
LATE_SHARE, LATE_SECONDS = 0.5, 0.1
"""How much later than its own measure of the interval says a line may be printed; a lost line is a whole interval."""

COMPLAINTS = (
    (
        re.compile(r"/dev/netmap: No such file or directory|/dev/netmap.*No such device|cannot open /dev/netmap"),
        "the netmap module is not loaded: there is no /dev/netmap",
        "load it (`modprobe netmap`, then the netmap version of the card's driver), or use the generator `trafgen`",
    ),
    (
        re.compile(r"Minimum supported API is \d+|API mismatch|bad version|NIOCREGIF.*API"),
        "pkt-gen and the netmap module are of different years and do not understand each other",
        "build and install both from the same sources, and load that module (`dmesg | grep netmap` has its words)",
    ),
    (
        re.compile(r"(?i)resource busy"),
        "the interface is in use: it is part of a bridge or bond, or another program has it in netmap mode",
        "take it out of there (`ip link set dev PORT nomaster`), end the other program (`fuser /dev/netmap`)",
    ),
    (
        re.compile(r"Operation not supported"),
        "netmap may not emulate here (its parameter admode is 1), and the card's driver does not know netmap",
        "load the driver that was built with netmap, or allow emulation: "
        "`echo 0 | sudo tee /sys/module/netmap/parameters/admode`",
    ),
    (
        re.compile(r"pkt_size \(\d+\) must be <= mtu \(\d+\)|bad pktsize"),
        "the frame is too large for the interface: pkt-gen wants a frame, its 14 B of header included, within the MTU",
        "raise `link.mtu` in the testbed's file by 14, or leave frames of that size out",
    ),
    (
        re.compile(r"Invalid name|while expecting a number"),
        "netmap does not take the interface's name",
        "give the interface a plain name (`ip link set dev OLD name NEW`), without `-`",
    ),
    (
        re.compile(r"No such device|: No such|Invalid argument|NIOCREGIF"),
        "netmap cannot open the interface: it is not there, or netmap does not support its driver or its kind",
        "see that it is there (`ip link show dev PORT`); load the driver that was built with netmap "
        "(`ethtool -i PORT` says which driver it has); `dmesg | grep netmap` has more",
    ),
    (
        re.compile(r"Operation not permitted|Permission denied"),
        "netmap may not be used by this user",
        "log in as root, or as a user with sudo",
    ),
    (
        re.compile(r"Cannot allocate memory|NIOCREGIF.*memory"),
        "netmap has no memory left for the interface's rings",
        "raise buf_num and ring_num in /sys/module/netmap/parameters, or free memory (netmap wants it in one piece)",
    ),
)
"""What pkt-gen says when it cannot work, what that means, and what to try. Most telling first."""
USAGE_PAGE = re.compile(r"^Usage:", re.MULTILINE)
"""Begins what pkt-gen prints behind its complaint."""


@dataclass(frozen=True)
class Interval:
    """One line of the report that runs along."""

    end_s: float
    """When it ended, in seconds of the wall clock."""
    seconds: float
    packets: int
    """Counted in it; rounded to thousands where pkt-gen wrote millions."""


@dataclass(frozen=True)
class Report:
    """All that one pkt-gen said of its run."""

    intervals: tuple[Interval, ...]
    packets: int
    """Counted from start to end, as the summary has it."""
    bytes: int | None
    """The same in bytes; None from versions that do not tell."""

    def count_at(self, moment: float) -> int:
        """Return how many packets were counted up to ``moment``; between two lines in proportion.

        Raises:
            GeneratorError: no line was printed after that moment.
        """
        ends = [each.end_s for each in self.intervals]
        place = bisect_left(ends, moment)
        if place == len(ends):
            raise _unreadable("its lines end before the window does", "")
        before = sum(each.packets for each in self.intervals[:place])
        part = self.intervals[place]
        share = 1 - (part.end_s - moment) / part.seconds
        return before + round(part.packets * min(1.0, max(0.0, share)))


def without_usage(stderr: str) -> str:
    """Return what pkt-gen said on its standard error before the usage page that it prints when it refuses."""
    page = USAGE_PAGE.search(stderr)
    return stderr[: page.start()] if page else stderr


def complaint(said: str) -> tuple[str, str]:
    """Return what pkt-gen's words say about why it does not work, and what to try; both empty when nothing."""
    for pattern, meaning, advice in COMPLAINTS:
        if pattern.search(said):
            return meaning, advice
    return "", ""


def read_report(stdout: str, stderr: str, started: float) -> Report:
    """Return what one run of pkt-gen reported.

    Args:
        stdout: its standard output, which has the summary.
        stderr: its standard error, which has the interval lines.
        started: when it was started, in seconds of the wall clock: its lines say the time modulo 1000 s only.

    Raises:
        GeneratorError: a thread of it failed, its summary is missing, lines are missing, or a format is unknown.
    """
    intervals = _read_intervals(stderr, started)
    packets, size = _read_summary(stdout)
    counted = sum(each.packets for each in intervals)
    slack = sum(each.packets // 1000 + 1 for each in intervals if each.packets >= UNITS["M"])
    if counted > packets + slack:
        raise _unreadable(f"its lines add up to {counted} packets, its summary says {packets}", stdout)
    return Report(intervals=intervals, packets=packets, bytes=size)


def _read_intervals(stderr: str, started: float) -> tuple[Interval, ...]:
    found: list[Interval] = []
    earliest = started - 1
    for text in stderr.splitlines():
        line = LINE.match(text)
        if line is None or line["function"] != "main_thread":
            continue
        if THREAD_FAILED.match(line["text"]):
            raise GeneratorError(
                "running pkt-gen",
                f"a thread of it failed ({line['text']}); its figures count for nothing",
                "see what it said before; another program may have the interface, or memory is short "
                "(`dmesg` and netmap's parameters in /sys/module/netmap/parameters)",
            )
        match = next((match for pattern in INTERVALS if (match := pattern.match(line["text"]))), None)
        if match is None:
            raise _unreadable("a line of it has an unknown format", text)
        end = _unwrapped(float(line["at"]), found[-1].end_s if found else earliest)
        interval = Interval(end_s=end, seconds=int(match["usec"]) / 1e6, packets=_scaled(match["packets"]))
        if found and end - found[-1].end_s > interval.seconds * (1 + LATE_SHARE) + LATE_SECONDS:
            raise _unreadable("lines of it are missing", text)
        found.append(interval)
    return tuple(found)


def _read_summary(stdout: str) -> tuple[int, int | None]:
    summaries = []
    for text in stdout.splitlines():
        if text.startswith(("Sent", "Received")):
            match = next((match for pattern in SUMMARIES if (match := pattern.match(text))), None)
            if match is None:
                raise _unreadable("its summary has an unknown format", text)
            summaries.append(match.groupdict())
        elif text.startswith("Speed") and not SPEED.match(text):
            raise _unreadable("its summary has an unknown format", text)
    if len(summaries) != 1:
        raise _unreadable(f"it printed {len(summaries)} summaries", stdout)
    values = summaries[0]
    size = values.get("bytes")
    return int(values.get("packets") or 0), int(size) if size else None


def _scaled(text: str) -> int:
    number, unit = re.fullmatch(r"([\d.]+) ?([KMGT]?)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * UNITS[unit])


def _unwrapped(seconds: float, earliest: float) -> float:
    """Return the first moment from ``earliest`` on at which the wall clock's seconds end like this."""
    rounds = math.ceil((earliest - seconds) / CLOCK_SECONDS)
    return seconds + rounds * CLOCK_SECONDS


def cut(sender: Report, receiver: Report, moments: Sequence[float]) -> tuple[Sample, ...]:
    """Return both sides' counts at the ends of the receiver's intervals that follow on each of ``moments``.

    The receiver's counts are exact there. The sender's lines end at other times: its counts are taken in proportion
    between two of them. ``moments`` are of the wall clock, in seconds, in order.

    Raises:
        GeneratorError: one side's lines do not cover them.
    """
    ends = [each.end_s for each in receiver.intervals]
    places = [bisect_left(ends, moment) for moment in moments]
    if not places or places[-1] >= len(ends) or not sender.intervals or len(set(places)) < 2:
        raise _unreadable("its lines do not cover the window", "")
    return tuple(
        Sample(
            t_s=ends[place],
            sent_packets=sender.count_at(ends[place]),
            received_packets=sum(each.packets for each in receiver.intervals[: place + 1]),
        )
        for place in sorted(set(places))
    )


def _unreadable(happened: str, text: str) -> GeneratorError:
    return GeneratorError(
        "reading what pkt-gen printed",
        f"{happened}: {text.strip()!r}" if text.strip() else happened,
        "tell us its version and this text; the generator `trafgen` can be used meanwhile",
    )
