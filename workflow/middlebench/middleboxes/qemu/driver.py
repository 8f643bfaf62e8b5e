"""Middleboxes as virtual machines under QEMU: one process a machine, two taps a machine.

The image is our own unikernel, or any kernel of the user's that forwards between two virtio
network devices. A machine is ready when its console says so; that frames pass is for probes to
prove. A machine that ends is noticed by its process (pidfd) and named.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Literal

from middlebench import LABEL
from middlebench.diagnosis.usage import parse_process
from middlebench.hosts.base import COMMAND_SECONDS, Host
from middlebench.hosts.shared.agents import agent_text, answer_of
from middlebench.middleboxes.base import Middleboxes, Start, Watch, watching
from middlebench.middleboxes.qemu import agent, machine
from middlebench.middleboxes.qemu.machine import MachineOptions
from middlebench.middleboxes.shared.wires import check_wires, join
from middlebench.model.environment import BUILT_HERE
from middlebench.model.functions.function import Function
from middlebench.model.live import STOPPED
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.reading import MiddleboxReading
from middlebench.model.record import WITHOUT_KVM
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddleboxError

AGENT = agent_text(agent)
PREFIX = f"{LABEL}-"
MACHINE_SECONDS = 1.0
"""What each machine may add to how long a step on all of them takes: they start side by side on a few processors."""
READY_SECONDS = 60.0
DESTROY_SECONDS = 300.0
STATUS_SECONDS = 5.0
LEAVE_SECONDS = 24 * 3600.0

UNIKERNEL = Path("build/unikernel/unikernel.elf")
"""Where the workflow builds our own image, relative to the project."""
UNIKERNEL_READY = "ready "
"""Start of the line by which our image says that it forwards."""

ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Added to QEMU's own: its heap in large pages, where the kernel has them for those who ask. A start touches some 800
pages fewer, which is a fourteenth of its time; a machine has 2 MiB more."""

DOING = {
    "start": "starting",
    "wait": "waiting for",
    "live": "looking for",
    "watch": "watching",
    "read_all": "reading",
    "destroy": "ending",
}
"""What the agent does on each verb, for messages."""

TAPS = """
set -eu
mtu=$1
shift
for port; do
    printf 'tuntap add dev %s mode tap\\nlink set dev %s mtu %s arp off up\\n' "$port" "$port" "$mtu"
done | ip -batch -
"""

LINES_A_TAP = 2
FAILED_LINE = re.compile(r"Command failed -:(\d+)")
"""How ``ip -batch`` names the line that it could not do."""

MAKE_SOCKET_FOLDER = 'rm -rf "$1" && mkdir -m 0700 "$1"'

REMOVE_TAPS = """
ip -brief link show type tun |
    awk -v ours="$1-" -v bridges="$1-br" \\
        'index($1, ours) == 1 && index($1, bridges) != 1 { print "link del dev " $1 }' |
    ip -force -batch -
"""


class Options(MachineOptions):
    """Virtual machines under QEMU."""

    driver: Literal["qemu"]
    """A virtual machine a middlebox, under QEMU."""
    programs: ClassVar = ("ip", "tc", machine.QEMU)
    versions: ClassVar = ((machine.QEMU, "--version"),)
    leaves_processes: ClassVar = True

    def offers(self, function: Function) -> bool:
        """Whether our unikernel has it; whatever a kernel of the user's does counts as forwarding."""
        return super().offers(function) if self.image != "unikernel" else function.unikernel is not None

    def alternatives(self, host: Host) -> list[Options]:
        """Return what ``auto`` may stand for on this host."""
        accelerators, vhost = [self.accelerator], [self.vhost]
        if self.accelerator == "auto":
            accelerators = ["kvm", "tcg"] if _usable(host, "/dev/kvm") else ["tcg"]
        if self.vhost == "auto":
            vhost = ["on", "off"] if _usable(host, "/dev/vhost-net") else ["off"]
        return [
            self.model_copy(update={"accelerator": each, "vhost": moved}) for each in accelerators for moved in vhost
        ]

    @property
    def port_kinds(self) -> tuple[PortKind, ...]:
        """How a machine can be joined to a switch; by vhost-user only our image can."""
        if self.image == "unikernel" and self.vhost != "on":
            return (PortKind.TAP, PortKind.VHOST_USER)
        return (PortKind.TAP,)

    def images(self) -> dict[str, str]:
        """Return our image, or the user's own files."""
        if self.image == "unikernel":
            return {BUILT_HERE: str(UNIKERNEL)}
        return {str(path): str(path) for path in (self.image.kernel, self.image.initrd) if path is not None}

    def build(self, host: Host, mtu: int, kind: PortKind) -> Middleboxes:
        """Return the middleboxes on ``host``."""
        return QemuMiddleboxes(self, host, mtu, kind)


