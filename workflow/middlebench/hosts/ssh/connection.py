"""One authenticated connection to a host, whose key was known before anything was sent to it.

Keys and the agent only: no password is ever asked for, kept or sent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.auth_strategy import AuthFailure

from middlebench.hosts.ssh.destination import Destination
from middlebench.hosts.ssh.keys import Keys
from middlebench.hosts.ssh.known_hosts import is_revoked, read_known_keys
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

KEEPALIVE_SECONDS = 15
PROXY_END_SECONDS = 2.0
"""How long a proxy command may take to end by itself once its connection is closed."""
NO_FILE = Path("/dev/null")
RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
"""How a key of type ``ssh-rsa`` is asked for nowadays (RFC 8332)."""

# What goes wrong comes back as an error of ours; paramiko's own words would land on standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Connection:
    """A live connection, and what carries it."""

    destination: Destination
    client: paramiko.SSHClient
    carrier: Connection | Proxy | None
    """The jump host or the proxy command through which it goes; None for a TCP connection of its own."""

    @property
    def transport(self) -> paramiko.Transport | None:
        """The connection's transport; None once the connection is lost or closed."""
        transport = self.client.get_transport()
        return transport if transport is not None and transport.is_active() else None

    def close(self) -> None:
        """Close the connection; a second call changes nothing."""
        self.client.close()
        if self.carrier is not None:
            self.carrier.close()


def connect(destination: Destination, deadline: Deadline) -> Connection:
    """Connect to ``destination``, by way of its jump hosts or its proxy command where it has some.

    Raises:
        HostError: it cannot be reached in time, its key is not the known one, or it takes none of our keys.
    """
    carrier: Connection | Proxy | None = connect(destination.jump, deadline) if destination.jump else None
    client = paramiko.SSHClient()
    # No known keys are given to paramiko: every key is a "missing" one to it, and comes to our own check.
    client.set_missing_host_key_policy(_KnownKeysOnly(destination))
    keys = Keys(destination)
    try:
        if destination.proxy_command:
            carrier = Proxy(destination.proxy_command)
        client.connect(
            destination.hostname,
            port=destination.port,
            username=destination.user,
            auth_strategy=keys,
            timeout=deadline.remaining,
            banner_timeout=deadline.remaining,
            auth_timeout=deadline.remaining,
            channel_timeout=deadline.remaining,
            sock=_link(destination, carrier, deadline),
            transport_factory=lambda sock, **options: _transport(destination, sock, **options),
        )
        transport = client.get_transport()
        if transport is None or not transport.is_authenticated():
            raise paramiko.AuthenticationException("it wants more than a key")
        transport.set_keepalive(KEEPALIVE_SECONDS)
    except BaseException as error:
        client.close()
        said = ""
        if carrier is not None:
            carrier.close()
            said = carrier.said if isinstance(carrier, Proxy) else ""
        if isinstance(error, (OSError, EOFError, paramiko.SSHException)):
            raise _explained(destination, deadline, error, keys, said) from error
        raise
    return Connection(destination=destination, client=client, carrier=carrier)


