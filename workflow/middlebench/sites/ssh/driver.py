"""Two computers reached over SSH and joined by two cables: the paper's own testbed.

Both are locked for as long as one of our processes uses them, so that two users keep out of each
other's way wherever they sit. Of what is there only the named ports are changed, and put back.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from middlebench.hosts.shared.interfaces import demand_free
from middlebench.hosts.ssh import SshHost
from middlebench.model.environment import Computer, Environment
from middlebench.model.options import Options as BaseOptions
from middlebench.sites.base import Hosts, Inventory, LinkOptions, Site, SiteOptions, Tell, silent
from middlebench.sites.shared.computer import FOLDER, about, ask
from middlebench.sites.ssh.locks import RUN_LOCK, TRIAL_LOCK, TRIAL_LOCK_SECONDS, locked
from middlebench.system.errors import HostError
from middlebench.system.runtime import runtime_folder

TEST_COMPUTER = "test-computer"
MIDDLEBOX_SERVER = "middlebox-server"
CARRIER_SECONDS = 15.0
"""How long a port may take until it has a link: autonegotiation takes some seconds."""

NetworkInterface = Annotated[str, Field(pattern=r"^[^\s/-][^\s/]{0,14}$")]


class ComputerOptions(BaseOptions):
    """One of the two computers."""

    host: Annotated[str, Field(min_length=1)]
    """The computer as you would name it to `ssh`: `[user@]host[:port]`, or an alias of your SSH configuration."""
    ports: tuple[NetworkInterface, NetworkInterface]
    """Its two measured network interfaces: that of the chain's start, that of its end. They must serve nothing else."""
    cpus: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    """Processors that our programs run on, as a list of numbers; all of them where it is not given."""

    @model_validator(mode="after")
    def _two_ports(self) -> ComputerOptions:
        if self.ports[0] == self.ports[1]:
            raise ValueError(f"ports: two different interfaces are needed, found {self.ports[0]} twice")
        return self


class TestComputerOptions(ComputerOptions):
    """The computer that makes and counts traffic."""

    direct_ports: tuple[NetworkInterface, NetworkInterface] | None = None
    """Two more interfaces of the test computer, joined by a third cable: over it the generator alone is measured, from
    the first to the second (the control `back-to-back`). They must serve nothing else. Where the key is not given
    there is no such control; to give it later measures all cells anew."""

    @model_validator(mode="after")
    def _ports_of_their_own(self) -> TestComputerOptions:
        if self.direct_ports and len({*self.ports, *self.direct_ports}) < len(self.all_ports):
            raise ValueError(
                f"direct_ports: two more interfaces are needed, besides {' and '.join(self.ports)}; "
                f"found {' and '.join(self.direct_ports)}"
            )
        return self

    @property
    def all_ports(self) -> tuple[str, ...]:
        """All interfaces that are measured with."""
        return (*self.ports, *(self.direct_ports or ()))


class Options(SiteOptions):
    """Two computers over SSH."""

    driver: Literal["ssh"]
    """Both computers are real ones, reached over SSH with keys; two cables join their measured ports."""
    test_computer: TestComputerOptions
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

    def build(self, testbed: str, tear_down: Callable[[Hosts], None]) -> Site:
        """Return the site, not opened yet."""
        return SshSite(self, testbed, tear_down)


