"""Parses what Xen's ``xl`` prints: the list of domains, the version, a crash, and why a domain was not created.

Pure: text in, values out. Standard library only: it is part of the agent in dom0 too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMELESS = "(null)"
"""What ``xl list`` calls a domain that is about to be gone."""

ROW = re.compile(
    r"^(?P<name>.*\S)\s+(?P<id>\d+)\s+(?P<memory>\d+)\s+(?P<vcpus>\d+)\s+(?P<state>[rbpscd-]{6})\s+(?P<seconds>\d+\.\d)"
    r"(?:\s+(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b.*)?$"
)
HEADING = re.compile(r"^Name\s+ID\s+Mem\s+VCPUs\s+State\s+Time\(s\)")


@dataclass(frozen=True)
class Domain:
    """A domain as ``xl list -v`` shows it."""

    name: str
    id: int
    memory_mib: int
    vcpus: int
    state: str
    """Six letters or dashes: running, blocked, paused, shut down, crashed, dying."""
    cpu_s: float
    """Seconds of processor time it has used."""
    uuid: str = ""

    @property
    def crashed(self) -> bool:
        """Whether it crashed; it is kept so that the crash can be analysed."""
        return "c" in self.state

    @property
    def dying(self) -> bool:
        """Whether it is being taken apart; its name may be lost already."""
        return "d" in self.state or self.name == NAMELESS

    @property
    def ended(self) -> bool:
        """Whether it will never run again."""
        return self.dying or any(letter in self.state for letter in "sc")


def parse_list(text: str) -> list[Domain]:
    """Return the domains of ``xl list`` or ``xl list -v``.

    Raises:
        ValueError: a line is not what ``xl`` is known to print; it is in the message.
    """
    lines = text.splitlines()
    if not lines or not HEADING.match(lines[0]):
        raise ValueError(f"this is not a list of domains: {text[:200]!r}")
    found = []
    for line in lines[1:]:
        match = ROW.match(line)
        if match is None:
            raise ValueError(f"this is not a row of a list of domains: {line!r}")
        id_, memory_mib, vcpus = (int(match[name]) for name in ("id", "memory", "vcpus"))
        cpu_s, uuid = float(match["seconds"]), match["uuid"] or ""
        found.append(Domain(match["name"], id_, memory_mib, vcpus, match["state"], cpu_s, uuid))
    return found


VERSION = re.compile(r"\d+(?:\.\d+)+\S*")
LOG_PREFIX = "(XEN) "
LINES_BEFORE_CRASH, LINES_AFTER_CRASH = 3, 8
HEXADECIMAL = re.compile(r"\s*(?:[0-9a-f]{8,16}\s*)+$")
"""A line of a stack, mostly zeros."""
STACK = "stack trace"


def parse_version(text: str) -> str:
    """Return the version in the answer of ``xl info xen_version``.

    Raises:
        ValueError: it is none.
    """
    if not VERSION.fullmatch(text.strip()):
        raise ValueError(f"this is not a version: {text[:200]!r}")
    return text.strip()


def crash_report(log: str, domain: int) -> str:
    """Return what Xen's log (``xl dmesg``) has of the last crash of a domain: cause and first registers.

    Empty where it has nothing of this domain. Seen: the cause; ``Domain 7 (vcpu#0) crashed on cpu#0:``; registers;
    the guest's stack, which may be one page of zeros.
    """
    lines = [line.removeprefix(LOG_PREFIX).rstrip() for line in log.splitlines()]
    crash = re.compile(rf"Domain {domain} .*crashed on cpu")
    mention = re.compile(rf"\bd{domain}(?:v\d+)?\b|\b[Dd]om(?:ain)? ?{domain}\b")
    found = [index for index, line in enumerate(lines) if crash.search(line)]
    if not found:
        return "\n".join([line for line in lines if mention.search(line)][-LINES_BEFORE_CRASH:])
    before = [line for line in lines[: found[-1]] if line and not HEXADECIMAL.match(line)][-LINES_BEFORE_CRASH:]
    after = lines[found[-1] + 1 : found[-1] + 1 + LINES_AFTER_CRASH]
    end = next((index for index, line in enumerate(after) if STACK in line or HEXADECIMAL.match(line)), len(after))
    return "\n".join([*before, lines[found[-1]], *after[:end]])


HOTPLUG_TIMEOUT = "because of timeout"

KNOWN_FAILURES = (
    (
        "Can't find hypervisor information",
        "this computer does not run under Xen",
        "choose the Xen entry in its boot menu (package xen-system-amd64), and reboot",
    ),
    (
        "failed to free memory",
        "Xen has no memory left for it",
        "give dom0 less (`dom0_mem=` on Xen's command line), the middleboxes less (`memory_mib`), or chain fewer",
    ),
    (
        HOTPLUG_TIMEOUT,
        "its network scripts took longer than the 40 s that libxl waits for them",
        "the server is too busy: give dom0 more weight (`dom0_weight`) or a processor of its own, and see whether "
        "`ovs-vsctl show` answers there",
    ),
    *(
        (
            text,
            "its network interfaces could not be plugged in",
            "see /var/log/xen/xen-hotplug.log there: is the bridge there, do `ovs-vsctl` and `ip` work?",
        )
        for text in ("unable to add vif devices", "unable to add nic devices", "exited with error status")
    ),
    (
        "xc_dom_chk_alloc_pages",
        "its kernel does not fit into its memory",
        "give it more (`memory_mib`), or take a smaller kernel",
    ),
    ("already exists", "a domain of this name exists", "run `make down`, which removes what earlier runs left behind"),
    ("is an invalid domain identifier", "it is gone", "see `xl dmesg` there"),
    (
        "No such file or directory",
        "a file that it boots from is missing",
        "put the kernel (and the ramdisk) where `image` in the testbed's file says",
    ),
    (
        "No space left on device",
        "the server's disk is full",
        "make room there, /var/log/xen and /var/log/openvswitch first",
    ),
    ("Permission denied", "the server refuses access", "log in as root there, or allow `sudo` without a password"),
)
"""Text of ``xl`` and its scripts; what it means; what to try. The first that fits counts."""


def explain(output: str) -> tuple[str, str]:
    """Return what the output of a failed command means, and what to try; where it is not known, that ``xl`` failed."""
    for text, happened, advice in KNOWN_FAILURES:
        if text in output:
            return happened, advice
    return "xl failed", "see /var/log/xen and `xl dmesg` there"
