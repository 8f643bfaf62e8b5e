"""Which host keys this user trusts: ``known_hosts`` files, read as ssh reads them (sshd(8)).

Files in, keys out: ``ssh-keygen`` reads them. Key blobs are compared byte for byte; nothing here speaks SSH.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SSH_PORT = 22


@dataclass(frozen=True)
class HostKey:
    """A public host key."""

    kind: str
    """Its type, such as ``ssh-ed25519``."""
    blob: bytes
    """The key as it goes over the wire."""

    @property
    def fingerprint(self) -> str:
        """The key's SHA-256 fingerprint, written as ssh writes it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


@dataclass(frozen=True)
class KnownKeys:
    """What the files say of one host."""

    trusted: tuple[HostKey, ...]
    revoked: tuple[HostKey, ...]
    """Keys that must never be accepted, whatever else the files say."""


def entry_name(host: str, port: int) -> str:
    """Return the name by which ``known_hosts`` lists a host: with the port unless it is SSH's own."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def read_known_keys(files: Iterable[Path], name: str) -> KnownKeys:
    """Return the keys that ``files`` list for a host as :func:`entry_name` writes it, found by ssh-keygen(1).

    A line that cannot be read is passed over, as ssh does: it trusts nobody. So is a file that cannot be.

    Raises:
        OSError: there is no ``ssh-keygen``.
    """
    trusted: list[HostKey] = []
    revoked: list[HostKey] = []
    for file in files:
        asked = ["ssh-keygen", "-F", name.lower(), "-f", str(file)]
        said = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        for line in said.stdout.decode(errors="replace").splitlines():
            words = line.split()
            if words[0] == "#" or words[0] == "@cert-authority":  # certificates are not among what we accept
                continue
            marked = words[0] == "@revoked"
            with contextlib.suppress(ValueError):  # too few words, or not base64
                kind, blob = words[1 + marked : 3 + marked]
                (revoked if marked else trusted).append(HostKey(kind=kind, blob=base64.b64decode(blob, validate=True)))
    return KnownKeys(trusted=tuple(trusted), revoked=tuple(revoked))


def is_revoked(key: HostKey, file: Path) -> bool:
    """Whether a file of revoked keys (a list, or a KRL of ssh-keygen(1)) has the key, or cannot be read.

    Raises:
        OSError: there is no ``ssh-keygen``.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pub") as shown:
        shown.write(f"{key.kind} {base64.b64encode(key.blob).decode()}\n")
        shown.flush()
        asked = subprocess.run(
            ["ssh-keygen", "-Q", "-f", file, shown.name], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    return asked.returncode != 0
