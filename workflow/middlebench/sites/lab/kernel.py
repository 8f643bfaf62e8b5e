"""Debian's kernel taken apart: the uncompressed image, and modules with all that they need."""

from __future__ import annotations

import contextlib
import lzma
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
    modules: Path
    """Folder of its modules, with ``modules.dep`` in it."""


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
    return Kernel(version=version, image=images[0], modules=modules)


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


def read_dependencies(modules_dep: str) -> dict[str, tuple[str, ...]]:
    """Return each module's file and, in the order in which they must be loaded before it, those it needs.

    The text is that of ``modules.dep`` (modules.dep(5)).
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in modules_dep.splitlines():
        path, separator, needed = line.partition(":")
        if separator:
            found[path] = tuple(reversed(needed.split()))
    return found


def module_name(path: str) -> str:
    """Return a module's name as it is loaded: ``kernel/net/xen-netback.ko`` is ``xen_netback``."""
    return Path(path).name.partition(".")[0].replace("-", "_")


def in_load_order(dependencies: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> list[str]:
    """Return the files of the named modules and of all that they need, each after what it needs.

    Raises:
        ValueError: a module does not exist.
    """
    by_name = {module_name(path): path for path in dependencies}
    ordered: dict[str, None] = {}
    for name in names:
        path = by_name.get(name.replace("-", "_"))
        if path is None:
            raise ValueError(f"the kernel has no module {name}")
        ordered.update(dict.fromkeys((*dependencies[path], path)))
    return list(ordered)
