"""What ``~/.ssh/config`` says of a host: where it is, who we are there, which keys count, by which hosts to go."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import paramiko

from middlebench.hosts.ssh.known_hosts import SSH_PORT, entry_name
from middlebench.system.errors import HostError
from middlebench.system.user import user_name

LONGEST_ROUTE = 8
"""Hosts that one may jump through; more is a loop in the config."""
INCLUDE_DEPTH = 16
"""How deep ``Include`` may nest (as in ssh)."""


@dataclass(frozen=True)
class Destination:
    """A host to connect to, with everything that the user's config says of it."""

    alias: str
    """The host as the user named it."""
    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...]
    """Private keys to offer that exist; empty where the config names none."""
    only_these: bool
    """Whether keys of the agent, and keys by their usual names, are left aside (``IdentitiesOnly``)."""
    known_hosts_files: tuple[Path, ...]
    entry: str
    """The host's name in these files."""
    jump: Destination | None
    """The host through which this one is reached."""

    def __str__(self) -> str:
        return f"{self.user}@{self.hostname}:{self.port}"


def find_destination(alias: str) -> Destination:
    """Return what the user's ``~/.ssh/config`` makes of ``alias`` (``[user@]host[:port]``).

    Raises:
        HostError: the config cannot be read, or asks for something that we do not do.
    """
    file = Path.home() / ".ssh" / "config"
    try:
        config = paramiko.SSHConfig.from_text(_with_includes(file, INCLUDE_DEPTH))
        return _resolve(alias, config, None, LONGEST_ROUTE)
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise HostError(f"reading {file} for host {alias}", str(error), f"see what `ssh -G {alias}` says") from error


def _resolve(alias: str, config: paramiko.SSHConfig, via: Destination | None, hops_left: int) -> Destination:
    if hops_left == 0:
        raise ValueError(f"ProxyJump goes through more than {LONGEST_ROUTE} hosts, or in a circle")
    user, host, port = _parts(alias)
    options = config.lookup(host)
    jump = via
    jumps = "" if via or options.get("proxyjump", "none") == "none" else str(options["proxyjump"])
    for hop in filter(None, jumps.split(",")):
        jump = _resolve(hop.strip(), config, jump, hops_left - 1)
    if options.get("proxycommand", "none") != "none" and jump is None:
        raise ValueError(f"ProxyCommand is set for {host}; only ProxyJump is understood")
    hostname = str(options.get("hostname", host))
    port = port or int(options.get("port", SSH_PORT))
    alias_of_key = options.get("hostkeyalias")
    user_files = str(options.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"))
    global_files = str(options.get("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"))
    identities = tuple(Path(file).expanduser() for file in options.get("identityfile", ()))
    return Destination(
        alias=alias,
        hostname=hostname,
        port=port,
        user=user or str(options.get("user", user_name())),
        identity_files=tuple(file for file in identities if file.exists()),
        only_these=str(options.get("identitiesonly", "no")) == "yes",
        known_hosts_files=tuple(Path(file).expanduser() for file in shlex.split(f"{user_files} {global_files}")),
        entry=str(alias_of_key) if alias_of_key else entry_name(hostname, port),
        jump=jump,
    )


def _parts(alias: str) -> tuple[str, str, int]:
    """Split ``[ssh://][user@]host[:port]``; what is not there is empty or 0."""
    user, _, rest = alias.removeprefix("ssh://").rpartition("@")
    if rest.startswith("["):  # an IPv6 address with a port
        host, _, port = rest[1:].partition("]")
        return user, host, int(port.removeprefix(":") or 0)
    host, _, port = rest.partition(":") if rest.count(":") == 1 else (rest, "", "")
    return user, host, int(port or 0)


def _with_includes(file: Path, depth: int) -> str:
    """Return a config file's text with what it includes in its place; paramiko knows no ``Include``."""
    if not file.exists():
        return ""
    lines: list[str] = []
    for line in file.read_text().splitlines():
        words = line.replace("=", " ", 1).split()
        if not words or words[0].lower() != "include":
            lines.append(line)
            continue
        if depth == 0:
            raise ValueError(f"Include nests deeper than {INCLUDE_DEPTH} files at {file}")
        for pattern in shlex.split(" ".join(words[1:])):
            full = Path(pattern).expanduser()
            absolute = full if full.is_absolute() else Path.home() / ".ssh" / full
            lines += [
                _with_includes(found, depth - 1)
                for found in sorted(Path(absolute.anchor).glob(str(absolute.relative_to(absolute.anchor))))
            ]
    return "\n".join(lines) + "\n"
