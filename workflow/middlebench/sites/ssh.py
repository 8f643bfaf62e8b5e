"""Two computers reached over SSH and joined by two cables: the paper's own testbed.

Both are locked for as long as one of our processes uses them, so that two users keep out of each
other's way wherever they sit. Of what is there only the named ports are changed, and put back.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from middlebench import LABEL
from middlebench.environment import Computer, Environment
from middlebench.errors import HostError, LeaseError
from middlebench.hosts.base import Host
from middlebench.hosts.interfaces import demand_free
from middlebench.hosts.ssh import SshHost
from middlebench.options import Options as BaseOptions
from middlebench.run.lease import describe
from middlebench.sites import computer_agent
from middlebench.sites.base import Hosts, Inventory, LinkOptions, Ports, Site, SiteOptions
from middlebench.system.deadline import Deadline
from middlebench.system.processes import ProcessIdentity, ancestors, boot_id
from middlebench.system.runtime import runtime_folder

TEST_COMPUTER = "test-computer"
MIDDLEBOX_SERVER = "middlebox-server"
AGENT = Path(computer_agent.__file__)
FOLDER = f"/run/{LABEL}"
"""Our folder on both computers; a reboot empties it, and undoes all that it notes."""
CARRIER_SECONDS = 15.0
"""How long a port may take until it has a link: autonegotiation takes some seconds."""
RUN_LOCK, TRIAL_LOCK = "run.lock", "trial.lock"
"""Files in our folder there: a run holds the first; a job holds both, unless its run has the first for it. So a job
whose run was killed keeps others off until it ends."""
LOCK_SECONDS = 3.0
"""How long we wait for a lock: a process of ours that has just ended gives it back within this time."""
AGENT_SECONDS = 60.0
LONGEST_RUN_SECONDS = 30 * 24 * 3600.0

NetworkInterface = Annotated[str, Field(pattern=r"^[^\s/-][^\s/]{0,14}$")]


class ComputerOptions(BaseOptions):
    """One of the two computers."""

    host: Annotated[str, Field(min_length=1)]
    """The computer as `~/.ssh/config` or the name service knows it, `[user@]host[:port]`."""
    ports: tuple[NetworkInterface, NetworkInterface]
    """Its two measured network interfaces: that of the chain's start, that of its end. They must serve nothing else."""
    cpus: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    """Processors that our programs run on, as a list of numbers; all of them where it is not given."""

    @model_validator(mode="after")
    def _two_ports(self) -> ComputerOptions:
        if self.ports[0] == self.ports[1]:
            raise ValueError(f"ports: two different interfaces are needed, found {self.ports[0]} twice")
        return self


class Options(SiteOptions):
    """Two computers over SSH."""

    driver: Literal["ssh"]
    """Both computers are real ones, reached over SSH with keys; two cables join their measured ports."""
    test_computer: ComputerOptions
    """The computer that makes and counts traffic."""
    middlebox_server: ComputerOptions
    """The computer that the chain runs on."""
    link: LinkOptions = LinkOptions()
    """The two links between them."""

    @model_validator(mode="after")
    def _two_computers(self) -> Options:
        if self.test_computer.host == self.middlebox_server.host:
            raise ValueError(f"test_computer and middlebox_server are one and the same, {self.test_computer.host}")
        return self

    def build(self, tenant: str, tear_down: Callable[[Hosts], None]) -> Site:
        """Return the site, not opened yet."""
        return SshSite(self, tenant, tear_down)


@dataclass(frozen=True)
class _Use:
    """What this process has of one pair of computers: a connection to each, and their locks."""

    test_computer: SshHost
    middlebox_server: SshHost
    locks: ExitStack

    @property
    def works(self) -> bool:
        """Whether neither connection was lost; the locks went with them."""
        return self.test_computer.connected and self.middlebox_server.connected

    def end(self) -> None:
        """Unlock and disconnect."""
        with contextlib.suppress(HostError):
            self.locks.close()
        self.test_computer.close()
        self.middlebox_server.close()


_uses: dict[tuple[str, str], _Use] = {}
"""By the names of both hosts: one connection is kept per host, however often this process opens the site."""


