"""Both computers as network namespaces of this machine, inside one holder. No root needed.

The holder is a process in PID, mount and network namespaces of its own (and, unless we are root,
a user namespace). The two computers are named network namespaces inside it, joined by two veth
links shaped to the line rate. Nothing of it is visible in the user's own network.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from middlebench import LABEL
from middlebench.deadline import Deadline
from middlebench.errors import HostError
from middlebench.hosts.base import Host
from middlebench.hosts.local import LocalHost
from middlebench.options import Options as BaseOptions
from middlebench.processes import ProcessIdentity, boot_id
from middlebench.runtime import runtime_folder
from middlebench.sites import holder_process
from middlebench.sites.base import Hosts, LinkOptions, Ports

TEST_COMPUTER = "test-computer"
MIDDLEBOX_SERVER = "middlebox-server"
PORTS: Ports = ("eth0", "eth1")

START_SECONDS = 10.0
SHAPER_BURST_BYTES = 32 * 1024
"""Smallest burst that keeps a 1 Gb/s token bucket exact at the kernel's timer resolution (tried)."""
OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro")
"""Offloads are off so that a frame on the link is a frame as it was sent (ethtool(8), -K)."""

Processors = Literal["auto"] | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class ComputerOptions(BaseOptions):
    """One of the two computers."""

    cpus: Processors = "auto"
    """Processors that this computer's programs run on, as a list of numbers; `auto` gives the test computer one (two from eight on) and the middlebox server the rest."""


class Options(BaseOptions):
    """Two computers as network namespaces of this machine."""

    driver: Literal["namespaces"]
    """Both computers are network namespaces of this machine, in a holder process that takes everything along when it ends; needs no root."""
    test_computer: ComputerOptions = ComputerOptions()
    """The computer that makes and counts traffic."""
    middlebox_server: ComputerOptions = ComputerOptions()
    """The computer that the chain runs on."""
    link: LinkOptions = LinkOptions()
    """The two links between them."""
    idle_s: Annotated[float, Field(ge=1)] = 900
    """Seconds without a run after which the holder ends itself and takes everything along."""

    @model_validator(mode="after")
    def _both_or_none_automatic(self) -> Options:
        if (self.test_computer.cpus == "auto") != (self.middlebox_server.cpus == "auto"):
            raise ValueError("cpus: give processors to both computers, or `auto` to both")
        return self


