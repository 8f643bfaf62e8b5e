"""What is read of a testbed at one moment: counters, and what everybody has used. Plain values.

The drivers take the readings; what lies between two of them :mod:`middlebench.diagnosis.between` says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from middlebench.model.live import LiveChain, LiveSwitch
from middlebench.model.plan import Path, Plan
from middlebench.model.usage import MachineUsage, ProcessorUsage


@dataclass(frozen=True)
class ProcessTimes:
    """What one process has used since it started."""

    cpu_s: float
    """Processor seconds of all of its threads, those that have ended included."""
    threads_s: Mapping[str, float]
    """Processor seconds of each thread that it has now, by thread id."""
    switches: Mapping[str, int] | None
    """Context switches of each of these threads; None where that is not known."""
    polls: bool = False
    """Whether it takes a processor all the time, work or not."""
    io_calls: int | None = None
    """Its system calls that read or wrote; None where that is not known."""
    user_s: float | None = None
    """Processor seconds of all of its threads outside of the kernel; None where that is not known."""
    machine: MachineUsage | None = None
    """Whose processors it runs on, where a hypervisor gives it time beside the server's own system."""


Role = Literal["test computer", "middlebox server"]


def together(processes: Iterable[ProcessTimes]) -> ProcessTimes:
    """Return several processes as one, whose threads are those of all."""
    found = tuple(processes)
    return ProcessTimes(
        cpu_s=sum(each.cpu_s for each in found),
        threads_s={thread: seconds for each in found for thread, seconds in each.threads_s.items()},
        switches={thread: count for each in found for thread, count in (each.switches or {}).items()},
    )


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
    processors: tuple[Mapping[int, ProcessorUsage], Mapping[int, ProcessorUsage]]
    """The server's processors by number, at the begin of this reading and at its end."""
    machine: str
    """What tells the machine that the server is, or is part of, from others."""
    daemon: ProcessTimes | None
    """What the switch's own process has used; None where it has none."""


@dataclass(frozen=True)
class MiddleboxReading:
    """All that can be read of one middlebox at one moment; None for what it cannot say."""

    identity: str
    """What identifies this very one, as in :meth:`Middleboxes.live`."""
    usage: ProcessTimes | None = None
    """What it has used of the server's processors."""
    rx_packets: int | None = None
    """Frames that it has received at its ingress port since it started, by its own count."""
    tx_packets: int | None = None
    """Frames that it has transmitted at its egress port since it started, by its own count."""


@dataclass(frozen=True)
class Reading:
    """The live chain, and what everybody has counted and used up to one moment.

    It is never taken while traffic runs: it costs what the chain would feel.
    """

    switch: SwitchReading
    middleboxes: Mapping[str, MiddleboxReading]
    links: Mapping[Role, ProcessTimes] = field(default_factory=dict)
    """What has been used to play network cards, on the processors of either computer; empty where they are real."""

    @property
    def live(self) -> LiveChain:
        """The live chain."""
        return LiveChain(self.switch.live, {name: each.identity for name, each in self.middleboxes.items()})

    def missing(self, plan: Plan) -> list[str]:
        """Return the ports of ``plan`` that are not there, so that nothing is known of their counters."""
        return [port for port in plan.ports if port not in self.switch.ports]

    def with_passed(self, path: Path, frames: int) -> Reading:
        """Return this reading as it is once ``frames`` more frames have passed every hop of a path."""
        ports, bridges, middleboxes = dict(self.switch.ports), dict(self.switch.bridges), dict(self.middleboxes)
        for port, counter in path.counters:
            ports[port] = dataclasses.replace(ports[port], **{counter: getattr(ports[port], counter) + frames})
        for hop in path.hops:
            if (counters := bridges.get(hop.name)) and hop.kind == "bridge":
                flow = counters.forwarding.get((hop.ingress_port, hop.egress_port))
                flows = {each: packets + frames * (each == flow) for each, packets in counters.flows.items()}
                bridges[hop.name] = dataclasses.replace(counters, flows=flows)
            if (own := middleboxes.get(hop.name)) and hop.kind == "middlebox":
                middleboxes[hop.name] = dataclasses.replace(
                    own,
                    rx_packets=None if own.rx_packets is None else own.rx_packets + frames,
                    tx_packets=None if own.tx_packets is None else own.tx_packets + frames,
                )
        switch = dataclasses.replace(self.switch, ports=ports, bridges=bridges)
        return dataclasses.replace(self, switch=switch, middleboxes=middleboxes)
