"""The Linux middlebox: Debian's kernel and an initramfs of ours that forwards between its two ports."""

from __future__ import annotations

from pathlib import Path

from middlebench.sites.lab.initramfs import PROGRAM, Initramfs
from middlebench.sites.lab.kernel import Kernel, in_load_order, read_dependencies, uncompressed

MODULES = ("xen_netfront", "bridge")
FILES = Path(__file__).with_name("files")


def initramfs_with(kernel: Kernel, busybox: bytes, modules: tuple[str, ...], init: str) -> bytes:
    """Return an initramfs of busybox, some modules of ``kernel`` and the first process ``files/INIT``.

    The order in which the modules are to be loaded is in its file ``/modules/order``.
    """
    archive = Initramfs()
    for folder in ("bin", "dev", "modules", "proc", "root", "sys"):
        archive.folder(folder)
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox, PROGRAM)
    archive.file("init", (FILES / init).read_bytes(), PROGRAM)
    paths = in_load_order(read_dependencies((kernel.modules / "modules.dep").read_text(encoding="utf-8")), modules)
    for path in paths:
        archive.file(f"modules/{Path(path).name}", (kernel.modules / path).read_bytes())
    archive.file("modules/order", "".join(f"{Path(path).name}\n" for path in paths).encode())
    return archive.compressed()


def write_linux_image(kernel: Kernel, busybox: bytes, folder: Path) -> None:
    """Write the middlebox's ``vmlinux`` and ``initramfs.gz`` to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vmlinux").write_bytes(uncompressed(kernel.image.read_bytes()))
    (folder / "initramfs.gz").write_bytes(initramfs_with(kernel, busybox, MODULES, "middlebox-init"))
