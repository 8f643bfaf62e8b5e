"""The plan of a chain: which bridges, ports and middleboxes there are, and who neighbours whom.

Pure: a plan is computed from a chain length and the names of the two uplinks, and says nothing
of how a switch or a middlebox is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from middlebench import LABEL

INTERFACE_NAME_LIMIT = 15
"""Longest name of a Linux network interface (IFNAMSIZ less the closing zero)."""


@dataclass(frozen=True)
class Element:
    """One element of a chain. Frames that enter at one of its two ports leave by the other."""

    index: int
    """Place in the chain: of middleboxes from 1, of bridges from 0."""
    name: str
    ingress_port: str
    """Port on the server that faces the start of the chain."""
    egress_port: str
    """Port on the server that faces the end of the chain."""

    @property
    def ports(self) -> tuple[str, str]:
        """Both ports, the one nearer to the start of the chain first."""
        return self.ingress_port, self.egress_port


class Middlebox(Element):
    """A middlebox, between the bridges ``index - 1`` and ``index``."""


class Bridge(Element):
    """A bridge, between the middleboxes ``index`` and ``index + 1``."""


@dataclass(frozen=True)
class ChainPlan:
    """``chain(n)``: n middleboxes in series, joined by n + 1 bridges between two uplinks."""

    length: int
    bridges: tuple[Bridge, ...]
    middleboxes: tuple[Middlebox, ...]

    @property
    def uplinks(self) -> tuple[str, str]:
        """The server's two physical ports: where frames arrive and where they leave."""
        return self.bridges[0].ingress_port, self.bridges[-1].egress_port


def plan_chain(length: int, uplinks: tuple[str, str]) -> ChainPlan:
    """Return the plan of a chain of ``length`` middleboxes (0: one bridge alone, the control).

    Args:
        length: number of middleboxes, 0 or more.
        uplinks: names of the server's ports at the start and at the end of the chain.

    Raises:
        ValueError: the length is negative, the uplinks are one port, or a name grows too long.
    """
    if length < 0:
        raise ValueError(f"a chain cannot have {length} middleboxes")
    if uplinks[0] == uplinks[1]:
        raise ValueError(f"a chain needs two uplinks, got {uplinks[0]} twice")
    middleboxes = tuple(
        Middlebox(
            index=index,
            name=f"{LABEL}-{index}",
            ingress_port=f"{LABEL}-{index}-in",
            egress_port=f"{LABEL}-{index}-out",
        )
        for index in range(1, length + 1)
    )
    entrances = (uplinks[0], *(middlebox.egress_port for middlebox in middleboxes))
    exits = (*(middlebox.ingress_port for middlebox in middleboxes), uplinks[1])
    bridges = tuple(
        Bridge(index=index, name=f"{LABEL}-br{index}", ingress_port=entrance, egress_port=exit_)
        for index, (entrance, exit_) in enumerate(zip(entrances, exits, strict=True))
    )
    for bridge in bridges:
        for name in (bridge.name, *bridge.ports):
            if len(name) > INTERFACE_NAME_LIMIT:
                raise ValueError(f"interface name {name!r} is longer than {INTERFACE_NAME_LIMIT} characters")
    return ChainPlan(length=length, bridges=bridges, middleboxes=middleboxes)
