"""Runs on the middlebox server: starts, watches, asks and ends the virtual machines of a chain.

Standard library only: it is handed to the host's own Python as text. Machines are known by QEMU's
``-name`` alone, so that whatever an earlier run left behind is found too.

    echo '{"verb": "start", …}' | python -c THIS    answers one JSON object on standard output

The request comes by standard input because a long chain's is longer than an argument may be. While
watching, standard input then stays open while our caller lives: when it ends, so do we.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its text stands before ours
    from collections.abc import Collection

    from middlebench.hosts.shared.usage_agent import process_usage

Request = dict[str, Any]
Answer = dict[str, Any]

SECONDS_TO_DIE = 10.0
STARTED = ".stderr"
"""Ending of the file with QEMU's own messages, which is there from a machine's start until it is destroyed."""
LOOK_SECONDS = 0.01
"""How often consoles are looked at: the machines that boot need the processor more than we do."""


def read(path: str) -> str:
    """Return a file's text; empty where it is not there any more."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def machines(prefix: str) -> dict[str, int]:
    """Return {name: process id} of the machines that are named ``prefix``, a number, and maybe a function."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        words = read(f"/proc/{entry}/cmdline").split("\0")
        if "qemu-system" in os.path.basename(words[0]) and "-name" in words:
            name = words[words.index("-name") + 1]
            if name.startswith(prefix) and name.removeprefix(prefix).partition("-")[0].isdigit():
                found[name] = int(entry)
    return found


def identity(pid: int, stopped: str = "") -> str:
    """Return what tells this process from every other one, with ``stopped`` at its end where it is stopped.

    Of one that has ended it is nothing.
    """
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not fields or fields[0] in "ZX":
        return ""
    return f"process {pid} started at tick {fields[19]}" + (stopped if fields[0] in "Tt" else "")


def start(request: Request) -> Answer:
    """Start every machine at once; say when each was started."""
    os.makedirs(request["folder"], exist_ok=True)
    started = {}
    for machine in request["machines"]:
        errors = f"{request['folder']}/{machine['name']}{STARTED}"
        moment = time.time()
        try:
            pid = os.posix_spawnp(
                machine["argv"][0],
                machine["argv"],
                {**os.environ, **request["environment"]},
                setsid=True,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
            )
        except FileNotFoundError:
            return {"failed": machine["name"], "happened": f"there is no program {machine['argv'][0]!r}"}
        started[machine["name"]] = {"pid": pid, "moment": moment}
    return {"started": started}


def wait(request: Request) -> Answer:
    """Wait until every machine's console has its word of readiness; name the first that fails.

    When a machine was ready is read off the time of its console's last line, so it does not matter
    how late we look.
    """
    end = time.monotonic() + request["limit_s"]
    waiting, ready = dict(request["started"]), {}
    while waiting:
        for name, machine in list(waiting.items()):
            log = f"{request['folder']}/{name}.log"
            console = read(log)
            if request["ready"] in console or (not request["ready"] and console):
                ready[name] = {"ready_s": round(os.stat(log).st_mtime - machine["moment"], 3), **memory(machine["pid"])}
                del waiting[name]
            elif not identity(machine["pid"]):
                return {"failed": name, "happened": "it ended", **last_words(request["folder"], name)}
        if waiting and time.monotonic() > end:
            name = next(iter(waiting))
            return {
                "failed": name,
                "happened": f"it did not become ready within {request['limit_s']:g} s",
                **last_words(request["folder"], name),
            }
        if waiting:
            time.sleep(LOOK_SECONDS)
    return {"ready": ready}


def last_words(folder: str, name: str) -> dict[str, str]:
    """Return the ends of a machine's console and of QEMU's own messages."""
    return {"console": read(f"{folder}/{name}.log")[-2000:], "stderr": read(f"{folder}/{name}{STARTED}")[-2000:]}


def memory(pid: int) -> "dict[str, int | None]":
    """Return a process's memory in KiB (proc(5), smaps_rollup).

    Private is what it has written: pages of a program's file that nobody else happens to map are in memory
    once, however many machines there are.
    """
    values = {}
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines()[1:]:
        key, _, rest = line.partition(":")
        values[key] = int(rest.split()[0])
    return {"resident_kib": values.get("Rss"), "private_kib": values.get("Private_Dirty")}


def allow_many_handles() -> None:
    """Lift our own limit of open files as far as it goes: a chain may have more machines than the usual 1024."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def watch(request: Request) -> Answer:
    """Return as soon as one of the machines ends, with its name and last words; at once if one has ended already."""
    allow_many_handles()
    handles, names = select.poll(), {}
    running = machines(request["prefix"])
    started = os.listdir(request["folder"]) if os.path.isdir(request["folder"]) else []  # none ever was, for n = 0
    for file in sorted(started):
        name, ending = os.path.splitext(file)
        if ending == STARTED and name not in running:
            return {"failed": name, **last_words(request["folder"], name)}
    for name, pid in running.items():
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return {"failed": name, **last_words(request["folder"], name)}
        names[handle] = name
        handles.register(handle, select.POLLIN)
    handles.register(0, select.POLLIN | select.POLLHUP)  # its end: our caller is gone or has seen enough
    while True:
        for handle, _ in handles.poll():
            if handle in names:
                return {"failed": names[handle], **last_words(request["folder"], names[handle])}
            if not os.read(0, 1):
                return {}


