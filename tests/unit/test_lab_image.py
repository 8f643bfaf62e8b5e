"""The lab's parts that need no lab: kernels taken apart, initramfs written, QEMU's command."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.sites.lab import image, machine
from middlebench.sites.lab.image import LabImage
from middlebench.sites.lab.initramfs import PROGRAM, Initramfs
from middlebench.sites.lab.kernel import ELF, in_load_order, read_dependencies, uncompressed

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10)


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress, lambda data: data])
def test_a_kernel_is_found_in_its_compressed_image(compress):
    kernel = ELF + bytes(range(256)) * 40
    start = b"" if compress(kernel) == kernel else b"MZ setup code \x1f\x8b\x08 that only looks like gzip"
    assert uncompressed(start + compress(kernel) + (b"trailing" if start else b"")) == kernel


def test_a_kernel_that_is_compressed_otherwise_is_refused():
    with pytest.raises(ValueError, match="no xz or gzip stream"):
        uncompressed(b"MZ" + b"\x28\xb5\x2f\xfd" * 10)


def test_modules_come_after_what_they_need():
    found = read_dependencies(
        "kernel/fs/ext4/ext4.ko: kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\n"
        "kernel/fs/mbcache.ko:\nkernel/fs/jbd2/jbd2.ko:\nkernel/lib/crc16.ko:\nkernel/net/xen-netback.ko:\n"
    )
    order = in_load_order(found, ["ext4", "xen_netback"])
    assert order.index("kernel/lib/crc16.ko") < order.index("kernel/fs/ext4/ext4.ko")
    assert order[-1] == "kernel/net/xen-netback.ko"
    with pytest.raises(ValueError, match="no module nothing"):
        in_load_order(found, ["nothing"])


@given(st.lists(names, min_size=1, max_size=12, unique=True), st.data())
def test_no_module_is_loaded_twice_or_before_what_it_needs(modules, data):
    needed = {
        name: tuple(f"k/{other}.ko" for other in modules[:place] if data.draw(st.booleans()))
        for place, name in enumerate(modules)
    }
    closed: dict[str, tuple[str, ...]] = {}
    for name in modules:  # modules.dep lists everything that is needed, also indirectly
        direct = needed[name]
        closed[f"k/{name}.ko"] = tuple(dict.fromkeys(x for each in direct for x in (*closed[each], each)))
    order = in_load_order(closed, data.draw(st.lists(st.sampled_from(modules), min_size=1)))
    assert len(set(order)) == len(order)
    for place, path in enumerate(order):
        assert set(closed[path]) <= set(order[:place])


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio")
def test_an_initramfs_is_one_to_cpio_too():
    archive = Initramfs()
    archive.file("bin/busybox", b"program", PROGRAM)
    archive.file("modules/a.ko", b"x" * 5)
    listed = subprocess.run(
        ["cpio", "-t", "--quiet"], input=gzip.decompress(archive.compressed()), capture_output=True, check=True
    )
    assert listed.stdout.decode().split() == ["bin", "bin/busybox", "modules", "modules/a.ko"]


def test_an_initramfs_of_the_same_files_is_the_same():
    def made() -> bytes:
        archive = Initramfs()
        archive.file("init", b"#!/bin/sh\n", PROGRAM)
        archive.device("dev/console", 5, 1)
        return archive.compressed()

    assert made() == made()


def test_the_lab_listens_on_the_loopback_only_and_never_writes_to_its_disk():
    words = machine.command_line(LabImage(Path("/image")), ("eth0", "eth1"), 2222, Path("/console"))
    forwards = [word for word in words if "hostfwd" in word]
    assert forwards == ["user,id=ssh,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"]
    assert next(word for word in words if "disk.img" in word).endswith("snapshot=on")
    assert [word for word in words if word.startswith("tap,")] == ["tap,id=eth0,fd={eth0}", "tap,id=eth1,fd={eth1}"]


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
