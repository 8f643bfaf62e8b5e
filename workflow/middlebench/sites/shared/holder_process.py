"""The holder: first process of a PID namespace in which a whole testbed lives.

When it ends, for whatever reason, the kernel ends every process of the namespace and removes
every interface with its network. It ends by itself when nobody has taken the lock for a while,
or when the file that names it is gone.

Runs as ``python -I holder_process.py REQUEST`` inside ``unshare``; standard library only, because
it starts before, and outlives, everything else.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CHECK_SECONDS = 0.5


def main() -> None:
    """Set the namespaces up, announce ourselves, then reap orphans until it is time to go."""
    request = json.loads(sys.argv[1])
    state = Path(request["state"])
    # /proc is still the outer one: our process id there is the one by which others can enter.
    outer_pid = int(Path("/proc/self").readlink().name)
    started_ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
    mount_private_run(request["kept"])
    announcement = {"pid": outer_pid, "started_ticks": started_ticks, "site": request["site"]}
    temporary = state.with_name(f".{state.name}.{outer_pid}")
    temporary.write_text(json.dumps(announcement), encoding="utf-8")
    temporary.replace(state)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while state_is_ours(state, outer_pid) and not idle(Path(request["lock"]), request["idle_s"]):
        time.sleep(CHECK_SECONDS)
        reap()
    if state_is_ours(state, outer_pid):
        state.unlink(missing_ok=True)


def mount_private_run(kept: list[str]) -> None:
    """Mount a /run of our own, empty but for folders of the outer one that are needed here too."""
    handles = {folder: os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in kept}
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for folder, handle in handles.items():
        Path(folder).mkdir(parents=True)
        # By its handle: the folder has no path any more, so none must be looked for.
        bind = ["mount", "--no-canonicalize", "--rbind", f"/proc/self/fd/{handle}", folder]
        subprocess.run(bind, check=True, pass_fds=[handle])
        os.close(handle)


def state_is_ours(state: Path, pid: int) -> bool:
    """Whether the state file still names us: otherwise nobody can ever find us again."""
    try:
        return bool(json.loads(state.read_text(encoding="utf-8"))["pid"] == pid)
    except (OSError, ValueError, KeyError):
        return False


def idle(lock: Path, limit_s: float) -> bool:
    """Whether the lock was last taken ``limit_s`` seconds ago or more, and nobody has it now.

    The lock is kept when we got it, so that nobody can take the lock from a holder about to end.
    """
    try:
        if time.time() - lock.stat().st_mtime < limit_s:
            return False
        handle = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True


def reap() -> None:
    """Collect orphans that ended: as first process of the namespace we inherit them all."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main()
