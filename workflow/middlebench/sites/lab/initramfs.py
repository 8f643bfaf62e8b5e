"""Initial RAM file systems, written as ``newc`` cpio archives (kernel: driver-api/early-userspace/buffer-format)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

FOLDER = 0o040755
PROGRAM = 0o100755
FILE = 0o100644
DEVICE = 0o020600
TRAILER = "TRAILER!!!"


@dataclass
class Initramfs:
    """An archive in the making; entries keep the order in which they were added."""

    _parts: list[bytes] = field(default_factory=list)
    _folders: set[str] = field(default_factory=set)

    def folder(self, path: str) -> None:
        """Add a folder and those above it, unless they are there."""
        for depth in range(1, path.count("/") + 2):
            name = "/".join(path.split("/")[:depth])
            if name not in self._folders:
                self._folders.add(name)
                self._add(name, FOLDER, b"")

    def file(self, path: str, data: bytes, mode: int = FILE) -> None:
        """Add a file and the folders above it."""
        if "/" in path:
            self.folder(path.rpartition("/")[0])
        self._add(path, mode, data)

    def device(self, path: str, major: int, minor: int) -> None:
        """Add a character device and the folders above it."""
        self.folder(path.rpartition("/")[0])
        self._add(path, DEVICE, b"", (major, minor))

    def compressed(self) -> bytes:
        """Return the whole archive; the same entries always give the same bytes."""
        end = _entry(0, TRAILER, 0, b"", (0, 0))
        return gzip.compress(b"".join((*self._parts, end)), compresslevel=6, mtime=0)

    def _add(self, path: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self._parts.append(_entry(len(self._parts) + 1, path, mode, data, device))


def _entry(inode: int, path: str, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    name = path.encode() + b"\0"
    numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
    return _padded(header) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
