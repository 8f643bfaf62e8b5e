"""Middleboxes as Xen domains, driven by ``xl``: one domain a middlebox, two virtual interfaces a domain.

A domain is created, watched until it really forwards, and only then is the next one created: libxl gives a network
script 40 s, which on a busy dom0 is not much. Our domains are known by the prefix of their names, so that those that
a killed run left are found and removed as well. In an emulated dom0 a command costs a tenth of a second: few are run,
each of which does much.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from middlebench import LABEL
from middlebench.hosts.base import COMMAND_SECONDS, Host
from middlebench.middleboxes.base import Middleboxes, MiddleboxOptions, Start, Watch, watching
from middlebench.middleboxes.xen import watch_agent, wires, xl
from middlebench.middleboxes.xen.clickos import FOLDER, ClickosImage, ClickosOptions
from middlebench.middleboxes.xen.dom0 import Dom0, command_error, consoles
from middlebench.middleboxes.xen.domain import DomainView, config_file
from middlebench.middleboxes.xen.images import Image, LinuxImage, LinuxOptions
from middlebench.middleboxes.xen.xl import HOTPLUG_TIMEOUT, Domain
from middlebench.model.functions.function import Function
from middlebench.model.live import STOPPED
from middlebench.model.plan import Middlebox, Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.reading import MiddleboxReading, ProcessTimes
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddleboxError, last_lines

AGENT = "\n".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (xl, watch_agent))
PREFIX = f"{LABEL}-"
CREATE_SECONDS = 60.0
"""For ``xl create``: well below one on real hardware, but libxl gives each network script 40 s."""
CREATE_TRIES = 2
"""A second time only where a busy dom0 overran libxl's own time limit; libxl removes the first domain."""
BOOT_SECONDS = 30.0
"""From there until the guest can be given its work."""
READY_SECONDS = 30.0
"""From there until it forwards."""
DESTROY_SECONDS = 30.0
"""For each domain that is destroyed: its network scripts take most of it."""
GONE_SECONDS = 30.0
"""From there until the last page of the last domain is given back."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
"""Pause between two readings of a domain: it doubles from the first to the longest."""
PAUSE_RATIO = 2
"""A pause takes at least this many times as long as the reading before it, which takes the guest's processor."""
LEAVE_SECONDS = 24 * 3600.0
CONSOLE_LINES = 12
CREATE = """
set -eu
folder=$1 name=$2 weight=$3
shift 3
mkdir -p "$folder"
cat > "$folder/$name.cfg"
for console; do
    rm -f "$console"
    room=${console%/*}/$name.room
    [ ! -d "${console%/*}" ] || head -c 65536 /dev/zero > "$room" || { rm -f "$room"; exit 1; }
    rm -f "$room"
done
[ -z "$weight" ] || xl sched-credit2 -d 0 -w "$weight"
exec xl create "$folder/$name.cfg"
"""
"""Arguments: our folder, the domain's name, dom0's weight or nothing, its console logs. Its config is read.

On a full disk a console stays empty, as if the guest printed nothing: check first that there is room.
"""

DESTROY = """
for domain; do
    xl destroy "$domain" || echo "failed: $domain"
done
"""


class Options(MiddleboxOptions):
    """Xen domains."""

    driver: Literal["xen"]
    """A Xen domain a middlebox, on the bridges of the server's Open vSwitch."""
    image: Annotated[LinuxOptions | ClickosOptions, Field(discriminator="kind")]
    """What a domain boots."""
    memory_mib: Annotated[int, Field(ge=8, le=65536)] = 100
    """Memory of each domain in MiB."""
    cpus: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Processors of the server that domains are kept to, in turn; empty: Xen's scheduler decides."""
    dom0_weight: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Weight of dom0 in Xen's credit2 scheduler, against 256 of each domain; `null` leaves it as it is.
    Where processors are few, polling domains starve dom0 otherwise."""

    programs: ClassVar = ("ip", "xl", "xenstore-ls", "xenstore-watch", "xenstore-write")
    versions: ClassVar = (("xl", "info", "xen_version"),)

    def guest(self) -> Image:
        """Return the kind of guest that a domain boots."""
        return LinuxImage(self.image) if isinstance(self.image, LinuxOptions) else ClickosImage(self.image)

    def offers(self, function: Function) -> bool:
        """Whether Click's elements can do it; the Linux guest only forwards."""
        if isinstance(self.image, ClickosOptions):
            return function.click is not None
        return super().offers(function)

    def images(self) -> dict[str, str]:
        """Return what a domain boots from."""
        return {path: path for path in self.guest().files()}

    @property
    def port_kinds(self) -> tuple[PortKind, ...]:
        """How a domain can be joined to a switch."""
        return (PortKind.XEN_VIF,)

    def build(self, host: Host, mtu: int, kind: PortKind) -> Middleboxes:
        """Return the middleboxes on ``host``."""
        del mtu, kind  # Xen's own script sees to it
        return XenMiddleboxes(self, host)


