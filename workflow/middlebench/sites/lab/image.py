"""Builds what the lab boots: hypervisor, kernel, initrd, disk and keys, once, kept in a cache folder.

The folder's name is a hash of all that we put in. It is made beside its place and moved there when
it is whole, so that it is never found half made.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from middlebench.hosts.local import LocalHost
from middlebench.middleboxes.xen.images import LINUX_FOLDER
from middlebench.sites.lab import kernel, linux_image, packages
from middlebench.sites.lab.linux_image import FILES, write_initramfs, write_linux_image
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError
from middlebench.system.locks import lock

Tell = Callable[[str], None]

CACHE = "MIDDLEBENCH_LAB_CACHE"
"""Environment variable that names another cache folder."""
DISK_MEGABYTES = 1500
INITRD_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
HOST_MODULES = (
    *("virtio_pci", "virtio_net", "openvswitch", "bridge", "sch_tbf"),
    *("xen_netback", "xen_gntdev", "xen_gntalloc", "xen_evtchn", "xen_privcmd", "xenfs"),
)
PLACED = {"inittab": "etc/inittab", "sshd_config": "etc/ssh/sshd_config", "xen-host-start": "usr/sbin/xen-host-start"}
"""Our files and where they go on the disk."""
STEP_SECONDS = 300.0
BUILD_SECONDS = 1800.0
"""What building the image takes at the most."""


@dataclass(frozen=True)
class LabImage:
    """Everything that the lab boots from, in one folder.

    These are ``xen`` (uncompressed), ``vmlinuz`` and ``initrd.gz`` of dom0, its disk ``disk.img`` (never written to),
    the Linux middlebox's image in ``linux`` (it lies on the disk too), and ``client_key``, the private key that the
    lab's root account lets in.
    """

    folder: Path

    @property
    def host_key(self) -> str:
        """Public half of the lab's host key, as it stands in a ``known_hosts`` file behind the address."""
        kind, key, *_ = (self.folder / "host_key.pub").read_text(encoding="utf-8").split()
        return f"{kind} {key}"


def cache_folder() -> Path:
    """Return the folder in which images are kept between runs."""
    if named := os.environ.get(CACHE):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "middlebench" / "lab"


def key() -> str:
    """Return the hash of all that we put into an image."""
    digest = hashlib.sha256()
    modules = [Path(module.__file__ or "") for module in (kernel, linux_image, packages)]
    for path in sorted((Path(__file__), *modules, *FILES.iterdir()), key=lambda path: path.name):
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def image(tell: Tell = lambda _: None) -> LabImage:
    """Return the lab's image, built now if it is not there yet.

    Raises:
        HostError: a package or a tool is missing, or the disk is full.
        LockError: another process builds it, and has not ended after :data:`BUILD_SECONDS`.
    """
    folder = cache_folder() / key()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.parent / "lock", "building the lab's image", wait_s=BUILD_SECONDS, tell=tell):
            for leftover in folder.parent.glob("unfinished-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            if not folder.is_dir():
                _build(folder, tell)
    return LabImage(folder)


def _build(folder: Path, tell: Tell) -> None:
    host = LocalHost("this machine")
    work = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder.parent))
    try:
        result = work / "result"
        result.mkdir()
        with _step(tell, "fetching Debian's kernel", 10):
            unpacked = work / "kernel"
            unpacked.mkdir()
            packages.unpack_kernel(host, unpacked)
            found = kernel.find(unpacked)
            host.run(["depmod", "-b", str(unpacked), found.version])
        with _step(tell, "installing Debian's Xen, Open vSwitch and SSH into a folder", 75):
            packages.bootstrap(host, work / "root.tar")
        with _step(tell, "making disk and initrds", 40):
            root = work / "root"
            root.mkdir()
            _as_root(host, "tar", "-x", "-f", str(work / "root.tar"), "-C", str(root), "--exclude=./dev/*")
            _furnish(host, root, found, result)
            _make_disk(host, root, result / "disk.img")
        result.replace(folder)
    except OSError as error:
        raise HostError(f"building the lab's image in {folder.parent}", str(error), "is the disk full?") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _step(tell: Tell, what: str, about_s: int) -> Iterator[None]:
    tell(f"lab: {what} (about {about_s} s)")
    begin = time.monotonic()
    yield
    tell(f"lab: {what}: done in {time.monotonic() - begin:.0f} s")


def _as_root(host: LocalHost, *argv: str) -> None:
    """Run a command that sees our files as root's: the disk's files must be."""
    prefix = () if os.getuid() == 0 else ("unshare", "--user", "--map-root-user")
    host.run([*prefix, *argv], deadline=Deadline(STEP_SECONDS))


def _furnish(host: LocalHost, root: Path, found: kernel.Kernel, result: Path) -> None:
    """Put our files, modules and keys on the root file system, and what QEMU loads beside it."""
    busybox = next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())
    write_linux_image(host, found, busybox, result / "linux")
    shutil.copytree(result / "linux", root / LINUX_FOLDER.lstrip("/"))
    write_initramfs(host, found, busybox, INITRD_MODULES, "xen-host-initrd", result / "initrd.gz")
    shutil.copy(found.image, result / "vmlinuz")
    (result / "xen").write_bytes(gzip.decompress(next(root.glob("boot/xen-*-amd64.gz")).read_bytes()))
    shutil.rmtree(root / "boot")
    _place_modules(host, root, found)
    for name, place in PLACED.items():
        shutil.copy(FILES / name, root / place)
    (root / "sbin/init").unlink(missing_ok=True)
    (root / "sbin/init").symlink_to("/bin/busybox")
    for name in ("client_key", "host_key"):
        host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mbench-lab", "-f", str(result / name)])
    (result / "host_key").rename(root / "etc/ssh/lab_host_key")
    authorized = root / "root/.ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(result / "client_key.pub", authorized)


def _place_modules(host: LocalHost, root: Path, found: kernel.Kernel) -> None:
    target = root / "lib/modules" / found.version
    for path in found.needed(host, HOST_MODULES):
        place = target / path.relative_to(found.modules)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for index in found.modules.glob("modules.builtin*"):
        shutil.copy(index, target / index.name)
    (target / "modules.order").touch()
    host.run(["depmod", "-b", str(root), found.version])


def _make_disk(host: LocalHost, root: Path, disk: Path) -> None:
    """Write the folder to an ext4 image: no loop device, no mount, no journal (the disk is never written to)."""
    _as_root(
        host,
        *("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1,root_owner=0:0"),
        *("-d", str(root), str(disk), f"{DISK_MEGABYTES}M"),
    )
