"""Middleboxes as Xen domains, driven by ``xl``: one domain a middlebox, two virtual interfaces a domain.

A domain is made, watched until it really forwards, and only then is the next one made: libxl gives a
network script 40 s, which on a busy dom0 is not much. Everything of ours is known by its name's prefix,
so what a crashed run left behind is found and removed as well. In dom0 a command may cost a tenth of a
second: few are run, each of which does much.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from middlebench import LABEL
from middlebench.diagnosis.usage import MachineTimes, ProcessTimes
from middlebench.hosts.base import CommandResult, Host
from middlebench.middleboxes.base import Middleboxes, MiddleboxOptions, MiddleboxReading, Start, Watch
from middlebench.middleboxes.xen import watch_agent
from middlebench.middleboxes.xen.clickos import FOLDER, ClickosImage, ClickosOptions
from middlebench.middleboxes.xen.domain import Sight, config_file
from middlebench.middleboxes.xen.images import Image, LinuxImage, LinuxOptions
from middlebench.middleboxes.xen.xenstore import parse_keys
from middlebench.middleboxes.xen.xl import HOTPLUG_TIMEOUT, Domain, explain, parse_list
from middlebench.model.plan import Middlebox, Plan
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError, MiddleboxError, last_lines

AGENT = Path(watch_agent.__file__)
PREFIX = f"{LABEL}-"
DOM0 = 0
"""Number of the domain that the server's own system is."""
CREATE_SECONDS = 60.0
"""For ``xl create``: well below one on real hardware, but libxl gives each network script 40 s."""
CREATE_TRIES = 2
"""A second time only where a busy dom0 overran libxl's own time limit; what was made is removed by libxl."""
BOOT_SECONDS = 30.0
"""From there until the guest can be given its work."""
READY_SECONDS = 30.0
"""From there until it forwards."""
DESTROY_SECONDS = 30.0
"""For each domain that is destroyed: its network scripts take most of it."""
GONE_SECONDS = 30.0
"""From there until the last page of the last domain is given back."""
FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 0.1, 2.0
"""Pause between two looks at a domain: it doubles from the first to the last."""
LOOKS_SHARE = 2
"""A pause is this many times as long as the look before it, at least: in a slow dom0 looking holds the guest up."""
READ_TRIES = 3
"""A command that only reads is run again where a signal ended it: in an emulated dom0 ``xl list`` was seen to
crash at its exit (a general protection fault), and to work a moment later."""
LEAVE_SECONDS = 24 * 3600.0
CONSOLES = ("/var/log/xen/console/guest-{name}.log", "/var/log/xen/guest-{name}.log")
"""Where xenconsoled logs what a guest says, if it is told to (``--log=guest``)."""
CONSOLE_LINES = 12
SECTION = "=== mbench ==="

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

A console that nobody can write to would look like a guest that never says a word: see first that there is room.
"""

LOOK = f"""
name=$1 keys=$2
shift 2
xl list -v
status=$?
echo '{SECTION}'
if [ -n "$keys" ] && domain=$(xl domid "$name" 2> /dev/null); then
    xenstore-ls -f "/local/domain/$domain"
    xenstore-ls -f "/local/domain/0/backend/vif/$domain" 2> /dev/null
fi
for console; do
    if [ -e "$console" ]; then
        echo '{SECTION}'
        cat "$console"
        break
    fi
done
exit $status
"""
"""Arguments: the domain's name, anything if keys are asked for, its console logs.