def _usable(host: Host, device: str) -> bool:
    return host.run(["test", "-r", device, "-a", "-w", device], check=False).status == 0


class QemuMiddleboxes:
    """The middlebox driver; see :class:`middlebench.middleboxes.base.Middleboxes`."""

    def __init__(self, options: Options, host: Host, mtu: int, kind: PortKind = PortKind.TAP) -> None:
        if "auto" in (options.accelerator, options.vhost):
            raise MiddleboxError(
                f"setting up virtual machines on {host.name}",
                f"accelerator {options.accelerator} and vhost {options.vhost} are not chosen yet",
                "provision the testbed first: it measures the alternatives and records its choice",
            )
        self._options = options
        self._host = host
        self._mtu = mtu
        self._kind = kind
        self._started: dict[str, Any] = {}

    def check(self, plan: Plan) -> None:
        """Demand that ports can be joined where the plan has wires; our image has all that its functions need."""
        if plan.wires:
            check_wires(self._host)

    def create(self, plan: Plan) -> Mapping[str, str]:
        """Make the taps and wires and start all machines at once; they boot while ports are connected.

        With vhost-user ports a machine waits for the switch before it boots; a wire joins taps all the same.
        """
        kernel = self._kernel()
        taps = [port for middlebox in plan.middleboxes for port in middlebox.ports]
        if not taps:
            return {}
        sockets = dict[str, str]()
        if self._kind is PortKind.VHOST_USER:
            sockets = machine.sockets_of(port for port in taps if port not in plan.wired_ports)
            taps = [port for port in taps if port not in sockets]
            self._host.run(["sh", "-c", MAKE_SOCKET_FOLDER, f"{LABEL}-sockets", machine.SOCKET_FOLDER])
        if taps:
            self._make_taps(taps)
            join(self._host, plan.wires)
        machines = [
            {"name": each.name, "argv": machine.command_line(self._options, kernel, each, sockets)}
            for each in plan.middleboxes
        ]
        request = {"verb": "start", "machines": machines, "environment": ENVIRONMENT}
        self._started = self._ask(request, _deadline(plan))["started"]
        return sockets

    def wait_until_ready(self, plan: Plan) -> list[Start]:
        """Wait for every machine's word of readiness on its console."""
        image = self._options.image
        word = UNIKERNEL_READY if image == "unikernel" else image.ready
        limit_s = READY_SECONDS + MACHINE_SECONDS * plan.n
        request = {"verb": "wait", "started": self._started, "ready": word, "limit_s": limit_s}
        ready = self._ask(request, Deadline(limit_s + 10))["ready"]
        return [Start(name=middlebox.name, **ready[middlebox.name]) for middlebox in plan.middleboxes]

    def live(self) -> dict[str, str]:
        """Return our machines by name, with the process that each is."""
        return dict(self._ask({"verb": "live"})["live"])

    def read(self) -> dict[str, MiddleboxReading]:
        """Return each machine's identity, its process's use of the processors, and our unikernel's own counters."""
        image = self._options.image
        request = {"verb": "read_all", "counts": image == "unikernel", "limit_s": STATUS_SECONDS}
        polls = image != "unikernel" and image.polls
        return {name: machine_reading(said, polls=polls) for name, said in self._ask(request)["read"].items()}

    def watch(self) -> AbstractContextManager[Watch]:
        """Watch all machines' processes; the first that ends is named in the watch."""

        def wait(stop: threading.Event) -> str:
            answer = self._ask({"verb": "watch"}, Deadline(LEAVE_SECONDS), stop=stop)
            return f"virtual machine {answer['failed']} ended{_last_words(answer)}" if answer.get("failed") else ""

        return watching(wait)

    def destroy(self) -> None:
        """End all machines of ours and remove their taps."""
        self._ask({"verb": "destroy"}, Deadline(DESTROY_SECONDS))
        self._host.run(["sh", "-c", REMOVE_TAPS, f"{LABEL}-remove-taps", LABEL], deadline=Deadline(DESTROY_SECONDS))

    def describe(self) -> str:
        """Return image, function, QEMU's version and the accelerator."""
        kernel = self._kernel()
        said = self._host.run([machine.QEMU, "--version"], check=False)
        if said.status != 0:
            raise MiddleboxError(
                f"looking at {machine.QEMU} on {self._host.name}",
                "it does not say its version",
                "run `make setup`",
                said,
            )
        version = said.stdout.split("(")[0].split()[-1]
        digest = hashlib.sha256(kernel.read_bytes()).hexdigest()[:12]
        what = "unikernel" if self._options.image == "unikernel" else kernel.name
        how = "KVM" if self._options.accelerator == "kvm" else WITHOUT_KVM
        how += ", vhost-net" if self._options.vhost == "on" else ""
        return f"{what} {digest}, {self._options.memory_mib} MiB, QEMU {version}, {how}"

    def _kernel(self) -> Path:
        """Return the image's file."""
        image = self._options.image
        doing = f"starting virtual machines on {self._host.name}"
        if image == "unikernel":
            if not UNIKERNEL.is_file():
                advice = f"build it with `snakemake --cores 1 -- {UNIKERNEL}`"
                raise MiddleboxError(doing, f"there is no image {UNIKERNEL}", advice)
            return UNIKERNEL.absolute()
        for path in filter(None, (image.kernel, image.initrd)):
            if not path.is_file():
                raise MiddleboxError(doing, f"there is no image {path}", "correct `image` in the testbed's file")
        return image.kernel.absolute()

    def _make_taps(self, ports: list[str]) -> None:
        """Make a tap for each port."""
        result = self._host.run(
            ["sh", "-c", TAPS, f"{LABEL}-taps", str(self._mtu), *ports],
            check=False,
            deadline=Deadline(COMMAND_SECONDS + MACHINE_SECONDS * len(ports)),
        )
        if result.status != 0:
            failed = FAILED_LINE.search(result.stderr)
            port = ports[(int(failed[1]) - 1) // LINES_A_TAP] if failed else "the taps"
            raise MiddleboxError(
                f"making {port} on {self._host.name}",
                result.stderr.strip().partition("\n")[0] or f"exit status {result.status}",
                "run `make down`; see that /dev/net/tun is there and open to you",
                result,
            )

    def _ask(
        self, request: dict[str, Any], deadline: Deadline | None = None, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        """Run the agent on the server and return its answer."""
        request = {**request, "folder": machine.FOLDER, "prefix": PREFIX, "stopped": STOPPED}
        result = self._host.run(
            self._host.script(AGENT),
            stdin=json.dumps(request) + "\n",
            keep_stdin_open=request["verb"] == "watch",
            deadline=deadline,
            cancel=stop,
        )
        doing = f"{DOING[request['verb']]} {{}} on {self._host.name}"
        answer = answer_of(result, MiddleboxError, doing.format("the virtual machines"))
        if "happened" in answer:
            advice = "run `make setup`, which installs what is missing" if "no program" in answer["happened"] else ""
            raise MiddleboxError(
                doing.format(answer["failed"] or "the virtual machines"),
                answer["happened"] + _last_words(answer),
                advice,
            )
        return answer


def machine_reading(said: Mapping[str, Any], *, polls: bool) -> MiddleboxReading:
    """Return what the agent read of one machine; port 0 of our unikernel is its ingress, port 1 its egress."""
    ports = said["counted"]["ports"] if said["counted"] else None
    return MiddleboxReading(
        identity=said["identity"],
        usage=parse_process(said["usage"], polls=polls),
        rx_packets=ports[0]["rx"] if ports else None,
        tx_packets=ports[1]["tx"] if ports else None,
    )


def _deadline(plan: Plan) -> Deadline:
    return Deadline(COMMAND_SECONDS + MACHINE_SECONDS * plan.n)


def _last_words(answer: dict[str, Any]) -> str:
    """Return the end of what a machine and QEMU printed, for the end of a sentence."""
    said = [
        f"; its {stream} ends: {answer[key].strip()[-500:]}"
        for stream, key in (("console", "console"), ("QEMU", "stderr"))
        if answer.get(key, "").strip()
    ]
    return "".join(said)
