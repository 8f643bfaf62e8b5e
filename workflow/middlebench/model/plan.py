"""The plan of a topology: a graph of bridges and middleboxes, and the paths that frames take through it. Pure.

Nodes, links and what each bridge must forward follow from the paths (:mod:`middlebench.model.topologies`). How a
switch or a middlebox is made, the plan does not say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from middlebench.model.functions.function import Function
from middlebench.model.sharing import UdpPorts, shares

Topology = Literal["chain", "parallel", "pipeline"]
"""How middleboxes are joined: in series with a bridge between neighbours; side by side between two bridges; in series
between two bridges, with a wire between neighbours."""

CHAIN: Topology = "chain"
"""The paper's topology, and the default."""

Kind = Literal["bridge", "middlebox"]

Rule = tuple[str, str] | tuple[str, str, UdpPorts]
"""What a bridge does: frames that came in at one port leave by another one; of several such, only those of some ports.
"""

Counter = tuple[str, Literal["rx_packets", "tx_packets"]]
"""A port of the server, and which of its counters."""


@dataclass(frozen=True)
class Hop:
    """The way of a frame through one node."""

    kind: Kind
    """What the node is."""
    index: int
    """Which one: bridges from 0, middleboxes from 1."""
    name: str
    ingress_port: str
    egress_port: str

    @property
    def counters(self) -> tuple[Counter, Counter]:
        """The two counters, at its ingress and at its egress, that a frame raises on this way.

        Ports count as the server sees them: a frame that a middlebox receives was transmitted by its port there.
        """
        if self.kind == "bridge":
            return (self.ingress_port, "rx_packets"), (self.egress_port, "tx_packets")
        return (self.ingress_port, "tx_packets"), (self.egress_port, "rx_packets")


