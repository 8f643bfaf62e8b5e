"""A stock machine that runs: QEMU with a disk of its own, reached over SSH."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from helpers import eventually
from ssh_server import free_port
from stock_image import CHECKOUT, StockImage, project_files

BOOT_SECONDS = 900.0
PROCESSOR = "Nehalem"
"""What NumPy needs (x86-64-v2); what QEMU emulates beyond that faults in AVX code in such a guest."""


class StockMachine:
    """One machine; its disk is a copy of the image's.

    Args:
        image: what it boots from.
        folder: for its disk and its console.
    """

    def __init__(self, image: StockImage, folder: Path) -> None:
        self._image = image
        self._disk, self._console = folder / "disk.img", folder / "console.log"
        self._port = free_port()
        self._qemu: subprocess.Popen[bytes] | None = None
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", image.disk, self._disk], check=True)

    def boot(self) -> None:
        """Start it and wait until it can be logged in to."""
        self._qemu = subprocess.Popen(
            [
                *("nice", "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot"),
                *("-machine", "q35", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", PROCESSOR),
                *("-smp", "2", "-m", "3072"),
                *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd)),
                *("-append", "root=/dev/vda rw console=ttyS0 quiet no_timer_check mitigations=off"),
                *("-drive", f"file={str(self._disk).replace(',', ',,')},format=raw,if=virtio,cache=unsafe"),
                *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
                *("-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"),
                *("-chardev", f"file,id=console,path={str(self._console).replace(',', ',,')},append=on"),
                *("-serial", "chardev:console"),
            ]
        )
        eventually(self._answers, "the machine lets us in", BOOT_SECONDS)

    def cut_power(self) -> None:
        """End it as a power cut does: what it had not written to its disk is lost."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()

    def run(self, script: str, user: str = "user") -> str:
        """Run a shell script in the project's folder, by the user's own PATH; it must succeed. Return what it said."""
        done = self.start(script, user)
        said, _ = done.communicate()
        assert done.returncode == 0, f"{script}\n{said}"
        return said

    def start(self, script: str, user: str = "user") -> subprocess.Popen[str]:
        """Start a shell script in the project's folder."""
        inside = f"cd {shlex.quote(f'/home/user/{CHECKOUT}')} && {{ {script}\n}}"
        argv = [*self._ssh(user), f"{{ {inside}\n}} 2>&1"]
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def bring_project(self) -> None:
        """Bring the project as it is now; the environment that was made for it stays."""
        unpack = f"tar x -C {shlex.quote(CHECKOUT)} && touch {shlex.quote(f'{CHECKOUT}/.venv/installed')}"
        subprocess.run([*self._ssh("user"), unpack], input=project_files(), check=True)

    def fetch(self, name: str, folder: Path) -> Path:
        """Copy a folder of the project's out of the machine; return where it is."""
        pack = f"tar c -C {shlex.quote(f'/home/user/{CHECKOUT}')} {shlex.quote(name)}"
        packed = subprocess.run([*self._ssh("root"), pack], check=True, capture_output=True).stdout
        shutil.rmtree(folder / name, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return folder / name

    def _ssh(self, user: str) -> list[str]:
        # The machine is ours, on loopback, and has made its key a minute ago.
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        words = [word for option in (*options, "ConnectTimeout=20") for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self._image.key), "-p", str(self._port), *words, f"{user}@127.0.0.1"]

    def _answers(self) -> bool:
        assert self._qemu is not None
        if self._qemu.poll() is not None:
            pytest.fail(f"QEMU ended: {self._console.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        time.sleep(1.0)
        return subprocess.run([*self._ssh("user"), "true"], capture_output=True, check=False).returncode == 0
