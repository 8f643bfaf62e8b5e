"""A function at one place of a chain: what one middlebox does to a frame. Pure values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORWARD = "forward"
"""The paper's function, and the default."""


@dataclass(frozen=True)
class Function:
    """What one middlebox does: a function at its place in the chain."""

    name: str
    hop: int
    """Number of the middlebox, from 1."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    unikernel: str | None = ""
    """Words of our unikernel's command line behind its name; None: our unikernel does not have it."""
    nftables: str | None = ""
    """Rules for a network namespace; None: namespaces do not have it."""
    ip_hooks: bool = False
    """Whether those rules need br_netfilter."""
    click: str | None = None
    """Click configuration; None: ClickOS does not have it."""
    changes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Fields that it rewrites, and the range of their values afterwards."""
    keeps_flows_apart: bool = True
    refuses: tuple[Mapping[str, int | str], ...] = ()
    """Fields of probes that must not pass."""

    @property
    def suffix(self) -> str:
        """What its middlebox's name ends in: nothing for forwarding, else the function and a digest of all of it."""
        if self.name == FORWARD:
            return ""
        text = repr((sorted(self.parameters.items()), self.unikernel, self.nftables, self.click))
        return f"-{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def forward(hop: int) -> Function:
    """Return the function of the paper's middlebox, which every kind of middlebox has."""
    return Function(FORWARD, hop)
