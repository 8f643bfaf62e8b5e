"""The emulated computer that the lab's Xen host is: QEMU's command line, its start, and the wait for it.

QEMU runs among the processes of the holder, and ends with them, in the namespace that plays the test computer. Its two
traffic ports are taps there; a tap is the whole link, from the test computer's port to the Xen host's. Its SSH port is
one of the namespace's own loopback, which a proxy command reaches.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from middlebench.hosts.ssh.destination import Destination
from middlebench.hosts.ssh.known_hosts import entry_name
from middlebench.sites.lab.image import LabImage
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError, last_lines
from middlebench.system.processes import ProcessIdentity

QEMU = "qemu-system-x86_64"
LOOPBACK, SSH_PORT = "127.0.0.1", 2222
"""Where the Xen host's sshd answers, in the namespace of the test computer."""
READY = ("lab: ready", "Server listening on")
"""What the console says once everything is up: our own start-up program's last word, then sshd's first."""
READY_SECONDS = 300.0
"""How long it may take until Xen, its tools and Open vSwitch are up; 35 s on two slow processors."""
POLL_SECONDS = 0.2
MEMORY_MIB = 3072
XEN_OPTIONS = (
    "placeholder console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M dom0_max_vcpus=1 spec-ctrl=no,eager-fpu xpti=no"
)
LINUX_OPTIONS = "console=hvc0 root=/dev/vda rw mitigations=off net.ifnames=0 ipv6.disable=1 panic=-1 tsc=unstable quiet"
PROCESSOR = "max,-smap,-rdtscp,-xsave"
"""With ``smap`` an emulated dom0 crashes at once; a second processor makes it slower, not faster.

With ``xsave`` (and the AVX registers that come with it) and Xen's lazy switching of such registers, data was
corrupted as soon as a domain ran beside dom0: copies that programs made, frames, SSH packets. Without both it no
longer was; which of the two it was is not known, since they were changed together.
"""
MAC = "52:54:00:6d:62:{:02x}"


@dataclass(frozen=True)
class Machine:
    """A lab computer that was started."""

    process: ProcessIdentity
    """Ends when QEMU does."""
    console: Path
    known_hosts: Path


def command_line(image: LabImage, ports: Sequence[str], console: Path) -> list[str]:
    """Return QEMU's command.

    Network devices appear in the Xen host in this order: the traffic ports, then the one for SSH. A tap takes finished
    frames only (vnet_hdr=off): nothing is left to be done to them.
    """
    words = [
        *(QEMU, "-name", "mbench-lab", "-machine", "q35", "-accel", "tcg,thread=single,tb-size=1024"),
        *("-cpu", PROCESSOR, "-smp", "1", "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"),
        *("-kernel", str(image.folder / "xen"), "-append", XEN_OPTIONS),
        *("-initrd", f"{image.folder}/vmlinuz {LINUX_OPTIONS},{image.folder}/initrd.gz"),
        # A disk that was written to when QEMU was killed would be checked at the next boot, and the boot end there.
        *("-drive", f"file={image.folder}/disk.img,format=raw,if=virtio,snapshot=on"),
        *("-serial", f"file:{console}"),
    ]
    for index, port in enumerate(ports):
        words += ["-netdev", f"tap,id={port},ifname={port},script=no,downscript=no,vnet_hdr=off"]
        words += ["-device", f"virtio-net-pci,netdev={port},mac={MAC.format(index)},romfile="]
    words += ["-netdev", f"user,id=ssh,restrict=on,hostfwd=tcp:{LOOPBACK}:{SSH_PORT}-:22"]
    words += ["-device", f"virtio-net-pci,netdev=ssh,mac={MAC.format(len(ports))},romfile="]
    return words


def start(image: LabImage, folder: Path, *, enter: Sequence[str], cpus: Sequence[int], ports: Sequence[str]) -> Machine:
    """Start the computer, with a tap for each of ``ports``.

    Its console and known-hosts file go to ``folder``; ``enter`` are words that run a command among the holder's
    processes, in the namespace of the test computer.

    Raises:
        HostError: QEMU is missing or ended at once.
    """
    console, known_hosts = folder / "lab-console.log", folder / "lab-known-hosts"
    console.unlink(missing_ok=True)
    known_hosts.write_text(f"{entry_name(LOOPBACK, SSH_PORT)} {image.host_key}\n", encoding="utf-8")
    if shutil.which(QEMU) is None:
        raise HostError("starting the lab", f"there is no program {QEMU!r}", "run `make setup`")
    with (folder / "lab-qemu.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("taskset", "--cpu-list", ",".join(map(str, cpus)), *enter),
                *command_line(image, ports, console),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    identity = ProcessIdentity.of(process.pid)
    if identity is None:
        raise _error(folder, console, "QEMU ended at once")
    return Machine(process=identity, console=console, known_hosts=known_hosts)


def wait_until_ready(machine: Machine) -> None:
    """Wait until Xen, its tools and Open vSwitch say that they are up.

    Raises:
        HostError: QEMU ended, or it took too long; the end of the console is in the message.
    """
    deadline = Deadline(READY_SECONDS)
    while not all(word in _text(machine.console) for word in READY):
        if not machine.process.is_alive():
            raise _error(machine.console.parent, machine.console, "QEMU ended")
        if deadline.expired:
            raise _error(machine.console.parent, machine.console, f"it was not ready within {READY_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def destination(image: LabImage, machine: Machine, enter: Sequence[str]) -> Destination:
    """Return how the computer is reached: by the keys that were made with it, and no others.

    ``enter`` are words that run a command in the namespace of the test computer.
    """
    return Destination(
        alias="the lab",
        hostname=LOOPBACK,
        port=SSH_PORT,
        user="root",
        identity_files=(image.folder / "client_key",),
        only_these=True,
        known_hosts_files=(machine.known_hosts,),
        entry=entry_name(LOOPBACK, SSH_PORT),
        proxy_command=shlex.join([*enter, "socat", "-t0", "-", f"TCP:{LOOPBACK}:{SSH_PORT}"]),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _error(folder: Path, console: Path, happened: str) -> HostError:
    said = last_lines(_text(folder / "lab-qemu.log") + _text(console))
    return HostError(
        f"starting the lab's Xen host (console: {console})",
        happened + (f"; its last words:\n{said}" if said else ""),
        "run `make lab-down`, then `make lab`",
    )