def partition(available: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split processors between the test computer and the middlebox server.

    One processor is enough for a generator; with eight or more a second one lets the receiver's
    work stay off the sender's. On a machine with a single processor both share it.

    Args:
        available: numbers of the processors that we may use.

    Returns:
        The test computer's processors and the middlebox server's, both non-empty.
    """
    ordered = sorted(available)
    if len(ordered) == 1:
        return (ordered[0],), (ordered[0],)
    share = 2 if len(ordered) >= 8 else 1
    return tuple(ordered[:share]), tuple(ordered[share:])


class Namespaces:
    """The site driver; see :class:`middlebench.sites.base.Site`.

    Args:
        options: the two computers and their links.
        tenant: the testbed that stands here; another one starts from nothing, whatever this one left.
    """

    def __init__(self, options: Options, tenant: str) -> None:
        self._options = options
        self._tenant = tenant
        folder = runtime_folder()
        self._state = folder / "holder.json"
        self._log = folder / "holder.log"
        self.run_lease = folder / "run.lease"
        self.trial_lease = folder / "trial.lease"

    def open(self) -> Hosts:
        """Start the holder and furnish it, unless one that fits is there."""
        live = self._live()
        if live is not None and live["site"] == self._wanted() and live.get("furnished"):
            return self._hosts(live["pid"])
        self.close()
        pid = self._start()
        hosts = self._hosts(pid)
        limits = self._furnish(LocalHost("holder", prefix=_enter(pid)), hosts)
        live = self._live()
        if live is None:
            raise self._start_error("it ended while its network was being set up")
        self._write_state({**live, "furnished": True, "limits": limits})
        return hosts

    def close(self) -> bool:
        """End the holder; the kernel ends and removes all that is in it."""
        live = self._live()
        self._state.unlink(missing_ok=True)
        if live is None:
            return False
        holder = ProcessIdentity(int(live["pid"]), int(live["started_ticks"]), boot_id())
        if not holder.kill():
            raise HostError(f"ending the holder (process {holder.pid})", "it is still there after SIGKILL")
        return True

    def facts(self) -> dict[str, object]:
        """Return what tells this site from another."""
        test_cpus, server_cpus = self._processors()
        live = self._live() or {}
        return {
            "driver": self._options.driver,
            "kernel": platform.release(),
            "cpu": _cpu_model(),
            "test_computer_cpus": list(test_cpus),
            "middlebox_server_cpus": list(server_cpus),
            "link_mbps": self._options.link.rate_mbps,
            "mtu": self._options.link.mtu,
            "unprivileged": os.getuid() != 0,
            "limits": live.get("limits", []),
        }

    def _processors(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        available = os.sched_getaffinity(0)
        test_cpus, server_cpus = self._options.test_computer.cpus, self._options.middlebox_server.cpus
        if test_cpus == "auto" or server_cpus == "auto":
            return partition(sorted(available))
        missing = sorted({*test_cpus, *server_cpus} - available)
        if missing:
            raise HostError(
                "giving processors to the two computers",
                f"this machine lets us use {sorted(available)}, not {missing}",
                "change `cpus` in the testbed's file",
            )
        return test_cpus, server_cpus

    def _wanted(self) -> dict[str, object]:
        return {
            "tenant": self._tenant,
            "options": self._options.model_dump(mode="json"),
            "cpus": [list(cpus) for cpus in self._processors()],
        }

    def _hosts(self, pid: int) -> Hosts:
        test_cpus, server_cpus = self._processors()
        return Hosts(
            test_computer=LocalHost(TEST_COMPUTER, test_cpus, _enter(pid, TEST_COMPUTER)),
            middlebox_server=LocalHost(MIDDLEBOX_SERVER, server_cpus, _enter(pid, MIDDLEBOX_SERVER)),
            test_ports=PORTS,
            server_ports=PORTS,
        )

    def _live(self) -> dict[str, Any] | None:
        """Return the state of the holder that runs now, if one does."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads(self._state.read_text())
            if ProcessIdentity(state["pid"], state["started_ticks"], boot_id()).is_alive():
                return dict(state)
        return None

    def _write_state(self, state: dict[str, Any]) -> None:
        temporary = self._state.with_name(f".{self._state.name}.{os.getpid()}")
        temporary.write_text(json.dumps(state))
        temporary.replace(self._state)

    def _start(self) -> int:
        request = {
            "state": str(self._state),
            "lease": str(self.trial_lease),
            "idle_s": self._options.idle_s,
            "site": self._wanted(),
        }
        user_namespace = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        self.trial_lease.touch()
        with self._log.open("wb") as log:
            launcher = subprocess.Popen(
                [
                    *("unshare", *user_namespace, "--net", "--mount", "--pid", "--fork", "--kill-child"),
                    *(sys.executable, "-I", holder_process.__file__, json.dumps(request)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        deadline = Deadline(START_SECONDS)
        while (live := self._live()) is None:
            if launcher.poll() is not None:
                raise self._start_error(f"it ended at once with status {launcher.returncode}")
            if deadline.expired:
                launcher.kill()
                raise self._start_error(f"it did not come up within {START_SECONDS:g} s")
            time.sleep(0.01)
        return int(live["pid"])

    def _start_error(self, happened: str) -> HostError:
        said = self._log.read_text(errors="replace").strip() if self._log.exists() else ""
        return HostError(
            f"starting the holder (log: {self._log})",
            happened + (f": {said.splitlines()[-1]}" if said else ""),
            "see whether `unshare --user --map-root-user --net --mount --pid --fork true` works here; "
            "where user namespaces are switched off, run as root or set the sysctl user.max_user_namespaces",
        )

    def _furnish(self, holder: LocalHost, hosts: Hosts) -> list[str]:
        """Make the two computers and their links; return what the kernel did not let us set up."""
        mtu = self._options.link.mtu
        links = [
            f"link add name {port} mtu {mtu} netns {TEST_COMPUTER} type veth peer name {port} mtu {mtu} netns {MIDDLEBOX_SERVER}"
            for port in PORTS
        ]
        holder.run(
            ["ip", "-batch", "-"], stdin=_lines(f"netns add {TEST_COMPUTER}", f"netns add {MIDDLEBOX_SERVER}", *links)
        )
        limits: list[str] = []
        for computer in (hosts.test_computer, hosts.middlebox_server):
            limits += _prepare_ports(computer, self._options.link)
        return limits


def _enter(pid: int, namespace: str = "") -> list[str]:
    """Return the words that run a command inside the holder, or in a network namespace of it.

    Not ``ip netns exec``: that gives every command a mount namespace of its own, in which named
    network namespaces that the command makes would be lost with it.
    """
    user = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
    network = f"=/proc/{pid}/root/run/netns/{namespace}" if namespace else ""
    return ["nsenter", f"--target={pid}", *user, "--mount", "--pid", f"--net{network}"]


PREPARE_PORTS = """
set -eu
rate=$1 burst=$2 cpus=$3 offloads=$4
shift 4
for key in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$key ] || echo 1 > /proc/sys/net/ipv6/conf/$key/disable_ipv6
done
mount -t sysfs sysfs /sys
for port; do
    ethtool -K "$port" $offloads > /dev/null
    tc qdisc replace dev "$port" root handle 1: stab overhead 24 mpu 84 linklayer ethernet \\
        tbf rate "$rate" burst "$burst" limit 1mb || echo "limit: no token bucket shaper on $port"
    { echo "$cpus" > /sys/class/net/$port/queues/rx-0/rps_cpus; } 2> /dev/null ||
        echo "limit: receive packet steering needs root: frames that reach $port are first handled on the sender's processor"
    ip link set dev "$port" arp off up
done
"""
"""Shell, so that a computer is prepared by one command; the arguments are its positional parameters.

IPv6 is off because router solicitations are stray frames; the shaper counts 24 B of overhead a
frame, and 84 B at the least, as Ethernet does.
"""


def _prepare_ports(computer: Host, link: LinkOptions) -> list[str]:
    mask = f"{sum(1 << cpu for cpu in computer.cpus):x}"
    offloads = " ".join(f"{offload} off" for offload in OFFLOADS)
    result = computer.run(
        [
            *("unshare", "--mount", "sh", "-c", PREPARE_PORTS, f"{LABEL}-prepare-ports"),
            *(f"{link.rate_bps:.0f}bit", str(SHAPER_BURST_BYTES), mask, offloads, *PORTS),
        ]
    )
    return [
        f"{computer.name}: {line.removeprefix('limit: ')}"
        for line in result.stdout.splitlines()
        if line.startswith("limit: ")
    ]


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
