"""Middleboxes as virtual machines under QEMU: one process a machine, two taps a machine.

The image is our own unikernel, or any kernel of the user's that forwards between two virtio
network devices. A machine is ready when its console says so; that frames pass is for probes to
prove. A machine that ends is noticed by its process (pidfd) and named.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from middlebench import LABEL
from middlebench.chain import ChainPlan, Middlebox
from middlebench.deadline import Deadline
from middlebench.errors import HostError, MiddleboxError
from middlebench.hosts.base import Host
from middlebench.middleboxes import qemu_agent
from middlebench.middleboxes.base import Start, Watch
from middlebench.options import Options as BaseOptions

AGENT = Path(qemu_agent.__file__)
QEMU = "qemu-system-x86_64"
FOLDER = f"/run/{LABEL}-qemu"
PREFIX = f"{LABEL}-"
READY_SECONDS = 60.0
STATUS_SECONDS = 5.0
LEAVE_SECONDS = 24 * 3600.0

UNIKERNEL = Path("build/unikernel/unikernel.elf")
"""Where the workflow builds our own image, relative to the project."""
UNIKERNEL_READY = "ready "
"""Start of the line by which our image says that it forwards."""

MACHINE = "microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=on,auto-kernel-cmdline=off"
"""The smallest machine that QEMU has, and of it only a serial port and virtio over MMIO."""

TAPS = """
set -eu
mtu=$1
shift
for port; do
    printf 'tuntap add dev %s mode tap\\nlink set dev %s mtu %s arp off up\\n' "$port" "$port" "$mtu"
done | ip -batch -
"""

REMOVE_TAPS = """
ip -brief link show type tun |
    awk -v ours="$1-" -v bridges="$1-br" \\
        'index($1, ours) == 1 && index($1, bridges) != 1 { print "link del dev " $1 }' |
    ip -force -batch -
"""


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


class Options(BaseOptions):
    """Virtual machines under QEMU."""

    driver: Literal["qemu"]
    """A virtual machine a middlebox, under QEMU."""
    image: Literal["unikernel"] | KernelOptions = "unikernel"
    """What a machine boots: `unikernel` for our own image, or a kernel of yours."""
    function: Annotated[str, Field(pattern="^[a-z0-9_-]+$")] = "forward"
    """What our unikernel does with a frame; `forward` is the paper's."""
    memory_mib: Annotated[int, Field(ge=4, le=65536)] = 4
    """Memory of each machine in MiB."""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """`kvm`, or `tcg` (emulation); `auto` takes the faster of what works, measured at provision."""


