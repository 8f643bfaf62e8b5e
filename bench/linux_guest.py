"""What the unikernel is compared with: Debian's kernel for virtual machines, as a bridge of two ports.

Kernel and busybox are Debian's packages, fetched and unpacked but not installed; the initramfs has
nothing but busybox, the modules that a bridge of virtio ports needs, and a script.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from middlebench.middleboxes.qemu import driver as qemu
from middlebench.middleboxes.qemu import machine
from middlebench.system.errors import MiddlebenchError
from middlebench.system.files import write_bytes

FOLDER = Path("build/linux-guest")
MEMORY_MIB = 256
READY = "the bridge is up"
MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_mmio"),
    *("failover", "net_failover", "virtio_net", "llc", "stp", "bridge"),
)
"""In the order in which each finds what it needs."""

INIT = f"""#!/bin/sh -e
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in {" ".join(MODULES)}; do insmod /$module.ko; done
brctl addbr bridge
cd /sys/class/net/bridge/bridge
echo 0 > stp_state
echo 0 > forward_delay
echo 0 > ageing_time
echo 0 > multicast_snooping
for port in eth0 eth1; do
    brctl addif bridge $port
    ip link set $port up
done
ip link set bridge up
echo {READY} > /dev/console
while :; do sleep 3600; done
"""
APPLETS = ("sh", "mkdir", "mount", "insmod", "brctl", "ip", "sleep")


def linux_guest(say: Callable[[str], None]) -> qemu.Options:
    """Return the options of a Linux guest that forwards, fetching and building what it boots.

    Raises:
        MiddlebenchError: a package cannot be had.
    """
    kernel, initramfs = FOLDER / "vmlinuz", FOLDER / "initramfs.gz"
    if not (kernel.exists() and initramfs.exists()):
        say("fetching the Linux guest's kernel and busybox (nothing is installed)")
        FOLDER.mkdir(parents=True, exist_ok=True)
        root = FOLDER / "unpacked"
        for package in (_kernel_package(), "busybox-static"):
            _unpack(package, root)
        write_bytes(initramfs, _initramfs(root))
        write_bytes(kernel, next(root.glob("boot/vmlinuz-*")).read_bytes())
        shutil.rmtree(root)
    return qemu.Options(
        driver="qemu",
        accelerator="tcg",
        memory_mib=MEMORY_MIB,
        image=machine.KernelOptions(
            kernel=kernel,
            initrd=initramfs,
            command_line="console=ttyS0 quiet mitigations=off ipv6.disable=1",
            ready=READY,
        ),
    )


def _kernel_package() -> str:
    """Return the package that the newest kernel is in: the name without a version only points there."""
    lines = _run("apt-cache", "depends", "linux-image-cloud-amd64").splitlines()
    found = [line.split()[-1] for line in lines if line.strip().startswith("Depends: linux-image-")]
    if not found:
        raise MiddlebenchError(
            "looking for Debian's kernel", "linux-image-cloud-amd64 is not known", "run `apt-get update`"
        )
    return found[0]


def _unpack(package: str, root: Path) -> None:
    before = set(FOLDER.glob("*.deb"))
    _run("apt-get", "download", "-qq", package, folder=FOLDER)
    for archive in set(FOLDER.glob("*.deb")) - before:
        _run("dpkg-deb", "--extract", str(archive), str(root))
        archive.unlink()


def _run(*argv: str, folder: Path | None = None) -> str:
    result = subprocess.run(argv, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    if result.returncode != 0:
        raise MiddlebenchError(
            f"running {' '.join(argv)}", result.stderr.strip() or f"exit status {result.returncode}", "see `apt-cache`"
        )
    return result.stdout


def _initramfs(root: Path) -> bytes:
    """Return an archive in cpio's "newc" format, compressed."""
    files = {"init": (INIT.encode(), stat.S_IFREG | 0o755)}
    files["bin"] = (b"", stat.S_IFDIR | 0o755)
    files["dev"] = (b"", stat.S_IFDIR | 0o755)
    files["bin/busybox"] = (next(root.glob("**/bin/busybox")).read_bytes(), stat.S_IFREG | 0o755)
    for applet in APPLETS:
        files[f"bin/{applet}"] = (b"busybox", stat.S_IFLNK | 0o777)
    for module in MODULES:
        files[f"{module}.ko"] = (next(root.glob(f"**/{module}.ko")).read_bytes(), stat.S_IFREG | 0o644)
    files["dev/console"] = (b"", stat.S_IFCHR | 0o600)
    entries = [_entry(name, content, mode) for name, (content, mode) in files.items()]
    return gzip.compress(b"".join(entries) + _entry("TRAILER!!!", b"", 0), mtime=0)


CONSOLE = (5, 1)
"""Device number of /dev/console."""


def _entry(name: str, content: bytes, mode: int) -> bytes:
    major, minor = CONSOLE if stat.S_ISCHR(mode) else (0, 0)
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name) + 1, 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
