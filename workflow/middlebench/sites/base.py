"""What every site can do: bring two hosts and the links between them into being, and take them away.

A driver is a file or folder beside this one that has ``Options`` derived from :class:`SiteOptions`: a config names
it by that file's name (:mod:`middlebench.config.drivers`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from middlebench.hosts.base import Host, Ports
from middlebench.model.environment import Environment
from middlebench.model.frames import ETHERNET_HEADER_BYTES, WIRE_OVERHEAD_BYTES
from middlebench.model.options import Options
from middlebench.model.reading import ProcessTimes, Role
from middlebench.model.traffic import Load

Tell = Callable[[str], None]
"""Takes a sentence about what goes on, for whoever waits."""


def silent(_: str) -> None:
    """Tell nobody."""


MTU_OVERHEAD_BYTES = ETHERNET_HEADER_BYTES + WIRE_OVERHEAD_BYTES
"""What the largest IP packet takes on the wire beyond its own bytes."""
BURST_SECONDS = 32 * 1024 * 8 / 1e9
BACKLOG_SECONDS = 0.008
LEAST_BACKLOG_BYTES = 64 * 1024


class LinkOptions(Options):
    """The two links between the test computer and the middlebox server."""

    rate_mbps: Annotated[float, Field(gt=0)] = 1000
    """Line rate of each link in Mb/s; offered load never exceeds it, counted as raw bits on the wire."""
    mtu: Annotated[int, Field(ge=68, le=9000)] = 1500
    """Largest IP packet that the links carry, in bytes; the largest frame is 14 B more."""

    @property
    def rate_bps(self) -> float:
        """Line rate in bits/s."""
        return self.rate_mbps * 1e6

    @property
    def burst_bytes(self) -> int:
        """Bytes on the wire that may pass at once where a token bucket holds a port to the line rate.

        At 1 Gb/s the smallest burst that keeps it exact at the kernel's timer resolution (tried), and as long a
        time at other rates; two frames at the least.
        """
        return round(max(BURST_SECONDS * self.rate_bps / 8, 2 * (self.mtu + MTU_OVERHEAD_BYTES)))

    @property
    def backlog_bytes(self) -> int:
        """Bytes that may wait for their turn there."""
        return round(max(BACKLOG_SECONDS * self.rate_bps / 8, LEAST_BACKLOG_BYTES))


@dataclass(frozen=True)
class Hosts:
    """The paper's two roles and the ports by which their two links join them."""

    test_computer: Host
    middlebox_server: Host
    test_ports: Ports
    """The test computer's sending and receiving port."""
    server_ports: Ports
    """The middlebox server's ports at the start and at the end of the chain."""
    direct_ports: Ports | None = None
    """Two more ports of the test computer, joined by a cable of their own; None where a site has none."""
    links_lose_nothing: bool = False
    """Whether both ends of a link count the same frames, so that one that is missing is still on its way."""
    changes: Callable[[], Sequence[str]] = tuple
    """Returns, a phrase each, which of the ports is not as it was set up any more."""
    links_expect: Callable[[Load], None] = lambda _: None
    """Sets emulated links up for a load that comes next; nothing where they are real."""
    links_usage: Callable[[], Mapping[Role, ProcessTimes]] = dict
    """Returns what has been used to play network cards, on the processors of either; nothing where they are real."""


@dataclass(frozen=True)
class Inventory:
    """What takes part in a measurement on one of the two computers, and in which versions it might come."""

    versions: tuple[tuple[str, ...], ...] = ()
    """Commands that say their program's version in their first line."""
    modules: tuple[str, ...] = ()
    """Kernel modules with versions of their own."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Files that middleboxes boot from, and programs that do not tell their version, each by what it is called."""


class SiteOptions(Options):
    """What every site driver's options have."""

    ends_processes: ClassVar[bool] = False
    """Whether every process on its hosts ends with it, so that drivers may leave daemons there."""

    driver: str
    """Name of the driver."""
    link: LinkOptions = LinkOptions()
    """The two links between them."""

    def build(self, testbed: str, tear_down: Callable[[Hosts], None]) -> Site:
        """Return the site, not opened yet.

        Another testbed on it starts from nothing; ``tear_down`` removes the chain from hosts that outlive it.
        """
        raise NotImplementedError


class Site(Protocol):
    """A place where a testbed stands."""

    @property
    def run_lock(self) -> Path:
        """File of the lock that a run holds from its first job to its last."""

    @property
    def trial_lock(self) -> Path:
        """File of the lock that a single job holds, so that a job of a killed run can still end."""

    def held(self, wait_s: float) -> AbstractContextManager[None]:
        """Keep runs that know nothing of our locks, those of other machines, off the hosts meanwhile.

        Raises:
            HostError: a host cannot be reached.
            LockError: somebody else still has one after ``wait_s``.
        """

    def open(self, tell: Tell = silent) -> Hosts:
        """Bring hosts and links up where they are not, or are not as they were set up, and return them.

        A second call changes nothing unless somebody else did in between. ``tell`` is called with a sentence about each
        step that takes long, and about what was found changed.

        Raises:
            HostError: a host or a link cannot be had.
        """

    def occupied_by(self) -> str:
        """Return the name of another testbed that stands here, as far as that is known without a connection."""

    def close(self) -> bool:
        """Take away all that :meth:`open` and everybody after it made; return whether there was anything.

        What another testbed made stays.
        """

    def environment(self, test_computer: Inventory, middlebox_server: Inventory) -> Environment:
        """Return what a measurement here depends on, as far as it can be told; what is not open is left closed.

        Raises:
            HostError: a host cannot be reached.
        """
