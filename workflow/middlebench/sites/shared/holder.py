"""One holder: a process whose namespaces a testbed lives in, and which takes everything along when it ends.

What runs inside is :mod:`middlebench.sites.shared.holder_process`; here it is started, found again and ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from middlebench.hosts.local import LocalHost
from middlebench.sites.shared import holder_process
from middlebench.system import standing_python
from middlebench.system.calls import PREFIX
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError
from middlebench.system.processes import ProcessIdentity, boot_id, busy, may_administer
from middlebench.system.runtime import runtime_folder

PRIVATE = Path("/run")
START_SECONDS = 60.0
"""A tenth of a second on an idle machine."""
RESTRICTIONS = {
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    "user.max_user_namespaces": ("0", "10000"),
}
"""Kernel settings that keep ordinary users from user namespaces: with which value, and one that does not.

The first is Debian's and Arch's, the second Ubuntu's since 23.10, the third every kernel's (user_namespaces(7)).
"""


class Holder:
    """A holder by name, whether it runs or not.

    Args:
        folder: where its state and its log are.
        name: tells it from other holders of this user.
        lock: file whose last change says when somebody last used what is inside.
    """

    def __init__(self, folder: Path, name: str, lock: Path) -> None:
        self._state = folder / f"{name}.json"
        self._log = folder / f"{name}.log"
        self._lock = lock

    def live(self) -> dict[str, Any] | None:
        """Return the state of the holder that runs now; None where none does."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads(self._state.read_text(encoding="utf-8"))
            if ProcessIdentity(state["pid"], state["started_ticks"], boot_id()).is_alive():
                return dict(state)
        return None

    def standing(self, site: Mapping[str, object]) -> dict[str, Any] | None:
        """Return the state of the holder that runs, if this site stands in it and was set up to the end."""
        live = self.live()
        return live if live is not None and live["site"] == site and live.get("set_up") else None

    def start(self, site: Mapping[str, object], idle_s: float) -> int:
        """Start the holder and return its process id. None must run yet.

        ``site`` is kept in its state; after ``idle_s`` seconds without a use of the lock it ends itself.

        Raises:
            HostError: it did not come up.
        """
        request = {
            **{"state": str(self._state), "lock": str(self._lock), "idle_s": idle_s, "site": site},
            "kept": kept_of_run(),
        }
        user_namespace = [] if may_administer() else ["--user", "--map-root-user"]
        self._lock.touch()
        self._log.unlink(missing_ok=True)  # the one before may still write to it: a file of its own for each
        with self._log.open("wb") as log:
            launcher = subprocess.Popen(
                [
                    *("unshare", *user_namespace, "--net", "--mount", "--pid", "--fork", "--kill-child"),
                    *(sys.executable, "-I", holder_process.__file__, json.dumps(request)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        deadline = Deadline(START_SECONDS)
        while (live := self.live()) is None:
            if launcher.poll() is not None:
                raise self._start_error(f"it ended at once with status {launcher.returncode}")
            if deadline.expired:
                launcher.kill()
                raise self._start_error(f"it did not come up within {START_SECONDS:g} s{busy()}")
            time.sleep(0.01)
        return int(live["pid"])

    def note(self, **facts: object) -> None:
        """Add facts to the state of the holder that runs, and note that its site is set up.

        Raises:
            HostError: it ended meanwhile.
        """
        live = self.live()
        if live is None:
            raise self._start_error("it ended while what it holds was being set up")
        temporary = self._state.with_name(f".{self._state.name}.{os.getpid()}")
        temporary.write_text(json.dumps({**live, **facts, "set_up": True}), encoding="utf-8")
        temporary.replace(self._state)

    def close(self) -> bool:
        """End the holder, and with it all that is inside; return whether there was one.

        Raises:
            HostError: it is still there after SIGKILL.
        """
        live = self.live()
        self._state.unlink(missing_ok=True)
        if live is None:
            return False
        process = ProcessIdentity(int(live["pid"]), int(live["started_ticks"]), boot_id())
        if not process.kill():
            raise HostError(f"ending the holder (process {process.pid})", f"it is still there after SIGKILL{busy()}")
        return True

    def _start_error(self, happened: str) -> HostError:
        said = self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log.exists() else ""
        return HostError(
            f"starting the holder (log: {self._log})",
            happened + (f": {said.splitlines()[-1]}" if said else ""),
            restriction_advice()
            or "see whether `unshare --user --map-root-user --net --mount --pid --fork true` works here",
        )


class SiteInHolder:
    """What the sites have in common whose hosts are on this machine, in a holder of a name."""

    def __init__(self, name: str, testbed: str) -> None:
        self._testbed = testbed
        self.folder = runtime_folder()
        self.run_lock = self.folder / "run.lock"
        self.trial_lock = self.folder / "trial.lock"
        self._holder = Holder(self.folder, name, self.trial_lock)

    def host(self, name: str, cpus: Sequence[int], pid: int, timeout_factor: float = 1.0) -> LocalHost:
        """Return the computer that a namespace of this holder plays.

        A Python as we are ourselves stands ready there for all jobs.
        """
        code = Path(standing_python.__file__).stat().st_mtime_ns
        own = zlib.crc32(f"{sys.executable} {code} {os.getpriority(os.PRIO_PROCESS, 0)}".encode())
        ready = self.folder / f"{PREFIX}{pid}-{name}-{own:08x}"
        return LocalHost(name, cpus, enter(pid, name), timeout_factor, ready)

    def held(self, wait_s: float) -> AbstractContextManager[None]:
        """Do nothing: the lock keeps others off this machine."""
        del wait_s
        return nullcontext()

    def occupied_by(self) -> str:
        """Return the name of another testbed that stands in the holder; nothing where none does."""
        live = self._holder.live()
        standing = str(live["site"]["testbed"]) if live else self._testbed
        return standing if standing != self._testbed else ""

    def close(self) -> bool:
        """End the holder unless another testbed stands in it; the kernel ends and removes all that is in it."""
        return not self.occupied_by() and self._holder.close()


def kept_folders(needed: Iterable[Path]) -> list[str]:
    """Return those of the needed folders that lie below /run, where the holder has an empty folder of its own."""
    below = {path for path in (each.resolve() for each in needed) if path.is_relative_to(PRIVATE)}
    return sorted(str(path) for path in below if not below.intersection(path.parents))


def kept_of_run() -> list[str]:
    """Return the folders below /run that this run needs inside the holder."""
    return kept_folders(
        [Path.cwd(), runtime_folder(), *map(Path, (sys.prefix, sys.base_prefix, tempfile.gettempdir()))]
    )


def restriction_advice(settings: Path = Path("/proc/sys")) -> str:
    """Return what to do about the kernel settings that keep us from user namespaces; nothing where none does."""
    found = []
    for name, (forbids, allows) in RESTRICTIONS.items():
        file = settings / name.replace(".", "/")
        if file.exists() and file.read_text(encoding="utf-8").strip() == forbids:
            found.append(f"{name} = {forbids} keeps ordinary users from user namespaces: `sudo sysctl {name}={allows}`")
    return "; ".join(found) + " lifts it until the next boot, or run as root" if found and not may_administer() else ""


def enter(pid: int, namespace: str = "") -> list[str]:
    """Return the words that run a command inside a holder, or in a network namespace of it.

    Not ``ip netns exec``: that gives every command a mount namespace of its own, in which named
    network namespaces that the command makes would be lost with it.
    """
    network = f"=/proc/{pid}/root/run/netns/{namespace}" if namespace else ""
    user = ["--user", "--preserve-credentials"] if _has_user_namespace(pid) else []
    return ["nsenter", f"--target={pid}", *user, "--mount", "--pid", f"--net{network}"]


def _has_user_namespace(pid: int) -> bool:
    """Whether a process is in another user namespace than we are; not where it has ended."""
    with contextlib.suppress(OSError):
        return not Path(f"/proc/{pid}/ns/user").samefile("/proc/self/ns/user")
    return False
