"""Debian's kernel taken apart: the uncompressed image, and modules with all that they need."""

from __future__ import annotations

import contextlib
import lzma
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from middlebench.hosts.base import Host
from middlebench.system.errors import HostError

ELF = b"\x7fELF"
XZ = b"\xfd7zXZ\x00"
GZIP = b"\x1f\x8b\x08"
GZIP_WINDOW = zlib.MAX_WBITS | 16
"""How zlib is told that a stream has gzip's header."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    version: str
    image: Path
    """Compressed kernel as it boots on bare hardware and as dom0."""
    folder: Path
    """Where it was unpacked."""
    modules: Path
    """Folder of its modules below that."""

    def needed(self, host: Host, names: Iterable[str]) -> list[Path]:
        """Return the files of the named modules and of all that they need, each after what it needs.

        Raises:
            HostError: the kernel has no such module, or depmod(8) did not run.
        """
        argv = ["modprobe", "-C", "/dev/null", "-d", str(self.folder), "-S", self.version, "-a", "--show-depends"]
        shown = host.run([*argv, *names]).stdout.splitlines()
        files = (Path(line.removeprefix("insmod ").strip()) for line in shown if line.startswith("insmod "))
        return list(dict.fromkeys(files))


def find(folder: Path) -> Kernel:
    """Return the one kernel below ``folder``.

    Raises:
        HostError: there is none, or more than one.
    """
    images = sorted(folder.glob("boot/vmlinuz-*"))
    if len(images) != 1:
        raise HostError(
            f"looking for a kernel in {folder}", f"there are {len(images)}", "remove the lab's cache folder"
        )
    version = images[0].name.removeprefix("vmlinuz-")
    modules = next(
        path for path in (folder / "lib/modules" / version, folder / "usr/lib/modules" / version) if path.exists()
    )
    return Kernel(version=version, image=images[0], folder=folder, modules=modules)


def uncompressed(image: bytes) -> bytes:
    """Return the ELF file inside a compressed kernel image: a domain's builder starts it sooner.

    Raises:
        ValueError: it is compressed in a way that we do not know.
    """
    if image.startswith(ELF):
        return image
    for magic, decompressor in ((XZ, lzma.LZMADecompressor), (GZIP, partial(zlib.decompressobj, wbits=GZIP_WINDOW))):
        for place in re.finditer(re.escape(magic), image):
            with contextlib.suppress(lzma.LZMAError, zlib.error):
                found = decompressor().decompress(image[place.start() :])
                if found.startswith(ELF):
                    return found
    raise ValueError("no xz or gzip stream in this kernel image holds an ELF file")
