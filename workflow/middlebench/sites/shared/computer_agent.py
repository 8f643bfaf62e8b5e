"""Runs on each of the two computers: keeps others out, prepares the measured ports, and puts them back.

What was there before is noted in our folder below /run before anything is changed, so that it can be
put back whatever happens in between, by whoever takes the testbed down; after a reboot there is
nothing to put back. Standard library only: it is handed to the host's own ``python3`` as text.

    python3 -c THIS '{"verb": "hold", "testbed", "prepare", "links", "restore" or "describe", …}'

answers one JSON object on standard output.
"""

import fcntl
import json
import os
import select
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.sites.shared.facts_agent import describe, read, run

Settings = dict[str, Any]
"""What of a port we change."""

OFFLOADS = {
    "rx": "rx-checksumming",
    "tx": "tx-checksumming",
    "sg": "scatter-gather",
    "tso": "tcp-segmentation-offload",
    "gso": "generic-segmentation-offload",
    "gro": "generic-receive-offload",
}
"""What ``ethtool -K`` takes, and what ``ethtool -k`` calls it."""

PAUSE = {"autoneg": "Autonegotiate", "rx": "RX", "tx": "TX"}

IFF_UP, IFF_NOARP, IFF_PROMISC = 0x1, 0x80, 0x100  # linux/if.h


def answer(**values: Any) -> None:
    """Answer the caller."""
    print(json.dumps(values), flush=True)


def write(path: str, text: str) -> None:
    """Write a file, whole or not at all."""
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def noted(folder: str) -> dict[str, Settings]:
    """Return what was there before we came: port to settings."""
    return dict(json.loads(read(os.path.join(folder, "ports.json"), "{}")))


def hold(request: dict[str, Any]) -> None:
    """Lock this computer until standard input ends; say who has it where it is locked.

    Meanwhile an empty line now and then goes to the caller: only a connection on which something is sent
    ever ends for us when the caller's computer is gone without a word.
    """
    os.makedirs(request["folder"], exist_ok=True)
    for name, wait_s in request["locks"].items():
        end = time.monotonic() + wait_s
        if other := lock(os.path.join(request["folder"], name), request["holder"], request["family"], end):
            answer(held_by=other, lock=name)
            return
    answer(locked=True)
    while True:
        if not select.select([0], [], [], request["beat_s"])[0]:
            print(flush=True)
        elif not os.read(0, 4096):
            return


def lock(path: str, holder: str, family: list[str], end: float) -> str:
    """Take a lock, which ends with this process; return who has it if nobody gave it back before ``end``.

    A lock of the caller's family, the run of which it is a job, is as good as one of its own.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            other = os.pread(handle, 4096, 0).decode(errors="replace")
            if any(member in other for member in family):
                return ""
            if time.monotonic() > end:
                return other or "{}"
            time.sleep(0.1)
    os.ftruncate(handle, 0)
    os.pwrite(handle, holder.encode(), 0)
    return ""


def settings(port: str) -> Settings:
    """Return what of a port we are about to change."""
    flags = int(read(f"/sys/class/net/{port}/flags", "0x0"), 16)
    features: dict[str, str] = dict(
        line.strip().split(": ", 1) for line in run("ethtool", "-k", port)[1].splitlines() if ": " in line
    )
    status, text = run("ethtool", "-a", port)
    pause: dict[str, str] = dict(line.split(":", 1) for line in text.splitlines() if ":" in line) if status == 0 else {}
    return {
        "mtu": int(read(f"/sys/class/net/{port}/mtu")),
        "up": bool(flags & IFF_UP),
        "arp": not flags & IFF_NOARP,
        "promisc": bool(flags & IFF_PROMISC),
        "disable_ipv6": read(f"/proc/sys/net/ipv6/conf/{port}/disable_ipv6"),
        "offloads": {key: features[name] for key, name in OFFLOADS.items() if features.get(name) in ("on", "off")},
        "pause": {key: pause[name].strip() for key, name in PAUSE.items() if pause.get(name, "").strip()},
    }


def apply(port: str, wanted: Settings) -> list[str]:
    """Give a port these settings; return, a sentence each, what it does not take."""
    limits: list[str] = []
    if wanted["disable_ipv6"]:
        write_setting(f"/proc/sys/net/ipv6/conf/{port}/disable_ipv6", wanted["disable_ipv6"], limits)
    offloads = list(wanted["offloads"].items())
    if offloads and run("ethtool", "-K", port, *(word for pair in offloads for word in pair))[0]:
        for key, value in offloads:  # which of them is it?
            status, text = run("ethtool", "-K", port, key, value)
            if status:
                limits.append(f"{port}: offload {key} cannot be switched {value}: {last_line(text)}")
    if wanted["pause"]:
        status, text = run("ethtool", "-A", port, *(word for pair in wanted["pause"].items() for word in pair))
        if status and "no changes" not in text and "unmodified" not in text:
            limits.append(f"{port}: flow control cannot be set: {last_line(text)}")
    words = ["promisc", switch(wanted["promisc"]), "arp", switch(wanted["arp"]), "up" if wanted["up"] else "down"]
    status, text = run("ip", "link", "set", "dev", port, "mtu", str(wanted["mtu"]), *words)
    if status:
        limits.append(f"{port}: MTU {wanted['mtu']} is refused: {last_line(text)}")
        run("ip", "link", "set", "dev", port, *words)
    return limits


def switch(value: bool) -> str:
    """Return a truth value as the tools write it."""
    return "on" if value else "off"


def last_line(text: str) -> str:
    """Return the last line of what a program said."""
    return text.splitlines()[-1] if text else "it said nothing"


def write_setting(path: str, value: str, limits: list[str]) -> None:
    """Write a kernel setting; note it as a limit where that is refused."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(value)
    except OSError as error:
        limits.append(f"{path}: {error.strerror}")


