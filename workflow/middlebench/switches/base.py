"""What every switch can do: become the bridges of a plan, say what it is now, and count.

A driver is a file or folder beside this one that has ``Options`` derived from :class:`SwitchOptions`: a config names
it by that file's name (:mod:`middlebench.config.drivers`), and the tests in ``tests/contract`` by a line in their list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from middlebench.driver_options import ServerDriverOptions
from middlebench.hosts.base import Host
from middlebench.model.live import LiveSwitch
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.reading import PortCounters, SwitchReading

NO_SOCKETS: Mapping[str, str] = MappingProxyType({})
"""Where all ports are network interfaces."""


class SwitchOptions(ServerDriverOptions):
    """What every switch driver's options have."""

    def build(self, host: Host, kind: PortKind) -> Switch:
        """Return the switch on ``host``, for middleboxes with ports of a kind that it offers."""
        raise NotImplementedError


class Switch(Protocol):
    """A switch on the middlebox server."""

    def start(self) -> None:
        """Make the switch itself ready; a second call changes nothing.

        Raises:
            SwitchError: it does not run and cannot be started.
        """

    def answers(self) -> bool:
        """Whether it answers a short question in a short time: it may have ended, or hang."""

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``, without ports.

        Raises:
            SwitchError: a bridge could not be made.
        """

    def connect(self, plan: Plan, sockets: Mapping[str, str] = NO_SOCKETS) -> None:
        """Put every port of ``plan`` on its bridge, and let frames pass between its two ports.

        Ports that are on their bridge already stay. ``sockets`` are those by which ports come that are no network
        interfaces, by port, as :meth:`middlebench.middleboxes.base.Middleboxes.create` returned them.

        Raises:
            SwitchError: a port is missing, or the switch does not take it.
        """

    def live(self) -> LiveSwitch:
        """Return what is there now, read from the switch."""

    def counters(self) -> dict[str, PortCounters]:
        """Return the counters of every port on the server, by name."""

    def read(self) -> SwitchReading:
        """Return all that can be read now, in one go and exact to the last frame that passed."""

    def tear_down(self) -> None:
        """Remove all bridges of ours; where there are none, nothing happens."""

    def describe(self) -> str:
        """Return driver, version and what was chosen, in a few words."""
