"""Which host keys this user trusts: ``known_hosts`` files, read as ssh reads them (sshd(8)).

Files in, keys out. Key blobs are compared byte for byte; nothing here speaks SSH.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
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
    """Return the keys that ``files`` list for ``name``; files that do not exist say nothing.

    A line that cannot be read is passed over, as ssh does: it trusts nobody.

    Raises:
        OSError: a file is there but cannot be read.
    """
    trusted: list[HostKey] = []
    revoked: list[HostKey] = []
    for file in files:
        if not file.exists():
            continue
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            marker = words.pop(0) if words and words[0].startswith("@") else ""
            if len(words) < 3 or words[0].startswith("#") or not _matches(words[0], name):
                continue
            try:
                key = HostKey(kind=words[1], blob=base64.b64decode(words[2], validate=True))
            except binascii.Error:
                continue
            if marker == "@revoked":
                revoked.append(key)
            elif not marker:  # @cert-authority: certificates are not among what we accept
                trusted.append(key)
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


def _matches(patterns: str, name: str) -> bool:
    """Whether a line's first field is about ``name``: hashed, or patterns of which ``!`` ones exclude."""
    if patterns.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part, validate=True) for part in patterns[3:].split("|"))
        except (ValueError, binascii.Error):
            return False
        return hmac.compare_digest(hmac.new(salt, name.lower().encode(), hashlib.sha1).digest(), digest)
    listed = patterns.lower().split(",")
    if any(pattern.startswith("!") and _like(name, pattern[1:]) for pattern in listed):
        return False
    return any(_like(name, pattern) for pattern in listed)


def _like(name: str, pattern: str) -> bool:
    # Only * and ? are special to ssh; [ stands for itself, as in [host]:port.
    return fnmatch.fnmatchcase(name.lower(), pattern.replace("[", "[[]"))
