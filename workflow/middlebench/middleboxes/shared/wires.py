"""Joins two middleboxes without a switch: the kernel hands what it receives at one's port straight to the other's.

That is tc-mirred(8) at the ingress of each of the two ports. It works for every network interface of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from middlebench.hosts.base import Host
from middlebench.model.plan import Link
from middlebench.system.errors import MiddleboxError

ADVICE = "the kernel needs sch_ingress, cls_u32 and act_mirred (`modprobe` each as root), or leave `pipeline` out"


def check_wires(host: Host) -> None:
    """Demand that the host can join ports, by trying it where nobody else sees it.

    Raises:
        MiddleboxError: it cannot.
    """
    _redirect(host, [("lo", "lo")], "unshare", "--net")


def join(host: Host, wires: Sequence[Link]) -> None:
    """Join the ports of each wire, forth and back.

    Raises:
        MiddleboxError: two ports could not be joined.
    """
    ends = [(wire.source_port, wire.destination_port) for wire in wires]
    if ends:
        _redirect(host, [*ends, *((destination, source) for source, destination in ends)])


def _redirect(host: Host, pairs: Iterable[tuple[str, str]], *prefix: str) -> None:
    """Have all that comes in at the first port of each pair leave by the second."""
    everything = "protocol all u32 match u32 0 0"  # not every kernel has cls_matchall
    lines = (
        f"qdisc add dev {source} ingress\n"
        f"filter add dev {source} parent ffff: {everything} action mirred egress redirect dev {destination}\n"
        for source, destination in pairs
    )
    result = host.run([*prefix, "tc", "-batch", "-"], stdin="".join(lines), check=False)
    if result.status != 0:
        happened = result.stderr.strip().partition("\n")[0] or f"exit status {result.status}"
        raise MiddleboxError(f"joining ports on {host.name}", happened, ADVICE, result)
