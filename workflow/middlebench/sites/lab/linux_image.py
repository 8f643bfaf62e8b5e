"""The Linux middlebox: Debian's kernel and an initramfs of ours that forwards between its two ports."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.sites.lab.kernel import Kernel, uncompressed

MODULES = ("xen_netfront", "bridge")
FILES = Path(__file__).with_name("files")

PACK = """
set -eu
cd "$1"
chmod -R u=rwX,go=rX .
find . -exec touch -d @0 {} +
find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --reproducible --file="$2"
gzip -n "$2"
"""
"""Arguments: a folder, and the archive of it. The same files always give the same bytes."""


def write_initramfs(
    host: Host, kernel: Kernel, busybox: Path, modules: Sequence[str], init: str, archive: Path
) -> None:
    """Write an initramfs of busybox, some modules of ``kernel`` and the first process ``files/INIT``.

    The order in which the modules are to be loaded is in its file ``/modules/order``. The kernel has a ``/dev/console``
    of its own (usr/default_cpio_list in its source).

    Raises:
        HostError: there is no such module, or no `cpio`.
    """
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder)
        for name in ("bin", "dev", "modules", "proc", "root", "sys"):
            (root / name).mkdir()
        for program, place in ((busybox, root / "bin/busybox"), (FILES / init, root / "init")):
            shutil.copy(program, place)
            place.chmod(0o755)
        needed = kernel.needed(host, modules)
        for path in needed:
            shutil.copy(path, root / "modules")
        (root / "modules/order").write_text("".join(f"{path.name}\n" for path in needed), encoding="utf-8")
        host.run(["sh", "-c", PACK, f"{LABEL}-pack", folder, str(archive.with_suffix(""))])


def write_linux_image(host: Host, kernel: Kernel, busybox: Path, folder: Path) -> None:
    """Write the middlebox's ``vmlinux`` and ``initramfs.gz`` to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vmlinux").write_bytes(uncompressed(kernel.image.read_bytes()))
    write_initramfs(host, kernel, busybox, MODULES, "middlebox-init", folder / "initramfs.gz")
