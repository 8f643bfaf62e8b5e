"""Joins two middleboxes without a switch: the kernel hands what it receives at one's port straight to the other's.

That is tc-mirred(8) at the ingress of each of the two ports. It works for every network interface of the server.
"""

from __future__ import annotations

from collections.abc import Sequence

from middlebench.hosts.base import Host
from middlebench.model.plan import Link
from middlebench.system.errors import MiddleboxError

ADVICE = "the kernel needs sch_ingress, cls_u32 and act_mirred (`modprobe` each as root), or leave `pipeline` out"


def check_wires(host: Host) -> None:
    """Demand that the host can join ports, by trying it where nobody else sees it.

    Raises:
        MiddleboxError: it cannot.
    """
    result = host.run(["unshare", "--net", "tc", "-batch", "-"], stdin=_redirect("lo", "lo"), check=False)
    if result.status != 0:
        happened = result.stderr.strip().partition("\n")[0] or f"exit status {result.status}"
        raise MiddleboxError(f"joining two ports on {host.name}", happened, ADVICE, result)


def join(host: Host, wires: Sequence[Link]) -> None:
    """Join the ports of each wire, forth and back.

    Raises:
        MiddleboxError: two ports could not be joined.
    """
    if not wires:
        return
    ends = [(wire.source_port, wire.destination_port) for wire in wires]
    text = "".join(
        _redirect(*pair) for source, destination in ends for pair in ((source, destination), (destination, source))
    )
    result = host.run(["tc", "-batch", "-"], stdin=text, check=False)
    if result.status != 0:
        happened = result.stderr.strip().partition("\n")[0] or f"exit status {result.status}"
        raise MiddleboxError(f"joining the middleboxes on {host.name}", happened, ADVICE, result)


def _redirect(source: str, destination: str) -> str:
    """Return the lines for ``tc -batch`` that have all that comes in at one port leave by another one."""
    everything = "protocol all u32 match u32 0 0"  # not every kernel has cls_matchall
    return (
        f"qdisc add dev {source} ingress\n"
        f"filter add dev {source} parent ffff: {everything} action mirred egress redirect dev {destination}\n"
    )
