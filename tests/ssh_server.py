"""A real sshd for tests: on loopback, with its own host key, its own user's key, and a home folder for the client.

Nothing of the machine's own SSH is read or touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from middlebench.hosts.ssh import SshHost
from middlebench.system.errors import HostError

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
START_SECONDS = 10.0
NO_START_UP_FILE = "{ [ ! -e ~root/.bashrc ] || mount --bind /dev/null ~root/.bashrc; }"
"""bash reads it for every command that sshd starts; what a developer has there may take long."""

needs_sshd = pytest.mark.skipif(SSHD is None or os.geteuid() != 0, reason="needs openssh-server and root")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair without a passphrase and return the public key's line."""
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


@dataclass
class Sshd:
    """One sshd, in the foreground of a process group of its own."""

    folder: Path
    port: int
    address: str = "127.0.0.1"
    enter: Sequence[str] = ()
    """Words before the command, such as those that enter a network namespace."""
    prepare: str = ":"
    """Shell, run in the mount namespace of the server's own before it starts."""
    options: Sequence[str] = ()
    set_up: Callable[[int], None] = lambda _: None
    """Called with the process id of the first of ``enter`` while the server starts."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def entry(self) -> str:
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{name} {self.host_key}\n"

    def start(self, authorized_key: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "host_key").exists():
            make_key(self.folder / "host_key")
        (self.folder / "authorized_keys").write_text(authorized_key + "\n")
        config = self.folder / "sshd_config"
        settings = [
            f"Port {self.port}",
            f"ListenAddress {self.address}",
            f"HostKey {self.folder}/host_key",
            "AuthorizedKeysFile /run/authorized_keys",
            f"PidFile {self.folder}/sshd.pid",
            "StrictModes no",  # the folder lies below /tmp
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "MaxStartups 100",
            *self.options,
        ]
        config.write_text("\n".join(settings) + "\n")
        # A /run of its own: sshd wants an empty folder there, and what runs below it finds no one else's.
        start = (
            "mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd /run/netns /run/lock && "
            f'cp {self.folder}/authorized_keys /run && {NO_START_UP_FILE} && {self.prepare} && exec "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", start, "sh"]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.enter, *command, str(SSHD), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.set_up(self.process.pid)
        end = time.monotonic() + START_SECONDS
        while "Server listening" not in (self.folder / "sshd.log").read_text():
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            assert time.monotonic() < end, "sshd did not come up"
            time.sleep(0.02)

    def sessions(self) -> list[int]:
        """Return the process ids of the sshd processes that serve connections."""
        assert self.process is not None
        found = descendants(self.process.pid, "sshd")
        itself = Path(f"/proc/{self.process.pid}/comm").read_text(encoding="utf-8").strip() == "sshd"
        return found if itself else found[1:]  # the first one listens

    def stop(self) -> None:
        if self.process is None:
            return
        for pid in [*self.sessions(), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def descendants(pid: int, name: str) -> list[int]:
    """Return the processes below ``pid`` that are called ``name``."""
    found = []
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    with contextlib.suppress(OSError):
        for child in [int(word) for task in tasks for word in task.read_text().split()]:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() == name:
                    found.append(child)
            found += descendants(child, name)
    return found


@dataclass
class Home:
    """A home folder whose ``.ssh`` knows the servers of a test and nothing else."""

    folder: Path
    public_key: str = ""

    def __post_init__(self) -> None:
        self.ssh.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.public_key = self.public_key or make_key(self.ssh / "key")

    def use(self, environment: pytest.MonkeyPatch) -> None:
        """Have this home be the user's: for ``ssh``, which asks the password file for it, by a wrapper of its name."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.ssh}/config "$@"\n')
        (folder / "ssh").chmod(0o755)
        (self.ssh / "config").touch()
        environment.setenv("HOME", str(self.folder))
        environment.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        environment.delenv("SSH_AUTH_SOCK", raising=False)

    @property
    def ssh(self) -> Path:
        return self.folder / ".ssh"

    @property
    def known_hosts(self) -> Path:
        return self.ssh / "known_hosts"

    def add(self, alias: str, server: Sshd, *lines: str) -> None:
        """Write a host's stanza, and its key into known_hosts."""
        stanza = [
            f"Host {alias}",
            *(f"  {line}" for line in lines),  # of each option the first value counts
            f"  HostName {server.address}",
            f"  Port {server.port}",
            "  User root",
            *(() if any(line.startswith("IdentityFile ") for line in lines) else (f"  IdentityFile {self.ssh}/key",)),
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {self.known_hosts}",
        ]
        with (self.ssh / "config").open("a") as config:
            config.write("\n".join(stanza) + "\n")
        with self.known_hosts.open("a") as known:
            known.write(server.entry)


def refused(host: SshHost, marker: Path) -> str:
    """Return why the host is refused; nothing may have run there."""
    with pytest.raises(HostError) as caught:
        host.run(["touch", str(marker)])
    assert not marker.exists()
    return str(caught.value)


@contextmanager
def running_sshd(folder: Path, home: Home, **options: object) -> Iterator[Sshd]:
    server = Sshd(folder=folder, port=free_port(), **options)  # type: ignore[arg-type]
    try:
        server.start(home.public_key)
        yield server
    finally:
        server.stop()
