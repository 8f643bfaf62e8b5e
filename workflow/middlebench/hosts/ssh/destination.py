"""What the user's SSH configuration says of a host, as OpenSSH itself resolves it (``ssh -G``).

Nothing of the configuration is read here: ``Host``, ``Match``, ``Include`` and tokens mean what the
installed ``ssh`` says they mean, and a word that it does not know is its error.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from middlebench.hosts.ssh.known_hosts import entry_name
from middlebench.system.errors import HostError

MAX_JUMPS = 8
"""Hosts that one connection may jump through; more is a loop in the configuration."""
RESOLVE_SECONDS = 30.0
"""How long ``ssh -G`` may take: ``Match exec`` runs commands of the user's, ``CanonicalizeHostname`` asks DNS."""
FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
"""The values of ``AddressFamily``."""
UNSAFE = re.compile(r"^-|[\s\x00-\x1f\x7f'`\"$\\;&<>|(){}]")
"""What OpenSSH refuses in a host name (valid_hostname() in its ssh.c, since 9.6): it is put into shell commands."""


@dataclass(frozen=True)
class Destination:
    """A host to connect to, with everything that the user's configuration says of it."""

    alias: str
    """The host as the user named it."""
    hostname: str
    """Name or address to connect to, in lower case."""
    port: int
    user: str
    identity_files: tuple[Path, ...]
    """Files of keys to offer, private or public, whether they exist or not."""
    only_these: bool
    """Whether the agent's other keys are left aside (``IdentitiesOnly``)."""
    known_hosts_files: tuple[Path, ...]
    entry: str
    """The host's name in these files."""
    jump: Destination | None = None
    """The host through which this one is reached."""
    proxy_command: str = ""
    """Shell command whose standard input and output are the connection; empty for a connection of our own."""
    agent: str = ""
    """Socket of the agent that has keys; empty for none."""
    revoked_keys: Path | None = None
    """File of keys that must never be accepted (``RevokedHostKeys``), which ssh-keygen(1) reads."""
    family: int = socket.AF_UNSPEC
    """Address family to connect by."""
    bind_address: str = ""
    """Address of this machine to connect from; empty for any."""

    def __str__(self) -> str:
        return f"{self.user}@{self.hostname}:{self.port}"


def find_destination(alias: str) -> Destination:
    """Return what the user's SSH configuration makes of ``alias`` (``[ssh://][user@]host[:port]``).

    Raises:
        HostError: ``ssh`` is missing or refuses its configuration, or that asks for something that we do not do.
    """
    return _resolve(alias, None, MAX_JUMPS)


def _resolve(alias: str, via: Destination | None, jumps_left: int) -> Destination:
    user, host, port = _parts(alias)
    if jumps_left == 0:
        raise _error(alias, f"ProxyJump goes through more than {MAX_JUMPS} hosts, or in a circle")
    if UNSAFE.search(host) or UNSAFE.search(user):
        raise _error(alias, "this cannot be the name of a host")
    options = _resolved_options(alias, user, host, port)

    def first(key: str, otherwise: str = "") -> str:
        value = options.get(key, [otherwise])[0]
        return "" if value == "none" else value

    hostname, user = first("hostname", host), first("user")
    alias_of_key = first("hostkeyalias").lower()
    tokens = {
        **{"%": "%", "h": hostname, "n": host, "p": first("port"), "r": user, "k": alias_of_key or host},
        **{"u": pwd.getpwuid(os.getuid()).pw_name, "d": _home(), "i": str(os.getuid())},
        **{"l": socket.gethostname(), "L": socket.gethostname().partition(".")[0]},
    }
    jump = via
    for hop in filter(None, "" if via else _expanded(alias, first("proxyjump"), tokens).split(",")):
        jump = _resolve(hop.strip(), jump, jumps_left - 1)
    proxy_command = "" if jump else first("proxycommand")
    if proxy_command and first("proxyusefdpass") == "yes":
        raise _error(alias, "ProxyUseFdpass is set, which is not supported")
    if UNSAFE.search(hostname) or UNSAFE.search(user):
        raise _error(alias, f"its configuration gives it the name {hostname!r} and the user {user!r}")
    return Destination(
        alias=alias,
        hostname=hostname,
        port=int(first("port")),
        user=user,
        identity_files=tuple(
            _path(_expanded(alias, file, tokens)) for file in options.get("identityfile", ()) if file != "none"
        ),
        only_these=first("identitiesonly") == "yes",
        known_hosts_files=(*_files(first("userknownhostsfile")), *_files(first("globalknownhostsfile"))),
        entry=alias_of_key or entry_name(hostname, int(first("port"))),
        jump=jump,
        proxy_command=_expanded(alias, proxy_command, tokens),
        agent=_agent_socket(options.get("identityagent", ["SSH_AUTH_SOCK"])[0]),
        revoked_keys=_path(first("revokedhostkeys")) if first("revokedhostkeys") else None,
        family=FAMILIES[first("addressfamily", "any")],
        bind_address=first("bindaddress"),
    )


