"""Both computers as network namespaces of this machine, inside one holder. No root needed.

The holder is a process in PID, mount and network namespaces of its own (and, unless we are root,
a user namespace). The two computers are named network namespaces inside it, joined by two veth
links shaped to the line rate. Nothing of it is visible in the user's own network.

What network cards would do, with no processor of their computer, the test computer's processors do: bring each frame
from one end of a link to the other, and drop what the receiver's ring does not hold. Root has kernel threads do it,
which are bound to those processors. Others cannot bind them: each frame is brought over by whoever sends it, as a veth
pair does by itself. That leaves the middlebox server with those of the link back, which it sends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from middlebench.diagnosis.usage import parse_process
from middlebench.hosts.base import Ports
from middlebench.hosts.local import LocalHost
from middlebench.hosts.shared import usage_agent
from middlebench.model.environment import Computer, Environment
from middlebench.model.options import Options as BaseOptions
from middlebench.model.reading import ProcessTimes, Role, together
from middlebench.sites.base import Hosts, Inventory, LinkOptions, Site, SiteOptions, Tell, silent
from middlebench.sites.shared import facts_agent
from middlebench.sites.shared.holder import SiteInHolder, enter, kept_of_run
from middlebench.sites.shared.ports import changed_ports, poll_for, polled_by, prepare_ports, read_ports
from middlebench.system.errors import HostError
from middlebench.system.processes import may_administer

TEST_COMPUTER = "test-computer"
MIDDLEBOX_SERVER = "middlebox-server"
PORTS: Ports = ("eth0", "eth1")
DIRECT_PORTS: Ports = ("direct0", "direct1")
"""The ends of a link from the test computer to itself, by which the generator is measured alone."""

RECEIVED_BY_SENDER = (
    "only root may bind the kernel threads that play network cards: frames that reach the test computer are received "
    "on the processor that sent them, the server's, which costs some 0.5 µs each, in the time of its switch"
)

Processors = Literal["auto"] | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class ComputerOptions(BaseOptions):
    """One of the two computers."""

    cpus: Processors = "auto"
    """Processors that this computer's programs run on, as a list of numbers; `auto` gives the test computer one
    (two from eight on) and the middlebox server the rest."""


class Options(SiteOptions):
    """Two computers as network namespaces of this machine."""

    driver: Literal["namespaces"]
    """Both computers are network namespaces of this machine, in a holder process that takes everything along when
    it ends; needs no root."""
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

    ends_processes: ClassVar = True

    def build(self, testbed: str, tear_down: Callable[[Hosts], None]) -> Site:
        """Return the site, not opened yet."""
        del tear_down  # what is inside the holder goes with it
        return Namespaces(self, testbed)


def partition(available: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split processors between the test computer and the middlebox server.

    One processor is enough for a generator; with eight or more a second one lets the receiver's
    work stay off the sender's. On a machine with a single processor both share it.

    Returns:
        The test computer's processors and the middlebox server's, both non-empty.
    """
    ordered = sorted(available)
    if len(ordered) == 1:
        return (ordered[0],), (ordered[0],)
    share = 2 if len(ordered) >= 8 else 1
    return tuple(ordered[:share]), tuple(ordered[share:])