def counters(request: Request, names: "Collection[str]") -> "dict[str, Answer | None]":
    """Return the counters of each machine; None where its console does not print them within the time of the request.

    All are asked before any answer is read, and the time is one for all.
    """
    end = time.monotonic() + request["limit_s"]
    answers: dict[str, Answer | None] = dict.fromkeys(names)
    printed: dict[str, bytes] = dict.fromkeys(names, b"")
    asked: dict[int, tuple[str, socket.socket]] = {}
    waiting = select.poll()
    with contextlib.ExitStack() as opened:
        for name in names:
            console = opened.enter_context(socket.socket(socket.AF_UNIX))
            console.settimeout(request["limit_s"])
            with contextlib.suppress(OSError):
                console.connect(f"{request['folder']}/{name}.console")
                console.sendall(b"s")
                waiting.register(console, select.POLLIN)
                asked[console.fileno()] = name, console
        while asked and (left_s := end - time.monotonic()) > 0:
            for handle, _ in waiting.poll(left_s * 1000):
                name, console = asked[handle]
                data = b""
                with contextlib.suppress(OSError):  # it has ended
                    data = console.recv(4096)
                printed[name] += data
                answers[name] = counters_in(printed[name])
                if answers[name] is not None or not data:
                    waiting.unregister(console)
                    del asked[handle]
    return answers


def counters_in(printed: bytes) -> "Answer | None":
    """Return the counters that a machine has printed on its console; None where they are not whole, or no JSON."""
    line, whole, _ = printed.partition(b"status ")[2].partition(b"\n")
    with contextlib.suppress(ValueError):
        return dict(json.loads(line)) if whole else None
    return None


def read_all(request: Request) -> Answer:
    """Return {name: identity, what it has used, what it has counted} of the machines that run now."""
    running = machines(request["prefix"])
    known = {name: said for name, pid in running.items() if (said := identity(pid, request["stopped"]))}
    counted: dict[str, Answer | None] = {}
    if request["counts"]:  # a machine that is stopped would let us wait
        counted = counters(request, [name for name, said in known.items() if not said.endswith(request["stopped"])])
    return {
        "read": {
            name: {"identity": said, "usage": process_usage(running[name]), "counted": counted.get(name)}
            for name, said in known.items()
        }
    }


def destroy(request: Request) -> Answer:
    """End every machine, wait until it is gone, and forget that it was ever started."""
    allow_many_handles()
    found = machines(request["prefix"])
    handles = {}
    for name, pid in found.items():
        try:
            handles[name] = os.pidfd_open(pid)
            signal.pidfd_send_signal(handles[name], signal.SIGKILL)
        except ProcessLookupError:
            continue
    for name, handle in handles.items():
        ending = select.poll()
        ending.register(handle, select.POLLIN)
        if not ending.poll(SECONDS_TO_DIE * 1000):
            return {"failed": name, "happened": "it is still there after SIGKILL"}
    if os.path.isdir(request["folder"]):
        for file in os.listdir(request["folder"]):
            os.unlink(os.path.join(request["folder"], file))
    return {"ended": sorted(found)}


def live(request: Request) -> Answer:
    """Return {name: identity} of the machines that run now."""
    found = {name: identity(pid, request["stopped"]) for name, pid in machines(request["prefix"]).items()}
    return {"live": {name: known for name, known in found.items() if known}}


if __name__ == "__main__":
    verbs = {each.__name__: each for each in (start, wait, watch, read_all, destroy, live)}
    asked = json.loads(sys.stdin.buffer.readline())
    try:
        print(json.dumps(verbs[asked["verb"]](asked)), flush=True)
    except OSError as problem:
        print(json.dumps({"failed": "", "happened": f"{problem.strerror}: {problem.filename or ''}"}), flush=True)
