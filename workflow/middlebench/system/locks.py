"""Locks in files, on testbeds, results and ports: one process at a time, and the next one is told who has it.

The kernel holds the lock (flock), so it ends with the process that took it, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from middlebench.system.deadline import Deadline
from middlebench.system.errors import LockError
from middlebench.system.processes import ancestors
from middlebench.system.user import user_name

POLL_SECONDS = 0.2


@contextmanager
def lock(
    path: Path, purpose: str, *, wait_s: float = 0.0, takes_s: float = 0.0, tell: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the lock in the file ``path``.

    A process below the holder (a job of the run that took the lock) has it too.

    Args:
        path: the lock's file; it stays when the lock ends.
        purpose: what the lock is for, shown to whoever asks in the meantime.
        wait_s: how long to wait for it, or longer where its holder said that it may take longer; 0 to leave at once.
        takes_s: how long we may take at the most, for whoever waits for us; 0 where nobody can say.
        tell: called once with a sentence that names the holder, when there is waiting to do.

    Raises:
        LockError: another process still has it after ``wait_s``.
    """
    deadline = Deadline(wait_s)
    with path.open("a+", encoding="utf-8") as stream:
        told = False
        while not _try_lock(stream.fileno()):
            holder = holder_of(path)
            if holder.get("pid") in ancestors(os.getpid()):
                yield
                return
            if deadline.expired and not (wait_s and _may_take_longer(holder)):
                raise LockError(
                    f"locking {path} for {purpose}",
                    describe(holder),
                    "wait for it to end (`if_locked: wait` does that for you), or end that process",
                )
            if not told:
                tell(f"waiting: {describe(holder)}")
                told = True
            time.sleep(POLL_SECONDS)
        stream.seek(0)
        stream.truncate()
        json.dump(myself(purpose, takes_s), stream)
        stream.flush()
        yield


@contextmanager
def lock_ended(
    path: Path, purpose: str, *, wait_s: float, tell: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the lock in the file ``path``, after any other holder was ended.

    The holder is asked to end (SIGTERM), and killed where it has not after ``wait_s``. ``tell`` is called with a
    sentence that names the holder, where there is one.

    Raises:
        LockError: the holder cannot be ended: it runs on another computer, or belongs to another user.
    """
    with ExitStack() as held:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            try:
                held.enter_context(lock(path, purpose))
                break
            except LockError as error:
                if not _ended(holder_of(path), ending):
                    raise
                tell(f"ending it: {error.happened}")
            deadline = Deadline(wait_s)
            while not deadline.expired and not _is_free(path):
                time.sleep(POLL_SECONDS)
        else:
            held.enter_context(lock(path, purpose, wait_s=wait_s))
        yield


def _ended(holder: dict[str, object], ending: signal.Signals) -> bool:
    """Send a signal to the holder of a lock; return whether that could be done."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(pid, ending)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _is_free(path: Path) -> bool:
    with path.open("a+", encoding="utf-8") as stream:
        return _try_lock(stream.fileno())


def describe(holder: dict[str, object]) -> str:
    """Return who holds a lock, as a sentence."""
    if not holder:
        return "another process has locked it"
    return (
        f"locked by {holder.get('user')} since {holder.get('since')} for {holder.get('purpose')} "
        f"(process {holder.get('pid')} on {holder.get('host')}: {holder.get('command')})"
    )


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder_of(path: Path) -> dict[str, object]:
    """Return what the last process to take the lock in the file ``path`` said of itself; nothing if none did."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _may_take_longer(holder: dict[str, object]) -> bool:
    """Whether the time is not over yet that the holder has asked for; one that says nothing has none."""
    try:
        since, takes_s = datetime.fromisoformat(str(holder["since"])), float(str(holder["takes_s"]))
    except (KeyError, ValueError):
        return False
    return (datetime.now(UTC) - since).total_seconds() < takes_s


def myself(purpose: str, takes_s: float = 0.0) -> dict[str, object]:
    """Return what this process says of itself as the holder of a lock."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "user": user_name(),
        "purpose": purpose,
        "command": shlex.join(sys.argv)[:200],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "takes_s": takes_s,
    }
