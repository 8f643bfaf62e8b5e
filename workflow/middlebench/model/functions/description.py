"""A function as its file describes it, ``config/functions/NAME.yaml``; each middlebox's own is made from that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from middlebench.model.functions.specification import NAME
from middlebench.model.options import Options

Changeable = Literal["source_address", "destination_address", "source_port", "destination_port"]
Settable = Literal[
    "ethertype", "source_address", "destination_address", "source_port", "destination_port", "protocol", "payload"
]


class Between(Options):
    """The values that a field may have afterwards. May be templates of the parameters."""

    first: int | str
    """The smallest: an address or a number."""
    last: int | str
    """The largest."""


class Expectation(Options):
    """What a probe looks like when it comes back: all but what is named here is as it was, and all checksums are right.

    A flow is changed in the same way each time.
    """

    changes: Mapping[Changeable, Between] = Field(default={})
    """Fields that are rewritten."""
    flows: Literal["apart", "any"] = "any"
    """`apart`: two flows never look alike afterwards."""


class FunctionDescription(Options):
    """A function that middleboxes may have."""

    description: str
    """What it does to a frame, in one sentence."""
    parameters: Mapping[Annotated[str, Field(pattern=f"^{NAME}$")], int | str] = Field(default={})
    """Its parameters with their usual values; text may be a template, in which `hop` is the middlebox's number."""
    unikernel: str | None = None
    """Template of our unikernel's parameters; without it our unikernel does not have this function."""
    nftables: str | None = None
    """Template of the nftables rules for a network namespace, a file in `config/nftables`; without it namespaces do not
    have this function."""
    ip_hooks: bool = False
    """Whether these rules hang on hooks of IP, which bridged frames pass only where br_netfilter hands them over."""
    click: str | None = None
    """Template of the Click configuration, a file in `config/click`; without it ClickOS does not have this function."""
    probe: Expectation = Expectation()
    """What a probe looks like when it comes back."""
    refuses: tuple[dict[Settable, int | str], ...] = ()
    """Probes that must not pass, each by the fields in which it differs from one that does."""
