"""A site in memory: two hosts of :mod:`memory.hosts`; that it is open is a file of its folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar, Literal

from middlebench.hosts.base import Ports
from middlebench.model.environment import Computer, Environment
from middlebench.sites.base import Hosts, Inventory, SiteOptions, Tell, silent
from middlebench.system.errors import HostError

from memory.hosts import MemoryHost

TEST_PORTS: Ports = ("test0", "test1")
SERVER_PORTS: Ports = ("server0", "server1")
DIRECT_PORTS: Ports = ("direct0", "direct1")


class Options(SiteOptions):
    """Two hosts in memory."""

    driver: Literal["memory"] = "memory"
    folder: Path
    """Where its locks are, and whether it is open."""
    failure: str = ""
    """Why it cannot be opened; it can where this is empty."""

    ends_processes: ClassVar = True

    def build(self, testbed: str, tear_down: Callable[[Hosts], None]) -> MemorySite:
        """Return the site, not opened yet."""
        return MemorySite(self, testbed, tear_down)


class MemorySite:
    """The site driver; see :class:`middlebench.sites.base.Site`."""

    def __init__(self, options: Options, testbed: str, tear_down: Callable[[Hosts], None] = lambda _: None) -> None:
        self._options = options
        self._testbed = testbed
        self._tear_down = tear_down
        self._open = options.folder / "open"
        self.run_lock = options.folder / "run.lock"
        self.trial_lock = options.folder / "trial.lock"
        self.hosts = Hosts(
            test_computer=MemoryHost("test-computer", cpus=(0,)),
            middlebox_server=MemoryHost("middlebox-server", cpus=(1,)),
            test_ports=TEST_PORTS,
            server_ports=SERVER_PORTS,
            direct_ports=DIRECT_PORTS,
        )

    def held(self, wait_s: float) -> AbstractContextManager[None]:
        """Do nothing: nobody else knows of it."""
        del wait_s
        return nullcontext()

    def open(self, tell: Tell = silent) -> Hosts:
        """Note that it is open, and by whom."""
        if self._options.failure:
            raise HostError(f"opening testbed {self._testbed}", self._options.failure)
        if self._open.exists() and self._open.read_text(encoding="utf-8") != self._testbed:
            tell(f"{self._open.read_text(encoding='utf-8')} is taken down: {self._testbed} takes its place")
        self._open.write_text(self._testbed, encoding="utf-8")
        return self.hosts

    def close(self) -> bool:
        """Note that it is not open any more; return whether it was."""
        there = self._open.exists()
        self._tear_down(self.hosts)
        self._open.unlink(missing_ok=True)
        return there

    def environment(self, test_computer: Inventory, middlebox_server: Inventory) -> Environment:
        """Return an environment like any other."""
        return Environment(
            site=self._options.driver,
            emulated=False,
            unprivileged=False,
            link_mbps=self._options.link.rate_mbps,
            mtu=self._options.link.mtu,
            test_computer=_computer(self.hosts.test_computer.cpus, test_computer),
            middlebox_server=_computer(self.hosts.middlebox_server.cpus, middlebox_server),
            limits=() if self._open.exists() else None,
        )


def _computer(cpus: tuple[int, ...], inventory: Inventory) -> Computer:
    return Computer(
        cpu="memory",
        microcode="",
        governor="",
        cpus=cpus,
        processors=2,
        memory_mib=1024,
        hypervisor="",
        system="memory",
        kernel="1.0",
        boot_options=(),
        modules={},
        programs={argv[0]: f"{argv[0]} 1.0" for argv in inventory.versions},
        images={},
        ports={},
    )
