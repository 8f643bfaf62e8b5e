"""The topologies: the paths of each, and the plan that follows from paths. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from middlebench import LABEL
from middlebench.model.functions.function import Function, forward
from middlebench.model.plan import Bridge, Hop, Kind, Middlebox, Path, Plan, Topology

INTERFACE_NAME_LIMIT = 15
"""Longest name of a Linux network interface (IFNAMSIZ less the closing zero)."""


def plan_of(topology: Topology, n: int, uplinks: tuple[str, str], functions: Sequence[Function] = ()) -> Plan:
    """Return the plan of a topology.

    Args:
        topology: how the middleboxes are joined.
        n: number of middleboxes, 0 or more.
        uplinks: names of the server's ports at the start and at the end of the paths.
        functions: what each middlebox does, in the order of their numbers; none: all forward.

    Raises:
        ValueError: the number is negative, the uplinks are one port, or a name grows too long.
    """
    if n < 0:
        raise ValueError(f"a {topology} cannot have {n} middleboxes")
    if uplinks[0] == uplinks[1]:
        raise ValueError(f"a {topology} needs two uplinks, got {uplinks[0]} twice")
    paths = [Path(tuple(_named(hop, functions) for hop in hops)) for hops in TOPOLOGIES[topology](n, uplinks)]
    return from_paths(topology, n, paths, functions)


def from_paths(topology: Topology, n: int, paths: Sequence[Path], functions: Sequence[Function] = ()) -> Plan:
    """Return the plan that consists of these paths; without functions all middleboxes forward.

    Raises:
        ValueError: a name is too long for an interface.
    """
    bridges = tuple(Bridge(**node) for node in _nodes("bridge", paths))
    middleboxes = tuple(
        Middlebox(**node, function=function)
        for node in _nodes("middlebox", paths)
        for function in (functions[node["index"] - 1] if functions else forward(node["index"]),)
    )
    plan = Plan(topology, n, bridges, middleboxes, tuple(paths))
    for name in (*(bridge.name for bridge in plan.bridges), *plan.ports):
        if len(name) > INTERFACE_NAME_LIMIT:
            raise ValueError(f"interface name {name!r} is longer than {INTERFACE_NAME_LIMIT} characters")
    return plan


def _named(hop: Hop, functions: Sequence[Function]) -> Hop:
    """Return a hop whose name tells the middlebox's function."""
    if hop.kind == "bridge" or not functions:
        return hop
    return dataclasses.replace(hop, name=f"{hop.name}{functions[hop.index - 1].suffix}")


def _nodes(kind: Kind, paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the fields of the nodes of one kind by index, each with the ports by which any path passes it."""
    ways: dict[tuple[int, str], list[Hop]] = {}
    for hop in (hop for path in paths for hop in path.hops if hop.kind == kind):
        ways.setdefault((hop.index, hop.name), []).append(hop)
    for (index, name), hops in sorted(ways.items()):
        yield {
            "index": index,
            "name": name,
            "ingress_ports": tuple(dict.fromkeys(hop.ingress_port for hop in hops)),
            "egress_ports": tuple(dict.fromkeys(hop.egress_port for hop in hops)),
        }


def middlebox_hop(index: int) -> Hop:
    """Return the way through middlebox number ``index``, from 1, whose ports are named after it."""
    name = f"{LABEL}-{index}"
    return Hop("middlebox", index, name, f"{name}-in", f"{name}-out")


def bridge_hop(index: int, ingress_port: str, egress_port: str) -> Hop:
    """Return the way through bridge number ``index``, from 0."""
    return Hop("bridge", index, f"{LABEL}-br{index}", ingress_port, egress_port)


def _middleboxes(n: int) -> list[Hop]:
    return [middlebox_hop(index) for index in range(1, n + 1)]


def _chain(n: int, uplinks: tuple[str, str]) -> Iterator[Iterator[Hop]]:
    yield _in_series(_middleboxes(n), uplinks)


def _parallel(n: int, uplinks: tuple[str, str]) -> Iterator[Iterator[Hop]]:
    for middlebox in _middleboxes(n):
        yield _in_series([middlebox], uplinks)
    if n == 0:
        yield _in_series([], uplinks)


def _pipeline(n: int, uplinks: tuple[str, str]) -> Iterator[Iterator[Hop]]:
    if n == 0:
        yield _in_series([], uplinks)
        return
    hops = _middleboxes(n)
    first, last = bridge_hop(0, uplinks[0], hops[0].ingress_port), bridge_hop(1, hops[-1].egress_port, uplinks[1])
    yield iter((first, *hops, last))


def _in_series(middleboxes: Sequence[Hop], uplinks: tuple[str, str]) -> Iterator[Hop]:
    """Yield the hops of one path with a bridge before, between and behind the middleboxes."""
    port = uplinks[0]
    for bridge, middlebox in enumerate(middleboxes):
        yield bridge_hop(bridge, port, middlebox.ingress_port)
        yield middlebox
        port = middlebox.egress_port
    yield bridge_hop(len(middleboxes), port, uplinks[1])


TOPOLOGIES: Mapping[Topology, Callable[[int, tuple[str, str]], Iterator[Iterator[Hop]]]] = {
    "chain": _chain,
    "parallel": _parallel,
    "pipeline": _pipeline,
}
"""The hops of each path of a topology, by its name, from the number of middleboxes and the two uplinks."""