class XenMiddleboxes:
    """The middlebox driver; see :class:`middlebench.middleboxes.base.Middleboxes`."""

    def __init__(self, options: Options, host: Host) -> None:
        self._options = options
        self._host = host
        self._dom0 = Dom0(host)
        self._image = options.guest()
        self._starts: dict[str, Start] = {}

    def check(self, plan: Plan) -> None:
        """Demand that domains can be joined; which elements a ClickOS image has, only a start of it tells."""
        wires.check(self._host, plan)

    def create(self, plan: Plan) -> Mapping[str, str]:
        """Create one domain after the other; each forwards before the next one is created."""
        self._starts = {}
        self._check_files()
        wires.make(self._host, plan)
        for middlebox in plan.middleboxes:
            begin = time.monotonic()
            self._create(middlebox, plan)
            domain = self._await(middlebox, "booting", self._image.booted, BOOT_SECONDS)
            self._image.start(self._host, middlebox, domain)
            domain = self._await(middlebox, "starting", self._image.ready, READY_SECONDS)
            kib = domain.memory_mib * 1024
            ready_s = round(time.monotonic() - begin, 6)
            self._starts[middlebox.name] = Start(middlebox.name, ready_s, resident_kib=kib, private_kib=kib)
        return {}

    def wait_until_ready(self, plan: Plan) -> list[Start]:
        """Return what each domain's start took; :meth:`create` has waited for them already."""
        return [self._starts.get(each.name, Start(each.name, None, None, None)) for each in plan.middleboxes]

    def live(self) -> dict[str, str]:
        """Return our domains that run, with number and UUID; one that crashed runs no more."""
        return {each.name: _identity(each) for each in self._ours() if not each.ended}

    def read(self) -> dict[str, MiddleboxReading]:
        """Return each domain's identity, its processor seconds, and what its guest counts.

        Seconds of all domains, dom0's too, are of one list and one moment, so that their shares have one span. Xen does
        not tell how often a domain lost its processor.
        """
        domains, machine = self._dom0.times()
        ours = [each for each in domains if each.name.startswith(PREFIX) and not each.ended]
        counts = self._image.counts(self._host, ours)
        return {
            each.name: MiddleboxReading(
                identity=_identity(each),
                usage=ProcessTimes(each.cpu_s, {"vcpu": each.cpu_s}, None, self._image.polls, machine=machine),
                rx_packets=counts.get(each.name),
            )
            for each in ours
        }

    def watch(self) -> AbstractContextManager[Watch]:
        """Watch for the end of a domain of ours; the first that ends is named in the watch."""
        domains = {each.name: each.id for each in self._ours()}
        request = json.dumps({"domains": domains, "limit_s": COMMAND_SECONDS * self._host.timeout_factor})
        argv = self._host.script(AGENT, request)

        def wait(stop: threading.Event) -> str:
            if not domains:
                return ""
            output = self._host.run(argv, keep_stdin_open=True, deadline=Deadline(LEAVE_SECONDS), cancel=stop).stdout
            if not output.strip():
                return ""
            answer = json.loads(output)
            name, state = answer["ended"], answer["state"]
            if "c" in state:
                return f"domain {name} crashed (state {state}){self._dom0.crash(domains[name])}"
            return f"domain {name} ended"

        return watching(wait)

    def destroy(self) -> None:
        """Destroy all domains of ours, whatever state they are in, and wait until they are gone."""
        ours = self._ours()
        failed: list[str] = []
        if ours:
            numbers = [str(domain.id) for domain in ours if not domain.dying]
            result = self._host.run(
                ["sh", "-c", DESTROY, f"{LABEL}-destroy", *numbers],
                deadline=Deadline(DESTROY_SECONDS * len(ours)),
                check=False,
            )
            failed = [line for line in result.stdout.splitlines() if line.startswith("failed: ")]
        self._await_gone({domain.id: domain.name for domain in ours}, failed)
        wires.remove(self._host)
        self._host.run(["rm", "-rf", FOLDER])

    def describe(self) -> str:
        """Return image, memory and Xen's version."""
        return f"{self._image.describe()}, {self._options.memory_mib} MiB, Xen {self._dom0.version()}"

    def _check_files(self) -> None:
        for path in self._image.files():
            if self._host.run(["test", "-r", path], check=False).status != 0:
                raise MiddleboxError(
                    f"making domains on {self._host.name}",
                    f"there is no file {path}",
                    "put it there, or correct `image` in the testbed's file",
                )

    def _create(self, middlebox: Middlebox, plan: Plan) -> None:
        text = config_file(
            middlebox, plan, self._image.settings(), memory_mib=self._options.memory_mib, cpus=self._options.cpus
        )
        weight = "" if self._options.dom0_weight is None else str(self._options.dom0_weight)
        for _ in range(CREATE_TRIES):
            result = self._host.run(
                ["sh", "-c", CREATE, f"{LABEL}-create", FOLDER, middlebox.name, weight, *consoles(middlebox.name)],
                stdin=text,
                deadline=Deadline(CREATE_SECONDS),
                check=False,
            )
            if result.status == 0 or HOTPLUG_TIMEOUT not in result.stderr:
                break
        if result.status != 0:
            raise command_error(f"creating domain {middlebox.name} on {self._host.name}", result)

    def _await(self, middlebox: Middlebox, step: str, reached: Callable[[DomainView], bool], seconds: float) -> Domain:
        """Read a domain's state until it has reached a step, and return it."""
        deadline, pause = Deadline(seconds).stretched(self._host.timeout_factor), FIRST_PAUSE_SECONDS
        while True:
            begin = time.monotonic()
            view = self._dom0.view(middlebox.name, with_keys=self._image.watches_keys or deadline.expired)
            if view.console is None and not view.keys:
                view = self._dom0.view(middlebox.name, with_keys=True)
            took = time.monotonic() - begin
            if view.domain is None or view.domain.dying:
                raise self._error(middlebox, step, "it is gone", "see `xl dmesg` there", view)
            if view.domain.crashed:
                crash = self._dom0.crash(view.domain.id)
                raise self._error(middlebox, step, f"it crashed (state {view.domain.state}){crash}", "", view)
            if view.domain.ended:
                raise self._error(middlebox, step, f"it shut itself down (state {view.domain.state})", "", view)
            if failure := self._image.failure(view):
                raise self._error(middlebox, step, failure, "", view)
            if reached(view):
                return view.domain
            if deadline.expired and view.keys:
                happened = f"not done after {deadline.seconds:g} s: {self._image.stuck(view)}"
                raise self._error(middlebox, step, happened, "", view)
            time.sleep(min(max(pause, PAUSE_RATIO * took), deadline.remaining))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _ours(self) -> list[Domain]:
        return [domain for domain in self._dom0.domains() if domain.name.startswith(PREFIX)]

    def _await_gone(self, destroyed: dict[int, str], failed: Sequence[str]) -> None:
        """Wait until what was destroyed is gone, and what else is dying (it has lost its name) too."""
        deadline = Deadline(GONE_SECONDS).stretched(self._host.timeout_factor)
        while True:
            left = [domain for domain in self._dom0.domains() if domain.id in destroyed or domain.dying]
            if not left:
                return
            ours = [domain for domain in left if domain.id in destroyed]
            if failed and ours and not any(domain.dying for domain in ours):
                break
            if deadline.expired:
                break
            time.sleep(LONGEST_PAUSE_SECONDS)
        if ours:
            names = ", ".join(f"{destroyed[domain.id]} (number {domain.id}, state {domain.state})" for domain in ours)
            raise MiddleboxError(
                f"destroying domains on {self._host.name}",
                f"still there: {names}",
                "something in dom0 holds their memory: see /var/log/xen there; a restart of the server helps",
            )

    def _error(
        self, middlebox: Middlebox, step: str, happened: str, advice: str = "", view: DomainView | None = None
    ) -> MiddleboxError:
        doing = f"{step} domain {middlebox.name} on {self._host.name}"
        if view is not None and view.console is None:
            advice = advice or "have its console logged: `XENCONSOLED_ARGS=--log=guest` in /etc/default/xen there"
        elif view is not None:
            end = last_lines(view.console or "", CONSOLE_LINES)
            happened += f"\n  end of its console:\n{end}" if end else "\n  its console is empty"
        return MiddleboxError(doing, happened, advice)


def _identity(domain: Domain) -> str:
    """Return what tells a domain from every other one, and that it is paused."""
    return f"domain {domain.id}, {domain.uuid}" + (STOPPED if "p" in domain.state else "")