Answers the list, the keys, and the console where there is one.
"""

READ = "cat /proc/uptime && xl info nr_cpus && exec xl list -v"
"""Answers the time, how many processors the machine has, and the list."""

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

    def images(self) -> dict[str, str]:
        """Return what a domain boots from."""
        image = self.image
        files = LinuxImage(image).files() if isinstance(image, LinuxOptions) else ClickosImage(image).files()
        return {path: path for path in files}

    def build(self, host: Host, mtu: int) -> Middleboxes:
        """Return the middleboxes on ``host``."""
        del mtu  # Xen's own script sees to it
        return XenMiddleboxes(self, host)


class XenMiddleboxes:
    """The middlebox driver; see :class:`middlebench.middleboxes.base.Middleboxes`."""

    def __init__(self, options: Options, host: Host) -> None:
        self._options = options
        self._host = host
        image = options.image
        self._image: Image = LinuxImage(image) if isinstance(image, LinuxOptions) else ClickosImage(image)
        self._starts: dict[str, Start] = {}

    def create(self, plan: Plan) -> None:
        """Make one domain after the other; each forwards before the next one is made."""
        self._starts = {}
        self._check_files()
        for middlebox in plan.middleboxes:
            begin = time.monotonic()
            self._create(middlebox, plan)
            domain = self._await(middlebox, "booting", self._image.booted, BOOT_SECONDS)
            self._image.start(self._host, middlebox, domain)
            domain = self._await(middlebox, "starting", self._image.ready, READY_SECONDS)
            kib = domain.memory_mib * 1024
            ready_s = round(time.monotonic() - begin, 6)
            self._starts[middlebox.name] = Start(middlebox.name, ready_s, resident_kib=kib, private_kib=kib)

    def wait_until_ready(self, plan: Plan) -> list[Start]:
        """Return what each domain's start took; :meth:`create` has waited for them already."""
        return [self._starts.get(each.name, Start(each.name, None, None, None)) for each in plan.middleboxes]

    def live(self) -> dict[str, str]:
        """Return our domains that run, with number and UUID; one that crashed runs no more."""
        return {each.name: f"domain {each.id}, {each.uuid}" for each in self._ours() if not each.ended}

    def read(self) -> dict[str, MiddleboxReading]:
        """Return each domain's identity, its processor seconds as ``xl list`` has them, and a Click router's count.

        ClickOS counts what it takes in but not what it gives out, other guests count nothing for us; Xen does not
        tell how often a domain lost its processor. Dom0 is a domain like them: the machine's processors serve all.
        """
        doing = f"reading what domains on {self._host.name} used"
        result = self._read("sh", "-c", READ, f"{LABEL}-read")
        if result.status != 0:
            raise self._explained(doing, result)
        try:
            uptime, processors, listed = result.stdout.split("\n", 2)
            domains = parse_list(listed)
            domains_s = sum(domain.cpu_s for domain in domains if domain.id != DOM0)
            machine = MachineTimes(int(processors), domains_s, moment_s=float(uptime.split()[0]))
        except ValueError as error:
            raise _not_understood(doing, error) from error
        readings = {}
        for domain in domains:
            if domain.ended or not domain.name.startswith(PREFIX):
                continue
            taken = None
            if isinstance(self._image, ClickosImage) and self._image.starter == "cosmos":
                with contextlib.suppress(MiddleboxError):  # it does not say: so be it
                    taken = self._image.counts(self._host, domain)[0]
            usage = ProcessTimes(domain.cpu_s, {"vcpu": domain.cpu_s}, None, self._image.polls, machine)
            readings[domain.name] = MiddleboxReading(f"domain {domain.id}, {domain.uuid}", usage, taken)
        return readings

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Watch for the end of a domain of ours; the first that ends is named in the watch."""
        watch, stop = Watch(fired=threading.Event()), threading.Event()
        domains = {each.name: each.id for each in self._ours()}
        request = json.dumps({"domains": domains})

        def look() -> None:
            argv = [self._host.python, "-I", "-S", "-c", AGENT.read_text(encoding="utf-8"), request]
            try:
                result = self._host.run(argv, lifeline=True, deadline=Deadline(LEAVE_SECONDS), cancel=stop)
                if result.stdout.strip():
                    watch.fire(f"domain {json.loads(result.stdout)['ended']} ended")
            except (HostError, ValueError, KeyError) as error:
                if not stop.is_set():
                    watch.fire(str(error))

        thread = threading.Thread(target=look, name="watch domains", daemon=True)
        if domains:
            thread.start()
        try:
            yield watch
        finally:
            stop.set()
            if domains:
                thread.join()

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
        self._host.run(["rm", "-rf", FOLDER])

    def counts(self, plan: Plan) -> dict[str, tuple[int, int]]:
        """Return the frames that each ClickOS router took in at its ports; none for other images.

        Raises:
            MiddleboxError: a domain is gone, or its counters could not be read.
        """
        if not isinstance(self._image, ClickosImage) or self._image.starter != "cosmos":
            return {}
        domains = {domain.name: domain for domain in self._ours()}
        return {
            each.name: self._image.counts(self._host, domains[each.name])
            for each in plan.middleboxes
            if each.name in domains
        }

    def describe(self) -> str:
        """Return image, memory and Xen's version."""
        result = self._host.run(["xl", "info", "xen_version"], check=False)
        if result.status != 0:
            raise self._explained(f"asking for Xen's version on {self._host.name}", result)
        return f"{self._image.describe()}, {self._options.memory_mib} MiB, Xen {result.stdout.strip()}"

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
                ["sh", "-c", CREATE, f"{LABEL}-create", FOLDER, middlebox.name, weight, *_consoles(middlebox.name)],
                stdin=text,
                deadline=Deadline(CREATE_SECONDS),
                check=False,
            )
            if result.status == 0 or HOTPLUG_TIMEOUT not in result.stderr:
                break
        if result.status != 0:
            raise self._explained(f"creating domain {middlebox.name} on {self._host.name}", result)

    def _await(self, middlebox: Middlebox, step: str, reached: Callable[[Sight], bool], seconds: float) -> Domain:
        """Look at a domain until it has reached a step, and return it.

        Raises:
            MiddleboxError: it failed, ended, or took too long; its console's end is in the message.
        """
        deadline, pause = Deadline(seconds).stretched(self._host.patience), FIRST_LOOK_SECONDS
        while True:
            begin = time.monotonic()
            sight = self._look(middlebox.name, with_keys=self._image.watches_keys or deadline.expired)
            if sight.console is None and not sight.keys:
                sight = self._look(middlebox.name, with_keys=True)
            took = time.monotonic() - begin
            if sight.domain is None or sight.domain.dying:
                raise self._error(middlebox, step, "it is gone", "see `xl dmesg` there", sight)
            if sight.domain.crashed:
                raise self._error(
                    middlebox, step, f"it crashed (state {sight.domain.state}){self._xen_log()}", "", sight
                )
            if sight.domain.ended:
                raise self._error(middlebox, step, f"it shut itself down (state {sight.domain.state})", "", sight)
            if failure := self._image.failure(sight):
                raise self._error(middlebox, step, failure, "", sight)
            if reached(sight):
                return sight.domain
            if deadline.expired and sight.keys:
                happened = f"not done after {deadline.seconds:g} s: {self._image.stuck(sight)}"
                raise self._error(middlebox, step, happened, "", sight)
            time.sleep(min(max(pause, LOOKS_SHARE * took), deadline.remaining))
            pause = min(2 * pause, LAST_LOOK_SECONDS)

    def _look(self, name: str, *, with_keys: bool) -> Sight:
        """Return what dom0 sees of a domain now; reading its keys costs as much as all the rest.

        Raises:
            MiddleboxError: Xen does not answer, or not as we know it.
        """
        doing = f"looking at domain {name} on {self._host.name}"
        result = self._read("sh", "-c", LOOK, f"{LABEL}-look", name, "keys" if with_keys else "", *_consoles(name))
        if result.status != 0:
            raise self._explained(doing, result)
        listed, _, rest = result.stdout.partition(f"{SECTION}\n")
        keys, has_console, console = rest.partition(f"{SECTION}\n")
        try:
            domain = next((each for each in parse_list(listed) if each.name == name), None)
            return Sight(domain=domain, keys=parse_keys(keys), console=console if has_console else None)
        except ValueError as error:
            raise _not_understood(doing, error) from error

    def _read(self, *argv: str) -> CommandResult:
        for _ in range(READ_TRIES):
            result = self._host.run(argv, check=False)
            if result.status >= 0:
                break
        return result

    def _list(self) -> list[Domain]:
        doing = f"listing domains on {self._host.name}"
        result = self._read("xl", "list", "-v")
        if result.status != 0:
            raise self._explained(doing, result)
        try:
            return parse_list(result.stdout)
        except ValueError as error:
            raise _not_understood(doing, error) from error

    def _ours(self) -> list[Domain]:
        return [domain for domain in self._list() if domain.name.startswith(PREFIX)]

    def _await_gone(self, destroyed: dict[int, str], failed: Sequence[str]) -> None:
        """Wait until what was destroyed is gone, and what else is dying (it has lost its name) too."""
        deadline = Deadline(GONE_SECONDS).stretched(self._host.patience)
        while True:
            left = [domain for domain in self._list() if domain.id in destroyed or domain.dying]
            if not left:
                return
            ours = [domain for domain in left if domain.id in destroyed]
            if failed and ours and not any(domain.dying for domain in ours):
                break
            if deadline.expired:
                break
            time.sleep(LAST_LOOK_SECONDS)
        if ours:
            names = ", ".join(f"{destroyed[domain.id]} (number {domain.id}, state {domain.state})" for domain in ours)
            raise MiddleboxError(
                f"destroying domains on {self._host.name}",
                f"still there: {names}",
                "something in dom0 holds their memory: see /var/log/xen there; a restart of the server helps",
            )

    def _xen_log(self) -> str:
        result = self._host.run(["xl", "dmesg"], check=False)
        said = last_lines(result.stdout)
        return f"; end of Xen's own log:\n{said}" if said else ""

    def _explained(self, doing: str, result: CommandResult) -> MiddleboxError:
        meaning = explain(result.stderr + result.stdout)
        return MiddleboxError(doing, meaning.happened, meaning.advice, result)

    def _error(
        self, middlebox: Middlebox, step: str, happened: str, advice: str = "", sight: Sight | None = None
    ) -> MiddleboxError:
        doing = f"{step} domain {middlebox.name} on {self._host.name}"
        if sight is not None and sight.console is None:
            advice = advice or "have its console logged: `XENCONSOLED_ARGS=--log=guest` in /etc/default/xen there"
        elif sight is not None:
            said = last_lines(sight.console or "", CONSOLE_LINES)
            happened += f"\n  end of its console:\n{said}" if said else "\n  its console is empty"
        return MiddleboxError(doing, happened, advice)


def _not_understood(doing: str, error: ValueError) -> MiddleboxError:
    return MiddleboxError(doing, str(error), "is this a version of Xen that is not known here?")


def _consoles(name: str) -> list[str]:
    return [path.format(name=name) for path in CONSOLES]