@dataclass(frozen=True)
class Path:
    """What frames pass between the two uplinks, in their order."""

    hops: tuple[Hop, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        """The links between the hops."""
        return tuple(Link(here.egress_port, there.ingress_port) for here, there in pairwise(self.hops))

    @property
    def counters(self) -> tuple[Counter, ...]:
        """Every counter that a frame raises, once each, in its order."""
        return tuple(dict.fromkeys(counter for hop in self.hops for counter in hop.counters))


@dataclass(frozen=True)
class Link:
    """What joins two nodes, in the direction of travel.

    A bridge and a middlebox are joined by one port of the server, which is the same at both ends. Two middleboxes
    without a bridge between them are joined by a wire between two ports.
    """

    source_port: str
    destination_port: str

    @property
    def is_wire(self) -> bool:
        """Whether it joins two ports."""
        return self.source_port != self.destination_port


@dataclass(frozen=True)
class Node:
    """A bridge or a middlebox. ``ingress`` is where frames of the paths arrive, ``egress`` where they leave."""

    index: int
    name: str
    ingress_ports: tuple[str, ...]
    egress_ports: tuple[str, ...]

    @property
    def ports(self) -> tuple[str, ...]:
        """All its ports on the server, those nearer to the start of the paths first."""
        return self.ingress_ports + self.egress_ports


class Bridge(Node):
    """A bridge."""


@dataclass(frozen=True)
class Middlebox(Node):
    """A middlebox, which has two ports.

    Its name tells its function too, so that one that does something else is another one.
    """

    function: Function
    """What it does to a frame."""

    @property
    def ingress_port(self) -> str:
        """Port that faces the start of the paths."""
        return self.ingress_ports[0]

    @property
    def egress_port(self) -> str:
        """Port that faces the end of the paths."""
        return self.egress_ports[0]


@dataclass(frozen=True)
class Plan:
    """``topology(n)``: n middleboxes, and the bridges and links that join them between the two uplinks.

    Flow number k takes path k modulo the number of paths, and the other way back.
    """

    topology: Topology
    n: int
    """Number of middleboxes."""
    bridges: tuple[Bridge, ...]
    middleboxes: tuple[Middlebox, ...]
    paths: tuple[Path, ...]
    composition: str = ""
    """What tells the drivers, options and environment that it is deployed with from others; empty where unknown."""

    def __str__(self) -> str:
        """Return its name, such as ``chain(4)``."""
        return f"{self.topology}({self.n})"

    def record(self) -> dict[str, Any]:
        """Return all of it as plain values; of each function only the name."""
        values = dataclasses.asdict(self)
        del values["composition"]
        for node, middlebox in zip(values["middleboxes"], self.middleboxes, strict=True):
            node["function"] = middlebox.function.name
        return values

    def functions_on(self, path: Path) -> tuple[Function, ...]:
        """Return the functions of the middleboxes on a path, in the order of travel."""
        return tuple(self.middleboxes[hop.index - 1].function for hop in path.hops if hop.kind == "middlebox")

    @property
    def stops_probes(self) -> bool:
        """Whether some function must stop some probes on their way."""
        return any(middlebox.function.refuses for middlebox in self.middleboxes)

    @property
    def uplinks(self) -> tuple[str, str]:
        """The server's two physical ports: where frames arrive and where they leave."""
        hops = self.paths[0].hops
        return hops[0].ingress_port, hops[-1].egress_port

    @property
    def links(self) -> tuple[Link, ...]:
        """The links between nodes, once each."""
        return tuple(dict.fromkeys(link for path in self.paths for link in path.links))

    @property
    def wires(self) -> tuple[Link, ...]:
        """The links that join two ports without a bridge."""
        return tuple(link for link in self.links if link.is_wire)

    @property
    def wired_ports(self) -> tuple[str, ...]:
        """The ports at the ends of wires, which are on no bridge."""
        return tuple(port for wire in self.wires for port in (wire.source_port, wire.destination_port))

    @property
    def ports(self) -> tuple[str, ...]:
        """Every port on the server, once each."""
        nodes: tuple[Node, ...] = (*self.bridges, *self.middleboxes)
        return tuple(dict.fromkeys(port for node in nodes for port in node.ports))

    @cached_property
    def routes(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """What each bridge forwards, by its name: (frames in at, frames out at), forth and back, once each."""
        forth: dict[str, dict[tuple[str, str], None]] = {bridge.name: {} for bridge in self.bridges}
        for hop in (hop for path in self.paths for hop in path.hops if hop.kind == "bridge"):
            forth[hop.name][hop.ingress_port, hop.egress_port] = None
        return {name: tuple(each for there in ways for each in (there, there[::-1])) for name, ways in forth.items()}

    @cached_property
    def rules(self) -> Mapping[str, tuple[Rule, ...]]:
        """How each bridge forwards, by its name: its routes, and where several begin at one port, whose frames each.

        A flow takes the same path forth and back.
        """
        numbers: dict[str, dict[tuple[str, str], list[int]]] = {bridge.name: {} for bridge in self.bridges}
        for number, path in enumerate(self.paths):
            for hop in path.hops:
                if hop.kind == "bridge":
                    numbers[hop.name].setdefault((hop.ingress_port, hop.egress_port), []).append(number)
        return {name: tuple(_rules(ways, len(self.paths))) for name, ways in numbers.items()}


def _rules(ways: Mapping[tuple[str, str], Sequence[int]], paths: int) -> Iterator[Rule]:
    """Yield the rules of a bridge from the numbers of the paths that take each way through it."""
    ingresses, egresses = [ingress for ingress, _ in ways], [egress for _, egress in ways]
    for (ingress, egress), numbers in ways.items():
        if ingresses.count(ingress) > 1:
            yield from ((ingress, egress, ports) for ports in shares(numbers, paths, "source"))
        else:
            yield ingress, egress
        if egresses.count(egress) > 1:
            yield from ((egress, ingress, ports) for ports in shares(numbers, paths, "destination"))
        else:
            yield egress, ingress