def prepare(request: dict[str, Any]) -> None:
    """Note what is there, then make the ports ready: no offloads, no pause frames, no unexpected frames."""
    folder, testbed_file = request["folder"], os.path.join(request["folder"], "testbed")
    os.makedirs(folder, exist_ok=True)
    other = read(testbed_file, request["testbed"])
    if other != request["testbed"]:
        answer(other=other)
        return
    write(testbed_file, request["testbed"])
    before = noted(folder)
    found = {port: settings(port) for port in request["ports"]}
    for port in request["ports"]:
        before.setdefault(port, found[port])
    write(os.path.join(folder, "ports.json"), json.dumps(before))
    limits: list[str] = []
    for port in request["ports"]:
        now = found[port]
        wanted = {
            "mtu": request["mtu"],
            "up": True,
            "arp": False,
            "promisc": True,
            "disable_ipv6": now["disable_ipv6"] and "1",
            "offloads": {key: "off" for key, value in now["offloads"].items() if value == "on"},
            "pause": dict.fromkeys(now["pause"], "off") if "on" in now["pause"].values() else {},
        }
        limits += apply(port, wanted)
        if not now["pause"]:
            limits.append(f"{port}: it tells nothing of flow control")
    answer(limits=limits)


def links(request: dict[str, Any]) -> None:
    """Wait until the ports have a link, and say what they are then."""
    end = time.monotonic() + request["carrier_s"]
    while any(dark(port) for port in request["ports"]) and time.monotonic() < end:
        time.sleep(0.05)
    answer(
        dark=[port for port in request["ports"] if dark(port)],
        mtu={port: int(read(f"/sys/class/net/{port}/mtu")) for port in request["ports"]},
        mbps={port: int(read(f"/sys/class/net/{port}/speed", "-1")) for port in request["ports"]},
    )


def testbed(request: dict[str, Any]) -> None:
    """Say which testbed stands here."""
    answer(testbed=read(os.path.join(request["folder"], "testbed")))


def dark(port: str) -> bool:
    """Whether a port has no link."""
    return read(f"/sys/class/net/{port}/carrier") != "1"


def restore(request: dict[str, Any]) -> None:
    """Put back what was there before we came."""
    folder = request["folder"]
    before = {port: values for port, values in noted(folder).items() if os.path.exists(f"/sys/class/net/{port}")}
    limits = [limit for port, values in before.items() for limit in apply(port, values)]
    for name in ("ports.json", "testbed"):
        if os.path.exists(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))
    answer(limits=limits)


def tell(request: dict[str, Any]) -> None:
    """Say what tells this computer from another."""
    answer(**describe(*(request[key] for key in ("versions", "modules", "images", "ports", "cpus"))))


VERBS = {"hold": hold, "testbed": testbed, "prepare": prepare, "links": links, "restore": restore, "describe": tell}

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    try:
        VERBS[asked["verb"]](asked)
    except OSError as error:
        sys.exit(f"{error.strerror}: {error.filename or asked['folder']}")
