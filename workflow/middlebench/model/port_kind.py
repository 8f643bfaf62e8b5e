"""What joins a middlebox to a switch on the middlebox server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class PortKind(StrEnum):
    """A kind of port: the middlebox makes it, the switch takes it onto a bridge, or the other way round."""

    TAP = "tap"
    """A network interface whose other end is a file of a process, such as QEMU (Linux' tun driver)."""
    VETH = "veth"
    """One end of a pair of network interfaces; the other one is in the middlebox's network namespace."""
    XEN_VIF = "Xen vif"
    """The network interface in dom0 that stands for one of a domain's."""
    VHOST_USER = "vhost-user"
    """Rings in memory that a virtual machine and a switch in user space share; no network interface."""


def common_kind(taken: Sequence[PortKind], offered: Sequence[PortKind]) -> PortKind | None:
    """Return the first kind that a middlebox takes and a switch offers; None where there is none."""
    return next((kind for kind in taken if kind in offered), None)