class Namespaces(SiteInHolder):
    """The site driver; see :class:`middlebench.sites.base.Site`."""

    def __init__(self, options: Options, testbed: str) -> None:
        super().__init__("holder", testbed)
        self._options = options

    def open(self, tell: Tell = silent) -> Hosts:
        """Start the holder and set up what stands in it, unless one that fits is there and is as it was set up."""
        if standing := self._holder.standing(self._wanted()):
            if not (changed := self._changes()):
                return self._hosts(standing["pid"])
            tell(f"{self._testbed} is not as it was set up, setting it up again: {'; '.join(changed)}")
        self._holder.close()
        pid = self._holder.start(self._wanted(), self._options.idle_s)
        hosts = self._hosts(pid)
        limits, ports, threads = self._set_up(LocalHost("holder", prefix=enter(pid)), hosts)
        self._holder.note(limits=limits, ports=ports, polling_threads=threads)
        return hosts

    def environment(self, test_computer: Inventory, middlebox_server: Inventory) -> Environment:
        """Return what a measurement here depends on: this machine, twice."""
        test_cpus, server_cpus = self._processors()
        standing = self._holder.standing(self._wanted())
        return Environment(
            site=self._options.driver,
            emulated=False,
            unprivileged=not may_administer(),
            link_mbps=self._options.link.rate_mbps,
            mtu=self._options.link.mtu,
            test_computer=this_machine(test_computer, test_cpus),
            middlebox_server=this_machine(middlebox_server, server_cpus),
            limits=tuple(standing["limits"]) if standing else None,
        )

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
            "testbed": self._testbed,
            "options": self._options.model_dump(mode="json"),
            "cpus": [list(cpus) for cpus in self._processors()],
            "direct_ports": list(DIRECT_PORTS),
            "kept_of_run": kept_of_run(),
        }

    def _hosts(self, pid: int) -> Hosts:
        test_cpus, server_cpus = self._processors()
        return Hosts(
            test_computer=self.host(TEST_COMPUTER, test_cpus, pid),
            middlebox_server=self.host(MIDDLEBOX_SERVER, server_cpus, pid),
            test_ports=PORTS,
            server_ports=PORTS,
            direct_ports=DIRECT_PORTS,
            links_lose_nothing=True,
            changes=self._changes,
            links_expect=lambda load: poll_for(self._polling_threads(), load),
            links_usage=self._links_usage,
        )

    def _polling_threads(self) -> list[int]:
        """Return the process ids of the kernel's threads that play the network cards."""
        standing = self._holder.standing(self._wanted())
        return list(standing["polling_threads"]) if standing else []

    def _links_usage(self) -> dict[Role, ProcessTimes]:
        """Return what the threads have used that play the network cards, on the processors that they are bound to."""
        pids = self._polling_threads()
        found = {pid: times for pid in pids if (times := parse_process(usage_agent.process_usage(pid)))}
        _, server_cpus = self._processors()
        shared = {pid for pid in found if set(server_cpus).intersection(os.sched_getaffinity(pid))}
        return {
            "middlebox server": together(found[pid] for pid in found if pid in shared),
            "test computer": together(found[pid] for pid in found if pid not in shared),
        }

    def _changes(self) -> list[str]:
        """Return which of the ports is not as it was set up."""
        standing = self._holder.standing(self._wanted())
        if standing is None:
            return ["the two computers are gone"]
        hosts = self._hosts(standing["pid"])
        computers = (hosts.test_computer, hosts.middlebox_server)
        return [each for host in computers for each in changed_ports(host, standing["ports"][host.name])]

    def _set_up(self, holder: LocalHost, hosts: Hosts) -> tuple[list[str], dict[str, object], list[int]]:
        """Make the two computers and their links.

        Returns:
            What could not be set up, what each one's ports are, and the process ids of the kernel's threads that poll
            them.
        """
        mtu = self._options.link.mtu
        ends = [(port, port, MIDDLEBOX_SERVER) for port in PORTS] + [(*DIRECT_PORTS, TEST_COMPUTER)]
        links = [
            f"link add name {port} mtu {mtu} netns {TEST_COMPUTER}"
            f" type veth peer name {peer} mtu {mtu} netns {computer}"
            for port, peer, computer in ends
        ]
        computers = [f"netns add {name}" for name in (TEST_COMPUTER, MIDDLEBOX_SERVER)]
        holder.run(["ip", "-batch", "-"], stdin="\n".join([*computers, *links]))
        prepared = ((hosts.test_computer, (*PORTS, *DIRECT_PORTS)), (hosts.middlebox_server, PORTS))
        polled, link = may_administer(), self._options.link
        limits = [] if polled else [RECEIVED_BY_SENDER]
        polled_ports = (*PORTS, *DIRECT_PORTS) if polled else ()
        with polled_by(hosts.test_computer.cpus, polled_ports, limits) as threads:
            for computer, ports in prepared:
                limits += prepare_ports(computer, ports, link, polled=polled)
        return limits, {computer.name: read_ports(computer, ports) for computer, ports in prepared}, threads


def this_machine(inventory: Inventory, cpus: Sequence[int]) -> Computer:
    """Return what of this machine a measurement depends on that runs on these processors."""
    found = facts_agent.describe(
        [list(argv) for argv in inventory.versions], list(inventory.modules), dict(inventory.images), [], list(cpus)
    )
    return Computer.model_validate(found)