@dataclass(frozen=True)
class _Use:
    """What this process has of one pair of computers: a connection to each, their locks, and what it set up there."""

    test_computer: SshHost
    middlebox_server: SshHost
    locks: ExitStack
    limits: dict[Options, tuple[str, ...]]
    """What could not be set up, a sentence each, by the options of the site that was opened."""

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

    ``tear_down`` removes the testbed's chain from these hosts; :meth:`close` calls it.
    """

    def __init__(self, options: Options, testbed: str, tear_down: Callable[[Hosts], None] = lambda _: None) -> None:
        self._options = options
        self._testbed = testbed
        self._tear_down = tear_down
        self._pair = (options.test_computer.host, options.middlebox_server.host)
        pair = re.sub(r"[^\w.-]", "_", "+".join(self._pair))
        folder = runtime_folder()
        self.run_lock = folder / f"{pair}.run.lock"
        self.trial_lock = folder / f"{pair}.trial.lock"

    def open(self, tell: Tell = silent) -> Hosts:
        """Connect to both, lock them, and prepare the ports.

        Raises:
            HostError: a computer cannot be reached, a port must be left alone or is not fit for measuring.
            LockError: somebody else measures on one of them.
        """
        del tell
        use = self._reserve()
        for computer, ports in self._computers(use):
            demand_free(computer, ports, switched=computer is use.middlebox_server)
        limits = [limit for computer, ports in self._computers(use) for limit in self._prepare(computer, ports)]
        # A port has a link once the port at the other end is up too: both are, by now.
        for computer, ports in self._computers(use):
            limits += self._await_links(computer, ports)
        use.limits[self._options] = tuple(limits)
        return self._hosts(use)

    @contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Keep other runs, of whoever and from wherever, off both computers for as long as the context lasts.

        Raises:
            HostError: a computer cannot be reached.
            LockError: somebody else still has one after ``wait_s``.
        """
        use = self._connections()
        try:
            self._lock(use, {RUN_LOCK: wait_s})
            yield
        finally:
            use.end()

    def occupied_by(self) -> str:
        """Return nothing: only the hosts know."""
        return ""

    def close(self) -> bool:
        """Take the chain down, put the ports back as they were, unlock and disconnect.

        Where another testbed stands nothing is touched. Where none is noted (after a reboot) the chain is
        taken down all the same: a switch may remember its bridges.
        """
        use = self._reserve()
        try:
            testbeds = {str(ask(computer, "testbed")["testbed"]) for computer, _ in self._computers(use)}
            if testbeds - {"", self._testbed}:
                return False
            self._tear_down(self._hosts(use))
            for computer, _ in self._computers(use):
                ask(computer, "restore")
        finally:
            self._release()
        return self._testbed in testbeds

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
            limits=use.limits.get(self._options),
        )

    def _computers(self, use: _Use) -> tuple[tuple[SshHost, Sequence[str]], tuple[SshHost, Sequence[str]]]:
        """Return each computer and all its ports that are measured with."""
        return (
            (use.test_computer, self._options.test_computer.all_ports),
            (use.middlebox_server, self._options.middlebox_server.ports),
        )

    def _hosts(self, use: _Use) -> Hosts:
        return Hosts(
            test_computer=use.test_computer,
            middlebox_server=use.middlebox_server,
            test_ports=self._options.test_computer.ports,
            server_ports=self._options.middlebox_server.ports,
            direct_ports=self._options.test_computer.direct_ports,
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
            self._lock(use, {RUN_LOCK: 0.0, TRIAL_LOCK: TRIAL_LOCK_SECONDS})
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
            limits={},
        )

    def _lock(self, use: _Use, locks: Mapping[str, float]) -> None:
        """Connect to both computers, and only then lock them.

        ``locks`` are files, in the order in which to take them, and how many seconds to wait for each.
        """
        use.test_computer.connect()
        use.middlebox_server.connect()
        for computer, _ in self._computers(use):
            use.locks.enter_context(locked(computer, self._testbed, locks))

    def _release(self) -> None:
        use = _uses.pop(self._pair, None)
        if use is not None:
            use.end()

    def _prepare(self, computer: SshHost, ports: Sequence[str]) -> list[str]:
        """Prepare the ports; return, a sentence each, what they do not take."""
        answer = ask(computer, "prepare", ports=ports, mtu=self._options.link.mtu, testbed=self._testbed)
        if "other" in answer:
            raise HostError(
                f"opening testbed {self._testbed} on {computer.name}",
                f"testbed {answer['other']} stands there",
                f"take that one down first: `middlebench down {answer['other']}`; where nobody knows it any more, "
                f"remove {FOLDER}/testbed there",
            )
        return [f"{computer.name}: {limit}" for limit in answer["limits"]]

    def _await_links(self, computer: SshHost, ports: Sequence[str]) -> list[str]:
        """Wait until the ports have a link that can carry what the config says; return what is to be noted."""
        answer = ask(computer, "links", ports=ports, carrier_s=CARRIER_SECONDS)
        doing = f"preparing {' and '.join(ports)} of {computer.name}"
        if answer["dark"]:
            raise HostError(
                doing,
                f"{' and '.join(answer['dark'])} had no link for {CARRIER_SECONDS:g} s",
                f"check the cables: {self._cabling()}; `ip -brief link` on both computers shows which ports have one",
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

    def _cabling(self) -> str:
        """Return which port belongs to which."""
        test_computer, server = self._options.test_computer, self._options.middlebox_server
        cables = [
            f"{TEST_COMPUTER} {one} to {MIDDLEBOX_SERVER} {other}"
            for one, other in zip(test_computer.ports, server.ports, strict=True)
        ]
        if test_computer.direct_ports:
            cables.append(f"{TEST_COMPUTER} {' to '.join(test_computer.direct_ports)}")
        return ", ".join(cables)
