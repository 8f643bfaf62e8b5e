"""What every switch can do: become the bridges of a plan, say what it is now, and count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from middlebench.diagnosis.usage import ProcessorTimes, ProcessTimes
from middlebench.hosts.base import Host
from middlebench.model.options import Options
from middlebench.model.plan import Plan


@dataclass(frozen=True)
class LiveBridge:
    """A bridge of ours as the switch itself describes it now."""

    ports: frozenset[str]
    """Names of its ports that work."""
    flows: frozenset[tuple[str, str]]
    """Which port feeds which: (frames in at, frames out at)."""
    foreign: tuple[str, ...] = ()
    """Whatever else steers frames here (flows that are not ours, broken ports), in the switch's words."""


@dataclass(frozen=True)
class LiveSwitch:
    """All bridges of ours, and what identifies this very deployment of them."""

    bridges: dict[str, LiveBridge]
    identity: str
    """Changes whenever the switch was restarted or its bridges were made anew."""


@dataclass(frozen=True)
class PortCounters:
    """Frames that one port has seen since it was made."""

    rx_packets: int
    """Into the switch by this port."""
    tx_packets: int
    """Out of the switch by this port."""
    rx_dropped: int
    tx_dropped: int
    """Not taken by the device: dropped by its driver, or by its queue while it waited for the driver."""


@dataclass(frozen=True)
class BridgeCounters:
    """Frames that a bridge's own flow table has seen, apart from what its ports have."""

    flows: Mapping[str, int]
    """Frames that each flow has matched, by the flow as the switch writes it. Whatever no flow of ours or of
    others takes is matched by a flow of the switch's own, so that the sum is all that was taken from the ports."""
    forwarding: Mapping[tuple[str, str], str]
    """Which of them are ours: (frames in at, frames out at) to the flow."""


@dataclass(frozen=True)
class SwitchReading:
    """All that can be read of a switch at one moment, and of the computer that it runs on."""

    live: LiveSwitch
    ports: Mapping[str, PortCounters]
    """Of every port on the server, by name."""
    bridges: Mapping[str, BridgeCounters]
    """By name, up to the last frame; none where the switch does not count flows."""
    processors: tuple[Mapping[int, ProcessorTimes], Mapping[int, ProcessorTimes]]
    """The server's processors by number, at the begin of this reading and at its end."""
    machine: str
    """What tells the machine that the server is, or is part of, from others."""
    daemon: ProcessTimes | None
    """What the switch's own process has used; None where it has none."""


class SwitchOptions(Options):
    """What every switch driver's options have."""

    programs: ClassVar[tuple[str, ...]] = ()
    """What must be installed on the middlebox server."""

    versions: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Commands that say the version of what takes part, in their first line."""

    leaves_processes: ClassVar[bool] = False
    """Whether it starts processes that only the end of the site ends."""

    driver: str
    """Name of the driver."""

    def alternatives(self, host: Host) -> Sequence[SwitchOptions]:
        """Return what these options may stand for on ``host``, where they leave a choice."""
        del host
        return [self]

    def build(self, host: Host) -> Switch:
        """Return the switch on ``host``."""
        raise NotImplementedError


class Switch(Protocol):
    """A switch on the middlebox server."""

    def start(self) -> None:
        """Make the switch itself ready; a second call changes nothing.

        Raises:
            SwitchError: it does not run and cannot be started.
        """

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``, without ports.

        Raises:
            SwitchError: a bridge could not be made.
        """

    def connect(self, plan: Plan) -> None:
        """Put every port of ``plan`` on its bridge, and let frames pass between its two ports.

        Ports that are on their bridge already stay.

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