class SshSite:
    """The site driver; see :class:`middlebench.sites.base.Site`.

    Args:
        options: the two computers and their links.
        tenant: the testbed that stands here; no other one may before it was taken down.
        tear_down: removes the tenant's chain from these hosts; :meth:`close` calls it.
    """

    def __init__(self, options: Options, tenant: str, tear_down: Callable[[Hosts], None] = lambda _: None) -> None:
        self._options = options
        self._tenant = tenant
        self._tear_down = tear_down
        self._pair = (options.test_computer.host, options.middlebox_server.host)
        pair = re.sub(r"[^\w.-]", "_", "+".join(self._pair))
        folder = runtime_folder()
        self.run_lease = folder / f"{pair}.run.lease"
        self.trial_lease = folder / f"{pair}.trial.lease"
        self._limits: list[str] | None = None

    def open(self) -> Hosts:
        """Connect to both, lock them, and prepare the ports.

        Raises:
            HostError: a computer cannot be reached, a port must be left alone or is not fit for measuring.
            LeaseError: somebody else measures on one of them.
        """
        use = self._reserve()
        for computer, ports in self._computers(use):
            demand_free(computer, ports, switched=computer is use.middlebox_server)
        limits = [limit for computer, ports in self._computers(use) for limit in self._prepare(computer, ports)]
        # A port has a link once the port at the other end is up too: both are, by now.
        for computer, ports in self._computers(use):
            limits += self._await_links(computer, ports)
        self._limits = limits
        return self._hosts(use)

    @contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Keep other runs, of whoever and from wherever, off both computers for as long as the context lasts.

        Raises:
            HostError: a computer cannot be reached.
            LeaseError: somebody else still has one after ``wait_s``.
        """
        use = self._connections()
        try:
            self._lock(use, (RUN_LOCK,), wait_s)
            yield
        finally:
            use.end()

    def close(self) -> bool:
        """Take the chain down, put the ports back as they were, unlock and disconnect.

        Where another testbed stands nothing is touched. Where none is noted (after a reboot) the chain is
        taken down all the same: a switch may remember its bridges.
        """
        use = self._reserve()
        try:
            tenants = {str(ask(computer, "tenant")["tenant"]) for computer, _ in self._computers(use)}
            if tenants - {"", self._tenant}:
                return False
            self._tear_down(self._hosts(use))
            for computer, _ in self._computers(use):
                ask(computer, "restore")
        finally:
            self._release()
        return self._tenant in tenants

    def environment(self, test_computer: Inventory, middlebox_server: Inventory) -> Environment:
        """Return what a measurement here depends on; two connections of its own where the site is not open."""
        use = _uses.get(self._pair)
        if use is not None and use.works:
            return self._seen(use, test_computer, middlebox_server)
        use = self._connections()
        try:
            use.test_computer.connect()
            use.middlebox_server.connect()
            return self._seen(use, test_computer, middlebox_server)
        finally:
            use.end()

    def _seen(self, use: _Use, test_computer: Inventory, middlebox_server: Inventory) -> Environment:
        inventories = zip(self._computers(use), (test_computer, middlebox_server), strict=True)
        computers = [
            Computer.model_validate(ask(computer, "describe", **about(inventory, ports, computer.cpus)))
            for (computer, ports), inventory in inventories
        ]
        link = self._options.link
        return Environment(
            site=self._options.driver,
            emulated=False,
            unprivileged=False,
            link_mbps=link.rate_mbps,
            mtu=link.mtu,
            test_computer=computers[0],
            middlebox_server=computers[1],
            limits=None if self._limits is None else tuple(self._limits),
        )

    def _computers(self, use: _Use) -> tuple[tuple[SshHost, Ports], tuple[SshHost, Ports]]:
        return (
            (use.test_computer, self._options.test_computer.ports),
            (use.middlebox_server, self._options.middlebox_server.ports),
        )

    def _hosts(self, use: _Use) -> Hosts:
        return Hosts(
            test_computer=use.test_computer,
            middlebox_server=use.middlebox_server,
            test_ports=self._options.test_computer.ports,
            server_ports=self._options.middlebox_server.ports,
        )

    def _reserve(self) -> _Use:
        """Connect to both computers and lock them, unless this process has done so."""
        test_computer, server = self._options.test_computer, self._options.middlebox_server
        cpus = (test_computer.cpus or (), server.cpus or ())
        use = _uses.get(self._pair)
        if use is not None and use.works and cpus == (use.test_computer.cpus, use.middlebox_server.cpus):
            return use
        self._release()
        use = self._connections()
        _uses[self._pair] = use
        try:
            self._lock(use, (RUN_LOCK, TRIAL_LOCK), LOCK_SECONDS)
        except BaseException:
            self._release()
            raise
        return use

    def _connections(self) -> _Use:
        """Return both computers, not connected yet."""
        test_computer, server = self._options.test_computer, self._options.middlebox_server
        return _Use(
            test_computer=SshHost(TEST_COMPUTER, test_computer.host, test_computer.cpus or ()),
            middlebox_server=SshHost(MIDDLEBOX_SERVER, server.host, server.cpus or ()),
            locks=ExitStack(),
        )

    def _lock(self, use: _Use, locks: Sequence[str], wait_s: float) -> None:
        """Connect to both computers, and only then lock them."""
        use.test_computer.connect()
        use.middlebox_server.connect()
        for computer, _ in self._computers(use):
            use.locks.enter_context(_locked(computer, self._tenant, locks, wait_s))

    def _release(self) -> None:
        use = _uses.pop(self._pair, None)
        if use is not None:
            use.end()

    def _prepare(self, computer: SshHost, ports: Ports) -> list[str]:
        """Prepare the ports; return, a sentence each, what they do not take."""
        answer = ask(computer, "prepare", ports=ports, mtu=self._options.link.mtu, tenant=self._tenant)
        if "other" in answer:
            raise HostError(
                f"opening testbed {self._tenant} on {computer.name}",
                f"testbed {answer['other']} stands there",
                f"take that one down first: `middlebench down {answer['other']}`; where nobody knows it any more, "
                f"remove {FOLDER}/tenant there",
            )
        return [f"{computer.name}: {limit}" for limit in answer["limits"]]

    def _await_links(self, computer: SshHost, ports: Ports) -> list[str]:
        """Wait until the ports have a link that can carry what the config says; return what is to be noted."""
        answer = ask(computer, "links", ports=ports, carrier_s=CARRIER_SECONDS)
        doing = f"preparing {' and '.join(ports)} of {computer.name}"
        if answer["dark"]:
            raise HostError(
                doing,
                f"{' and '.join(answer['dark'])} had no link for {CARRIER_SECONDS:g} s",
                "check the cables: eth0 to eth0 and eth1 to eth1 of the two computers, in the order of `ports`",
            )
        link, limits = self._options.link, []
        for port in ports:
            if answer["mtu"][port] != link.mtu:
                raise HostError(
                    doing,
                    f"{port} did not take an MTU of {link.mtu} (it has {answer['mtu'][port]})",
                    "lower `link.mtu` in the testbed's file to what both computers' interfaces can do",
                )
            mbps = answer["mbps"][port]
            if 0 < mbps < link.rate_mbps:
                raise HostError(
                    doing,
                    f"{port} runs at {mbps} Mb/s, the testbed's file says {link.rate_mbps:g}",
                    "change the cable or the interface's settings (`ethtool`), or lower `link.rate_mbps`",
                )
            if mbps > link.rate_mbps:
                limits.append(f"{computer.name}: {port} says {mbps} Mb/s; {link.rate_mbps:g} Mb/s are counted with")
        return limits


@contextmanager
def _locked(computer: SshHost, tenant: str, locks: Sequence[str], wait_s: float) -> Iterator[None]:
    """Hold the computer's locks for as long as the context and the connection last.

    A process that started us, such as the run of which we are a job, may hold it for us.
    """
    holder = {
        "user": f"{getpass.getuser()}@{socket.gethostname()}",
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "purpose": f"testbed {tenant}",
        "pid": os.getpid(),
        "command": shlex.join(sys.argv)[:200],
        "process": _identity(os.getpid()),
    }
    family = [_identity(pid) for pid in ancestors(os.getpid())]
    argv = _agent(computer, "hold", locks=locks, holder=json.dumps(holder), family=family, wait_s=wait_s)
    with computer.attended(argv, deadline=Deadline(wait_s + AGENT_SECONDS), limit_s=LONGEST_RUN_SECONDS) as said:
        answer = json.loads(said)
        if "held_by" in answer:
            try:
                other = dict(json.loads(answer["held_by"]))
            except ValueError:
                other = {}
            raise LeaseError(
                f"locking {computer.name} for testbed {tenant}",
                describe(other),
                "wait for that run to end, or ask its owner",
            )
        yield


def _identity(pid: int) -> str:
    """Return what tells a process from all others on all machines."""
    identity = ProcessIdentity.of(pid)
    return f"{boot_id()}/{pid}/{identity.started_ticks if identity else 'ended'}"


def ask(computer: Host, verb: str, **request: object) -> dict[str, Any]:
    """Have the agent on a computer do something, and return its answer."""
    result = computer.run(_agent(computer, verb, **request), deadline=Deadline(AGENT_SECONDS))
    return dict(json.loads(result.stdout))


def about(inventory: Inventory, ports: Sequence[str], cpus: Sequence[int]) -> dict[str, object]:
    """Return how the agent is asked to describe a computer."""
    return {
        "versions": inventory.versions,
        "modules": inventory.modules,
        "images": dict(inventory.images),
        "ports": ports,
        "cpus": cpus,
    }


def _agent(computer: Host, verb: str, **request: object) -> list[str]:
    words = json.dumps({"verb": verb, "folder": FOLDER, **request})
    return [computer.python, "-I", "-S", "-c", AGENT.read_text(), words]