class QemuMiddleboxes:
    """The middlebox driver; see :class:`middlebench.middleboxes.base.Middleboxes`."""

    def __init__(self, options: Options, host: Host, mtu: int) -> None:
        if options.accelerator == "auto":
            raise MiddleboxError(
                f"setting up virtual machines on {host.name}",
                "the accelerator is not chosen yet",
                "provision the testbed first: it measures the alternatives and records its choice",
            )
        self._options = options
        self._host = host
        self._mtu = mtu
        self._started: dict[str, Any] = {}

    def create(self, plan: ChainPlan) -> None:
        """Make the taps and start all machines at once; they boot while ports are connected."""
        kernel = self._kernel()
        ports = [port for middlebox in plan.middleboxes for port in middlebox.ports]
        if not ports:
            return
        self._host.run(["sh", "-c", TAPS, f"{LABEL}-taps", str(self._mtu), *ports])
        machines = [
            {"name": middlebox.name, "argv": command_line(self._options, kernel, middlebox)}
            for middlebox in plan.middleboxes
        ]
        self._started = self._ask({"verb": "start", "machines": machines})["started"]

    def wait_until_ready(self, plan: ChainPlan) -> list[Start]:
        """Wait for every machine's word of readiness on its console."""
        image = self._options.image
        ready = UNIKERNEL_READY if image == "unikernel" else image.ready
        limit_s = READY_SECONDS + plan.length
        request = {"verb": "wait", "started": self._started, "ready": ready, "limit_s": limit_s}
        answer = self._ask(request, Deadline(limit_s + 10))
        return [
            Start(
                name=middlebox.name,
                ready_s=round(answer["ready"][middlebox.name]["ready_s"], 6),
                resident_kib=answer["ready"][middlebox.name]["resident_kib"],
                private_kib=answer["ready"][middlebox.name]["private_kib"],
            )
            for middlebox in plan.middleboxes
        ]

    def live(self) -> dict[str, str]:
        """Return our machines by name, with the process that each is."""
        return dict(self._ask({"verb": "live"})["live"])

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Watch all machines' processes; the first that ends is named in the watch."""
        watch = Watch(fired=threading.Event())
        stop = threading.Event()

        def look() -> None:
            try:
                answer = self._ask({"verb": "watch"}, Deadline(LEAVE_SECONDS), stop=stop)
                if answer.get("failed"):
                    watch.fire(f"virtual machine {answer['failed']} ended{_words(answer)}")
            except (MiddleboxError, HostError) as error:
                if not stop.is_set():
                    watch.fire(str(error))

        thread = threading.Thread(target=look, name="watch virtual machines", daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            stop.set()
            thread.join()

    def status(self) -> dict[str, Any]:
        """Return every unikernel's own counters by name, asked for on its console."""
        return dict(self._ask({"verb": "status", "limit_s": STATUS_SECONDS})["status"])

    def destroy(self) -> None:
        """End all machines of ours and remove their taps."""
        self._ask({"verb": "destroy"})
        self._host.run(["sh", "-c", REMOVE_TAPS, f"{LABEL}-remove-taps", LABEL])

    def describe(self) -> str:
        """Return image, function, QEMU's version and the accelerator."""
        first = self._host.run([QEMU, "--version"]).stdout.split("(")[0].split()
        kernel = self._kernel()
        digest = hashlib.sha256(kernel.read_bytes()).hexdigest()[:12]
        what = f"unikernel ({self._options.function})" if self._options.image == "unikernel" else kernel.name
        how = "KVM" if self._options.accelerator == "kvm" else "emulated (TCG)"
        return f"{what} {digest}, {self._options.memory_mib} MiB, QEMU {first[-1]}, {how}"

    def _kernel(self) -> Path:
        """Return the image's file.

        Raises:
            MiddleboxError: it is not there.
        """
        image = self._options.image
        kernel = UNIKERNEL if image == "unikernel" else image.kernel
        for path in (kernel, *([] if image == "unikernel" or image.initrd is None else [image.initrd])):
            if not path.is_file():
                built = (
                    "build it with `snakemake --cores 1 -- {UNIKERNEL}`"
                    if image == "unikernel"
                    else "correct `image` in the testbed's file"
                )
                raise MiddleboxError(
                    f"starting virtual machines on {self._host.name}", f"there is no image {path}", built
                )
        return kernel.absolute()

    def _ask(
        self, request: dict[str, Any], deadline: Deadline | None = None, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        """Run the agent on the server and return its answer.

        Raises:
            MiddleboxError: a machine failed; it is named, with the end of its console.
        """
        request = {**request, "folder": FOLDER, "prefix": PREFIX}
        result = self._host.run(
            [self._host.python, "-I", "-S", "-c", AGENT.read_text(), json.dumps(request)],
            lifeline=request["verb"] == "watch",
            deadline=deadline,
            cancel=stop,
        )
        if not result.stdout:
            return {}
        answer = json.loads(result.stdout)
        if "happened" in answer:
            name = answer["failed"] or "the virtual machines"
            raise MiddleboxError(f"{request['verb']}: {name} on {self._host.name}", answer["happened"] + _words(answer))
        return dict(answer)


def command_line(options: Options, kernel: Path, middlebox: Middlebox) -> list[str]:
    """Return the command that runs one machine; port 0 is the ingress, port 1 the egress."""
    image = options.image
    console = f"socket,id=console,path={FOLDER}/{middlebox.name}.console,server=on,wait=off"
    words = [
        *(QEMU, "-name", middlebox.name, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-monitor", "none", "-accel", options.accelerator, "-m", str(options.memory_mib)),
        *("-chardev", f"{console},logfile={FOLDER}/{middlebox.name}.log", "-serial", "chardev:console"),
        *("-kernel", str(kernel)),
    ]
    if image == "unikernel":
        words += ["-M", MACHINE, "-global", "virtio-mmio.force-legacy=false", "-device", "isa-debug-exit"]
        words += ["-append", f"function={options.function}"]
        device = "virtio-net-device"
    else:
        words += ["-M", image.machine]
        words += ["-initrd", str(image.initrd.absolute())] if image.initrd else []
        words += ["-append", image.command_line.replace("{name}", middlebox.name)] if image.command_line else []
        device = image.device
    for index, port in enumerate(middlebox.ports):
        words += ["-netdev", f"tap,id=port{index},ifname={port},script=no,downscript=no"]
        words += ["-device", f"{device},netdev=port{index}"]
    return words


def alternatives(options: Options, host: Host) -> list[Options]:
    """Return the options that ``auto`` may stand for on this host."""
    if options.accelerator != "auto":
        return [options]
    kvm = host.run(["sh", "-c", "test -r /dev/kvm -a -w /dev/kvm"], check=False).status == 0
    return [options.model_copy(update={"accelerator": each}) for each in (["kvm", "tcg"] if kvm else ["tcg"])]


def _words(answer: dict[str, Any]) -> str:
    """Return the last words of a machine, for the end of a sentence."""
    said = [
        f"; its {stream} ends: {answer[key].strip()[-500:]}"
        for stream, key in (("console", "console"), ("QEMU", "stderr"))
        if answer.get(key, "").strip()
    ]
    return "".join(said)
