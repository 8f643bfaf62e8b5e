"""What dom0 says of the machine and its domains: commands that only read, and what they print."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.middleboxes.xen.domain import DomainView
from middlebench.middleboxes.xen.xenstore import parse_keys
from middlebench.middleboxes.xen.xl import Domain, crash_report, explain, parse_list, parse_version
from middlebench.model.usage import MachineUsage
from middlebench.system.command_result import CommandResult
from middlebench.system.errors import HostError, MiddleboxError, last_lines

DOM0 = 0
"""Number of the domain that the server's own system is."""
READ_TRIES = 3
"""A command that only reads is run again where a signal ended it: in an emulated dom0 ``xl list`` was seen to
crash at its exit (a general protection fault), and to work a moment later."""
CONSOLES = ("/var/log/xen/console/guest-{name}.log", "/var/log/xen/guest-{name}.log")
"""Where xenconsoled logs the consoles of guests, with its option ``--log=guest``."""
CRASH_LINES = 12
SECTION = "=== mbench ==="

VIEW = f"""
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

TIMES = "cat /proc/uptime && xl info nr_cpus && exec xl list -v"
"""Answers the time, how many processors the machine has, and the list."""

_Answer = TypeVar("_Answer")


def consoles(name: str) -> list[str]:
    """Return the files that the console of a domain may be logged in."""
    return [path.format(name=name) for path in CONSOLES]


def command_error(doing: str, result: CommandResult) -> MiddleboxError:
    """Return the error of a command of ``xl`` that failed."""
    return MiddleboxError(doing, *explain(result.stderr + result.stdout), result)


class Dom0:
    """Questions to the server's own system."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def domains(self) -> list[Domain]:
        """Return all domains."""
        return self._ask("listing domains", parse_list, "xl", "list", "-v")

    def times(self) -> tuple[list[Domain], MachineUsage]:
        """Return all domains, and what they have used of the machine up to one and the same moment."""
        return self._ask("reading what domains used", _parse_times, "sh", "-c", TIMES, f"{LABEL}-read")

    def view(self, name: str, *, with_keys: bool) -> DomainView:
        """Return what can be seen of a domain now; reading its keys takes as long as all the rest."""

        def parse(output: str) -> DomainView:
            listed, _, rest = output.partition(f"{SECTION}\n")
            keys, has_console, console = rest.partition(f"{SECTION}\n")
            domain = next((each for each in parse_list(listed) if each.name == name), None)
            return DomainView(domain=domain, keys=parse_keys(keys), console=console if has_console else None)

        argv = ("sh", "-c", VIEW, f"{LABEL}-view", name, "keys" if with_keys else "", *consoles(name))
        return self._ask(f"reading the state of domain {name}", parse, *argv)

    def version(self) -> str:
        """Return the version of Xen."""
        return self._ask("asking for Xen's version", parse_version, "xl", "info", "xen_version")

    def crash(self, domain: int) -> str:
        """Return Xen's log of the crash of a domain, to be appended to a sentence."""
        with contextlib.suppress(HostError):
            report = crash_report(self._host.run(["xl", "dmesg"], check=False).stdout, domain)
            return f"; from Xen's log:\n{last_lines(report, CRASH_LINES)}" if report else ""
        return ""

    def _ask(self, doing: str, parse: Callable[[str], _Answer], *argv: str) -> _Answer:
        """Run a command that only reads, and return what its output means."""
        doing = f"{doing} on {self._host.name}"
        for _ in range(READ_TRIES):
            result = self._host.run(argv, check=False)
            if result.status >= 0:
                break
        if result.status != 0:
            raise command_error(doing, result)
        try:
            return parse(result.stdout)
        except (ValueError, IndexError) as error:
            raise self._unexpected(doing, error) from error

    def _unexpected(self, doing: str, error: Exception) -> MiddleboxError:
        """Return the error for text that is not what this code knows, with the version of Xen that printed it."""
        version = "version unknown"
        with contextlib.suppress(HostError, ValueError):
            output = self._host.run(["xl", "info", "xen_version"], check=False).stdout
            version = f"version {parse_version(output)}"
        return MiddleboxError(
            doing,
            f"{error} (of Xen on {self._host.name}, {version})",
            "Xen 4.17 is known to work; report the text and the version",
        )


def _parse_times(output: str) -> tuple[list[Domain], MachineUsage]:
    """Return what :data:`TIMES` answers: all domains, and the machine's processor seconds."""
    uptime, processors, listed = output.split("\n", 2)
    domains = parse_list(listed)
    machine = MachineUsage(
        processors=int(processors),
        dom0_s=sum(each.cpu_s for each in domains if each.id == DOM0),
        domains_s=sum(each.cpu_s for each in domains if each.id != DOM0),
        elapsed_s=float(uptime.split()[0]),
    )
    return domains, machine
