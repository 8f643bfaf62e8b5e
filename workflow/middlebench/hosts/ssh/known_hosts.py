"""Which host keys this user trusts: ``known_hosts`` files, read as ssh reads them (sshd(8)).

Files in, keys out: ``ssh-keygen`` reads them; nothing here speaks SSH.
"""

from __future__ import annotations

import base64
import contextlib
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from paramiko import PKey, SSHException
from paramiko.pkey import UnknownKeyType

SSH_PORT = 22


def entry_name(host: str, port: int) -> str:
    """Return the name by which ``known_hosts`` lists a host: with the port unless it is SSH's own."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def read_known_keys(files: Iterable[Path], name: str) -> tuple[list[PKey], list[PKey]]:
    """Return the keys that ``files`` list for a host as :func:`entry_name` writes it, found by ssh-keygen(1).

    They are those that are trusted, and those that must never be accepted, whatever else the files say. A line that
    cannot be read is passed over, as ssh does: it trusts nobody. So is a file that cannot be.

    Raises:
        OSError: there is no ``ssh-keygen``.
    """
    trusted: list[PKey] = []
    revoked: list[PKey] = []
    for file in files:
        asked = ["ssh-keygen", "-F", name.lower(), "-f", str(file)]
        said = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        for line in said.stdout.decode(errors="replace").splitlines():
            words = line.split()
            if words[0] == "#" or words[0] == "@cert-authority":  # certificates are not among what we accept
                continue
            marked = words[0] == "@revoked"
            with contextlib.suppress(ValueError, SSHException, UnknownKeyType):  # too few words, not base64, no key
                kind, text = words[1 + marked : 3 + marked]
                key = PKey.from_type_string(kind, base64.b64decode(text, validate=True))
                (revoked if marked else trusted).append(key)
    return trusted, revoked


def is_revoked(key: PKey, file: Path) -> bool:
    """Whether a file of revoked keys (a list, or a KRL of ssh-keygen(1)) has the key, or cannot be read.

    Raises:
        OSError: there is no ``ssh-keygen``.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pub") as shown:
        shown.write(f"{key.get_name()} {key.get_base64()}\n")
        shown.flush()
        asked = subprocess.run(
            ["ssh-keygen", "-Q", "-f", file, shown.name], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    return asked.returncode != 0
