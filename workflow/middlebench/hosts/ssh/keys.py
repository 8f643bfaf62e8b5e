"""Which keys are offered to a host, and in which order: as OpenSSH does it (ssh_config(5), ``IdentitiesOnly``).

First the agent's keys that the configuration names, then the agent's others unless only the named ones may be
used, then the named private keys that no agent has. A named file may be a public key, or a private one that is
locked: then the agent must have its private half.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey

from middlebench.hosts.ssh.destination import Destination

AGENT_VARIABLE = "SSH_AUTH_SOCK"
KEYGEN_SECONDS = 10.0


class Keys(AuthStrategy):
    """Offers a destination's keys; used for one connection."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._destination = destination
        self.offered: list[str] = []
        """Fingerprints of the keys that were offered so far."""
        self.unusable: list[str] = []
        """Why a named file was passed over, a phrase each."""
        self.locked = False
        """Whether one of these is a private key with a passphrase, which no agent has."""

    def get_sources(self) -> Iterator[AuthSource]:
        """Yield one key after the other."""
        where = self._destination
        with _agent_keys(where.agent) as keys:
            in_agent = {key.fingerprint: key for key in keys}
            prints = {file: fingerprint(file) for file in where.identity_files} if in_agent else {}
            named = [each for each in prints.values() if each in in_agent]
            others = [] if where.only_these else [each for each in in_agent if each not in named]
            for each in dict.fromkeys((*named, *others)):
                yield self._offer(in_agent[each])
            for file in where.identity_files:
                if prints.get(file) not in in_agent and (key := self._private_key(file)) is not None:
                    yield self._offer(key)

    def _offer(self, key: paramiko.PKey) -> AuthSource:
        self.offered.append(key.fingerprint)
        return InMemoryPrivateKey(self._destination.user, key)

    def _private_key(self, file: Path) -> paramiko.PKey | None:
        if not file.exists():
            return None
        try:
            return paramiko.PKey.from_path(file)
        except (paramiko.PasswordRequiredException, TypeError):  # cryptography's word for it is TypeError
            self.locked = True
            self.unusable.append(f"{file} is locked, and the agent does not have it")
        except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError, OSError) as error:
            public = fingerprint(file) is not None
            reason = "is a public key, and the agent does not have its private half" if public else f"({error})"
            self.unusable.append(f"{file} {reason}")
        return None


def fingerprint(file: Path) -> str | None:
    """Return the SHA-256 fingerprint of a key's file, private (also a locked one) or public; None if it has none."""
    for each in (file, Path(f"{file}.pub")):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            argv = ["ssh-keygen", "-l", "-E", "sha256", "-f", str(each)]
            said = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=KEYGEN_SECONDS
            ).stdout.split()
            return said[1].decode()
    return None


_environment = threading.Lock()


@contextmanager
def _agent_keys(socket: str) -> Iterator[tuple[paramiko.AgentKey, ...]]:
    """Yield the keys of the agent behind a socket for as long as the context lasts; none where there is no agent."""
    if not socket:
        yield ()
        return
    with _environment:  # the environment is the only public way to tell paramiko where the agent is
        before = os.environ.get(AGENT_VARIABLE)
        os.environ[AGENT_VARIABLE] = socket
        try:
            agent = paramiko.Agent()
        finally:
            if before is None:
                del os.environ[AGENT_VARIABLE]
            else:
                os.environ[AGENT_VARIABLE] = before
    try:
        yield agent.get_keys()
    finally:
        agent.close()