def _resolved_options(alias: str, user: str, host: str, port: int) -> Mapping[str, Sequence[str]]:
    """Return what ``ssh -G`` prints: key, in lower case, to its values."""
    argv = ["ssh", "-G", *(("-l", user) if user else ()), *(("-p", str(port)) if port else ()), "--", host]
    try:
        found = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=RESOLVE_SECONDS,
        )
    except FileNotFoundError as error:
        raise _error(alias, "there is no program `ssh`", "install openssh-client") from error
    except subprocess.TimeoutExpired as error:
        raise _error(alias, f"`{shlex.join(argv)}` did not end within {RESOLVE_SECONDS:g} s") from error
    if found.returncode != 0:
        raise _error(alias, f"`{shlex.join(argv)}` ended with status {found.returncode}: {found.stderr.strip()}")
    options: dict[str, list[str]] = {}
    for line in found.stdout.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key.lower(), []).append(value)
    missing = {"hostname", "user", "port"} - options.keys()
    if missing:
        raise _error(alias, f"`{shlex.join(argv)}` does not say {', '.join(sorted(missing))}: {found.stdout[:200]!r}")
    return options


def _error(alias: str, happened: str, advice: str = "") -> HostError:
    return HostError(
        f"reading the SSH configuration for host {alias!r}", happened, advice or f"see what `ssh -G {alias}` says"
    )


def _parts(alias: str) -> tuple[str, str, int]:
    """Split ``[ssh://][user@]host[:port]``; what is not there is empty or 0."""
    user, _, rest = alias.removeprefix("ssh://").rpartition("@")
    if rest.startswith("["):  # an IPv6 address with a port
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = rest.partition(":") if rest.count(":") == 1 else (rest, "", "")
    if port and not port.isdecimal():
        raise _error(alias, f"{port!r} is not a port")
    return user, host, int(port or 0)


def _expanded(alias: str, text: str, tokens: Mapping[str, str]) -> str:
    """Return ``text`` with the tokens and variables that ``ssh -G`` leaves as they are (ssh_config(5), TOKENS)."""

    def token(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise _error(alias, f"the token %{match[1]} in {text!r} is not supported")
        return tokens[match[1]]

    return re.sub(r"%(.)", token, text)


def _home() -> str:
    """Return the home folder as OpenSSH finds it: it does not look at $HOME."""
    return pwd.getpwuid(os.getuid()).pw_dir


def _path(text: str) -> Path:
    named = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)
    return Path(_home() + named[1:]) if named == "~" or named.startswith("~/") else Path(named).expanduser()


def _files(text: str) -> list[Path]:
    """Return the files of a list, which ``ssh -G`` prints without quotes.

    Words that together name a file that exists are one name with blanks.
    """
    words, files = text.split(" ") if text else [], []
    while words:
        lengths = range(len(words), 0, -1)
        length = next((length for length in lengths if _path(" ".join(words[:length])).exists()), 1)
        files.append(_path(" ".join(words[:length])))
        words = words[length:]
    return files


def _agent_socket(value: str) -> str:
    """Return the agent's socket that ``IdentityAgent`` names (ssh_config(5)); empty for none."""
    if value == "none":
        return ""
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        return os.environ.get(value.removeprefix("$").strip("{}"), "")
    return str(_path(value))
