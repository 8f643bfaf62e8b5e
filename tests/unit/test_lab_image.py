"""The lab's parts that need no lab: kernels taken apart, initramfs written, QEMU's command."""

from __future__ import annotations

import dataclasses
import gzip
import lzma
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from middlebench.hosts.base import Host
from middlebench.hosts.local import LocalHost
from middlebench.sites.lab import image, machine
from middlebench.sites.lab.image import LabImage
from middlebench.sites.lab.kernel import ELF, Kernel, uncompressed
from middlebench.sites.lab.linux_image import write_initramfs


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress, lambda data: data])
def test_a_kernel_is_found_in_its_compressed_image(compress):
    kernel = ELF + bytes(range(256)) * 40
    start = b"" if compress(kernel) == kernel else b"MZ setup code \x1f\x8b\x08 that only looks like gzip"
    assert uncompressed(start + compress(kernel) + (b"trailing" if start else b"")) == kernel


def test_a_kernel_that_is_compressed_otherwise_is_refused():
    with pytest.raises(ValueError, match="no xz or gzip stream"):
        uncompressed(b"MZ" + b"\x28\xb5\x2f\xfd" * 10)


@dataclasses.dataclass(frozen=True)
class UnpackedKernel(Kernel):
    """A kernel of two modules."""

    def needed(self, host: Host, names: Iterable[str]) -> list[Path]:
        del host, names
        return [self.modules / "b.ko", self.modules / "a.ko"]


def listed(archive: Path) -> list[str]:
    done = subprocess.run(
        ["cpio", "-tv", "--quiet"], input=gzip.decompress(archive.read_bytes()), capture_output=True, check=True
    )
    return [" ".join(line.split()[i] for i in (0, 2, 3, -1)) for line in done.stdout.decode().splitlines()]


def test_an_initramfs_holds_its_programs_and_modules_and_is_the_same_each_time(tmp_path: Path):
    kernel = UnpackedKernel("6.1", tmp_path / "vmlinuz", tmp_path, tmp_path)
    for name in ("a.ko", "b.ko", "busybox"):
        (tmp_path / name).write_text(name)
    written = []
    for mask, name in ((0o077, "one"), (0o022, "two")):
        (tmp_path / name).mkdir()
        archive, before = tmp_path / name / "initramfs.gz", os.umask(mask)
        try:
            write_initramfs(LocalHost("here"), kernel, tmp_path / "busybox", ("a",), "middlebox-init", archive)
        finally:
            os.umask(before)
        assert [each.name for each in archive.parent.iterdir()] == ["initramfs.gz"]
        written.append(archive)
    assert written[0].read_bytes() == written[1].read_bytes()
    assert listed(written[0]) == [
        "drwxr-xr-x root root bin",
        "-rwxr-xr-x root root bin/busybox",
        "drwxr-xr-x root root dev",
        "-rwxr-xr-x root root init",
        "drwxr-xr-x root root modules",
        "-rw-r--r-- root root modules/a.ko",
        "-rw-r--r-- root root modules/b.ko",
        "-rw-r--r-- root root modules/order",
        "drwxr-xr-x root root proc",
        "drwxr-xr-x root root root",
        "drwxr-xr-x root root sys",
    ]


def test_the_lab_listens_on_the_loopback_only_and_never_writes_to_its_disk():
    words = machine.command_line(LabImage(Path("/image")), ("eth0", "eth1"), Path("/console"))
    forwards = [word for word in words if "hostfwd" in word]
    assert forwards == ["user,id=ssh,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"]
    assert next(word for word in words if "disk.img" in word).endswith("snapshot=on")
    taps = [word for word in words if word.startswith("tap,")]
    assert [word.split(",")[2:] for word in taps] == [
        [f"ifname={port}", "script=no", "downscript=no", "vnet_hdr=off"] for port in ("eth0", "eth1")
    ]


def test_another_input_makes_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = image.key()
    files = tmp_path / "files"
    shutil.copytree(image.FILES, files)
    monkeypatch.setattr(image, "FILES", files)
    assert image.key() == before
    (files / "xen-host-start").write_text("something else\n")
    assert image.key() != before


def test_an_unfinished_image_is_never_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(image.CACHE, str(tmp_path))

    def fails(host, folder):
        (folder / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(image.packages, "unpack_kernel", fails)
    with pytest.raises(KeyboardInterrupt):
        image.image()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
