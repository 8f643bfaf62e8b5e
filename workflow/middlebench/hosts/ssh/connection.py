"""One authenticated connection to a host, whose key was known before anything was sent to it.

Keys and the agent only: no password is ever asked for, kept or sent.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass

import paramiko

from middlebench.hosts.ssh.destination import Destination
from middlebench.hosts.ssh.known_hosts import HostKey, read_known_keys
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

KEEPALIVE_SECONDS = 15
RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
"""How a key of type ``ssh-rsa`` is asked for nowadays (RFC 8332)."""

# What goes wrong comes back as an error of ours; paramiko's own words would land on standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Connection:
    """A live connection, and those through which it goes."""

    destination: Destination
    client: paramiko.SSHClient
    through: Connection | None

    @property
    def transport(self) -> paramiko.Transport | None:
        """The connection's transport; None once the connection is lost or closed."""
        transport = self.client.get_transport()
        return transport if transport is not None and transport.is_active() else None

    def close(self) -> None:
        """Close the connection; a second call changes nothing."""
        self.client.close()
        if self.through is not None:
            self.through.close()


def connect(destination: Destination, deadline: Deadline) -> Connection:
    """Connect to ``destination``, by way of its jump hosts where it has some.

    Raises:
        HostError: it cannot be reached in time, its key is not the known one, or it takes none of our keys.
    """
    through = connect(destination.jump, deadline) if destination.jump else None
    client = paramiko.SSHClient()
    # No known keys are given to paramiko: every key is a "missing" one to it, and comes to our own check.
    client.set_missing_host_key_policy(_KnownKeysOnly(destination))
    try:
        link = _reach(destination, through, deadline)
        client.connect(
            destination.hostname,
            port=destination.port,
            username=destination.user,
            key_filename=[str(file) for file in destination.identity_files],  # type: ignore[arg-type] # it takes a list too
            allow_agent=not destination.only_these,
            look_for_keys=not destination.only_these and not destination.identity_files,
            timeout=deadline.remaining,
            banner_timeout=deadline.remaining,
            auth_timeout=deadline.remaining,
            channel_timeout=deadline.remaining,
            sock=link,
            transport_factory=lambda sock, **options: _transport(destination, sock, **options),
        )
        transport = client.get_transport()
        if transport is None:  # pragma: no cover - connect() has just returned
            raise paramiko.SSHException("the connection ended at once")
        transport.set_keepalive(KEEPALIVE_SECONDS)
    except BaseException as error:
        client.close()
        if through is not None:
            through.close()
        if isinstance(error, (OSError, EOFError, paramiko.SSHException)):
            raise _explained(destination, deadline, error) from error
        raise
    return Connection(destination=destination, client=client, through=through)


def _reach(
    destination: Destination, through: Connection | None, deadline: Deadline
) -> socket.socket | paramiko.Channel:
    """Return what carries the connection: a TCP connection, or a channel of the jump host's."""
    address = (destination.hostname, destination.port)
    if through is None:
        link = socket.create_connection(address, timeout=deadline.remaining)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link
    transport = through.transport
    if transport is None:
        raise paramiko.SSHException(f"the connection to the jump host {through.destination} was lost")
    return transport.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=deadline.remaining)


def _transport(destination: Destination, sock: socket.socket, **options: object) -> paramiko.Transport:
    """Return a transport that asks first for the types of key by which the host is known."""
    transport = paramiko.Transport(sock, **options)  # type: ignore[arg-type]
    security = transport.get_security_options()
    known = read_known_keys(destination.known_hosts_files, destination.entry)
    wanted = [name for key in known.trusted for name in (RSA_SIGNATURES if key.kind == "ssh-rsa" else (key.kind,))]
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
        check_host_key(self._destination, HostKey(kind=key.get_name(), blob=key.asbytes()))


def check_host_key(destination: Destination, shown: HostKey) -> None:
    """Return if ``shown`` is a key by which the user knows the host.

    Raises:
        HostError: the key is unknown, another one than before, or revoked; the message has its fingerprint.
    """
    known = read_known_keys(destination.known_hosts_files, destination.entry)
    doing = f"connecting to {destination.alias} ({destination})"
    file = destination.known_hosts_files[0]
    if shown in known.revoked:
        raise HostError(
            doing,
            f"its host key {shown} is marked as revoked; nothing was sent to it",
            f"find out why it was revoked in {file}, and give the host a new key",
        )
    if shown in known.trusted:
        return
    compare = (
        f"compare the fingerprint, on the host's own console, with what "
        f"`ssh-keygen -lf /etc/ssh/ssh_host_{shown.kind.removeprefix('ssh-').partition('-')[0]}_key.pub` says there"
    )
    add = f"`ssh-keyscan -p {destination.port} {destination.hostname} >> {file}`"
    if not known.trusted:
        raise HostError(
            doing,
            f"its host key {shown} is not known for {destination.entry}; nothing was sent to it",
            f"{compare}; if they are equal, add the key: {add}",
        )
    before = ", ".join(map(str, known.trusted))
    raise HostError(
        doing,
        f"its host key has CHANGED: it shows {shown}, known for {destination.entry} is {before}; "
        "nothing was sent to it",
        f"somebody may stand between you and the host, or it was installed anew: {compare}; only if they are "
        f"equal, forget the old key (`ssh-keygen -R '{destination.entry}' -f {file}`) and add the new one ({add})",
    )


def _explained(destination: Destination, deadline: Deadline, error: Exception) -> HostError:
    doing = f"connecting to {destination.alias} ({destination})"
    by_hand = f"see what `ssh -v -o BatchMode=yes {destination.alias} true` says"
    if isinstance(error, paramiko.PasswordRequiredException):
        return HostError(
            doing, "the private key is locked, and no agent has it", "load it into the agent: `ssh-add`, then try again"
        )
    if isinstance(error, paramiko.AuthenticationException):
        return HostError(
            doing,
            f"it takes none of our keys for user {destination.user}",
            f"put a public key of yours into ~{destination.user}/.ssh/authorized_keys there (`ssh-copy-id`), or name "
            f"the right User and IdentityFile in ~/.ssh/config; {by_hand}",
        )
    if isinstance(error, socket.gaierror):
        return HostError(
            doing, f"no host of this name is known ({error.strerror})", "give it a HostName in ~/.ssh/config"
        )
    if isinstance(error, TimeoutError) or deadline.expired:
        return HostError(doing, f"it did not answer within {deadline.seconds:g} s", f"is it on? {by_hand}")
    said = str(error) or type(error).__name__
    return HostError(doing, f"it cannot be reached: {said}", f"is it on, and does its sshd run? {by_hand}")
