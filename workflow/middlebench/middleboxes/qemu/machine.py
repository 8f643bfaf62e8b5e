"""One virtual machine: what it boots, and the command that runs it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from middlebench import LABEL
from middlebench.middleboxes.base import MiddleboxOptions
from middlebench.model.options import Options as BaseOptions
from middlebench.model.plan import Middlebox

QEMU = "qemu-system-x86_64"
FOLDER = f"/run/{LABEL}-qemu"
SOCKET_FOLDER = f"/run/{LABEL}-vhost-user"
"""Folder on the middlebox server in which the sockets of vhost-user ports are."""
MACHINE = "microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=on,auto-kernel-cmdline=off"
"""The smallest machine that QEMU has, and of it only a serial port and virtio over MMIO."""

NO_OFFLOAD = ",vnet_hdr=off"
"""For our image's taps: it takes finished frames, so the host need not say before each what is left to be done."""

LONG_QUEUES = ",rx_queue_size=512,tx_queue_size=512"
"""For vhost-user, where the queues are all that frames can wait in while a machine does not run; a tap has its own.
With 256 entries a flooded chain(1) lost twice as much in front of its machine (tried)."""

CODE_BUFFER_MIB = 2
"""Room for translated code under emulation, for our image: QEMU's default of 1 GiB is backed by large pages, of which
each machine would touch a second one."""


class KernelOptions(BaseOptions):
    """A kernel of the user's own."""

    kernel: Path
    """File that QEMU's `-kernel` takes."""
    initrd: Path | None = None
    """File that QEMU's `-initrd` takes."""
    command_line: str = ""
    """What the kernel is told; `{name}` stands for the middlebox's name."""
    ready: str = ""
    """Text on the console that says that it forwards; empty: any output does."""
    machine: str = "q35"
    """QEMU's `-machine`."""
    device: str = "virtio-net-pci"
    """QEMU's network device."""
    arguments: tuple[str, ...] = ()
    """Further words for QEMU's command line, such as `[-cpu, max]`."""
    polls: bool = False
    """Whether it polls its devices, and so takes a whole processor, work or not."""


class MachineOptions(MiddleboxOptions):
    """What a virtual machine is made of."""

    image: Literal["unikernel"] | KernelOptions = "unikernel"
    """What a machine boots: `unikernel` for our own image, or a kernel of yours."""
    memory_mib: Annotated[int, Field(ge=4, le=65536)] = 4
    """Memory of each machine in MiB."""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """`kvm`, or `tcg` (emulation); `auto` takes the faster of what works, measured at provision."""
    vhost: Literal["auto", "on", "off"] = "off"
    """Whether the kernel (vhost-net) moves frames between a tap and its machine, and not QEMU; `auto` takes the faster
    of what works, measured at provision."""


def sockets_of(ports: Iterable[str]) -> dict[str, str]:
    """Return the path of the socket by which a machine hands each vhost-user port to the switch.

    They are new ones each time. A port that Open vSwitch has deleted may go on to connect to its path for as long as
    the daemon runs (seen with 3.1, at the last bridge that is deleted), and so would take the only connection of the
    next machine's socket there.
    """
    deployment = secrets.token_hex(4)
    return {port: f"{SOCKET_FOLDER}/{port}-{deployment}" for port in ports}


def command_line(options: MachineOptions, kernel: Path, middlebox: Middlebox, sockets: Mapping[str, str]) -> list[str]:
    """Return the command that runs one machine; port 0 is the ingress, port 1 the egress.

    Ports that have one of the ``sockets`` are handed to the switch by it; the others are taps.
    """
    image = options.image
    console = f"socket,id=console,path={FOLDER}/{middlebox.name}.console,server=on,wait=off"
    words = [
        *(QEMU, "-name", middlebox.name, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-monitor", "none", "-m", str(options.memory_mib)),
        *("-chardev", f"{console},logfile={FOLDER}/{middlebox.name}.log", "-serial", "chardev:console"),
        *("-kernel", str(kernel)),
    ]
    if image == "unikernel":
        words += ["-bios", str(kernel)]  # it brings the few instructions that it needs; QEMU's own BIOS takes a ms more
        shared = any(port in sockets for port in middlebox.ports)
        if shared:  # the switch reads and writes the machine's memory
            words += ["-object", f"memory-backend-memfd,id=memory,size={options.memory_mib}M,share=on"]
        machine = MACHINE + (",memory-backend=memory" if shared else "")
        words += ["-M", machine, "-global", "virtio-mmio.force-legacy=false", "-device", "isa-debug-exit"]
        words += ["-append", f"function={middlebox.function.name} {middlebox.function.unikernel}".strip()]
        words += ["-accel", f"tcg,tb-size={CODE_BUFFER_MIB}" if options.accelerator == "tcg" else options.accelerator]
        device, offload = "virtio-net-device", NO_OFFLOAD
    else:
        words += ["-M", image.machine, "-accel", options.accelerator, *image.arguments]
        words += ["-initrd", str(image.initrd.absolute())] if image.initrd else []
        words += ["-append", image.command_line.replace("{name}", middlebox.name)] if image.command_line else []
        device, offload = image.device, ""
    for index, port in enumerate(middlebox.ports):
        queues = ""
        if port in sockets:
            words += ["-chardev", f"socket,id=switch{index},path={sockets[port]},server=on,wait=off"]
            words += ["-netdev", f"vhost-user,id=port{index},chardev=switch{index}"]
            queues = LONG_QUEUES
        else:
            tap = f"tap,id=port{index},ifname={port},script=no,downscript=no,vhost={options.vhost}"
            words += ["-netdev", tap + offload]
        words += ["-device", f"{device},netdev=port{index}{queues}"]
    return words