def _link(
    destination: Destination, carrier: Connection | Proxy | None, deadline: Deadline
) -> socket.socket | paramiko.Channel:
    """Return what carries the connection's bytes."""
    address = (destination.hostname, destination.port)
    if isinstance(carrier, Proxy):
        return carrier.socket
    if carrier is not None:
        transport = carrier.transport
        if transport is None:
            raise paramiko.SSHException(f"the connection to the jump host {carrier.destination} was lost")
        return transport.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=deadline.remaining)
    problem: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
    found = socket.getaddrinfo(*address, family=destination.family, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, resolved in found:
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(deadline.remaining)
            if destination.bind_address:
                link.bind((destination.bind_address, 0))
            link.connect(resolved)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            link.close()
            problem = error
        else:
            return link
    raise problem


class Proxy:
    """A process whose standard input and output are a connection (``ProxyCommand``).

    Args:
        command: what ``/bin/sh`` runs, as ssh has the user's shell run it: it is the user's own text.
    """

    def __init__(self, command: str) -> None:
        # Not paramiko's own ProxyCommand: it does not notice the end of the process.
        self.socket, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - until close()
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._stderr,
                start_new_session=True,
            )
        self.said = ""
        """What it said on standard error, once it is closed."""

    def close(self) -> None:
        """End the process; a second call changes nothing."""
        self.socket.close()
        try:
            self._process.wait(PROXY_END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if not self._stderr.closed:
            self._stderr.seek(0)
            self.said = self._stderr.read().decode(errors="replace").strip()
            self._stderr.close()


def _transport(destination: Destination, sock: socket.socket, **options: object) -> paramiko.Transport:
    """Return a transport that asks first for the types of key by which the host is known."""
    transport = paramiko.Transport(sock, **options)  # type: ignore[arg-type]
    security = transport.get_security_options()
    trusted, _ = read_known_keys(destination.known_hosts_files, destination.entry)
    kinds = [key.get_name() for key in trusted]
    wanted = [name for kind in kinds for name in (RSA_SIGNATURES if kind == "ssh-rsa" else (kind,))]
    offered = tuple(security.key_types)
    first = tuple(dict.fromkeys(name for name in wanted if name in offered))
    security.key_types = (*first, *(name for name in offered if name not in first))
    return transport


class _KnownKeysOnly(paramiko.MissingHostKeyPolicy):
    """Refuses every host key that the user's files do not list; asked before we authenticate."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Return for a known key; see :func:`check_host_key`."""
        del client, hostname
        check_host_key(self._destination, key)


def check_host_key(destination: Destination, key: paramiko.PKey) -> None:
    """Return if ``key`` is one by which the user knows the host.

    Raises:
        HostError: the key is unknown, another one than before, or revoked; the message has its fingerprint.
    """
    trusted, revoked = read_known_keys(destination.known_hosts_files, destination.entry)
    doing = f"connecting to {destination.alias} ({destination})"
    shown, revoked_keys = _in_words(key), destination.revoked_keys
    if key in revoked or (revoked_keys is not None and is_revoked(key, revoked_keys)):
        raise HostError(
            doing,
            f"its host key {shown} is marked as revoked; nothing was sent to it",
            "find out why it was revoked, and give the host a new key",
        )
    if key in trusted:
        return
    compare = (
        f"compare the fingerprint, on the host's own console, with what "
        f"`ssh-keygen -lf /etc/ssh/ssh_host_{key.get_name().removeprefix('ssh-').partition('-')[0]}_key.pub` says there"
    )
    file = next((file for file in destination.known_hosts_files if file != NO_FILE), None)
    if file is None:
        raise HostError(
            doing,
            f"its host key {shown} cannot be checked: your SSH configuration names no file of known hosts for it; "
            "nothing was sent to it",
            f"give it a UserKnownHostsFile for this host; {compare}, then add the key to that file. "
            "A key is never accepted unseen, whatever StrictHostKeyChecking says",
        )
    add = f"`ssh-keyscan -p {destination.port} {destination.hostname} >> {shlex.quote(str(file))}`"
    if not trusted:
        raise HostError(
            doing,
            f"its host key {shown} is not known for {destination.entry}; nothing was sent to it",
            f"{compare}; if they are equal, add the key: {add}",
        )
    before = ", ".join(map(_in_words, trusted))
    raise HostError(
        doing,
        f"its host key has CHANGED: it shows {shown}, known for {destination.entry} is {before}; "
        "nothing was sent to it",
        f"somebody may stand between you and the host, or it was installed anew: {compare}; only if they are equal, "
        f"remove the old key (`ssh-keygen -R {shlex.quote(destination.entry)} -f {shlex.quote(str(file))}`) and add "
        f"the new one ({add})",
    )


def _in_words(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _explained(
    destination: Destination, deadline: Deadline, error: Exception, keys: Keys, proxy_said: str
) -> HostError:
    doing = f"connecting to {destination.alias} ({destination})"
    by_hand = f"see what `ssh -v -o BatchMode=yes {destination.alias} true` says"
    if isinstance(error, AuthFailure):  # paramiko puts whatever ends it into this, also a lost connection
        others = [each.result for each in error.result if not isinstance(each.result, paramiko.AuthenticationException)]
        error = next((each for each in others if isinstance(each, Exception)), error)
    if isinstance(error, paramiko.AuthenticationException):
        offered = ", ".join(keys.offered) or "no key"
        passed_over = "".join(f"; {each}" for each in keys.unusable)
        unlock = "load the key into the agent: `ssh-add`; or " if keys.locked else ""
        return HostError(
            doing,
            f"it takes none of our keys for user {destination.user} (offered: {offered}{passed_over})",
            f"{unlock}put a public key of yours into ~{destination.user}/.ssh/authorized_keys there (`ssh-copy-id`), "
            f"or name the right User and IdentityFile in your SSH configuration; {by_hand}",
        )
    if isinstance(error, socket.gaierror):
        happened = f"no host of this name is known ({error.strerror})"
        return HostError(doing, happened, "give it a HostName in your SSH configuration")
    said = f" ({proxy_said.splitlines()[-1]})" if proxy_said else ""
    if isinstance(error, TimeoutError) or deadline.expired:
        return HostError(doing, f"it did not answer within {deadline.seconds:g} s{said}", f"is it on? {by_hand}")
    happened = str(error) or type(error).__name__
    return HostError(doing, f"it cannot be reached: {happened}{said}", f"is it on, and does its sshd run? {by_hand}")
