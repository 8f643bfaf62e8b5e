"""Topologies beside the chain, to try that what walks the graph of a plan needs nothing but the graph."""

from middlebench.model.plan import Path, Plan, bridge_hop, from_paths, middlebox_hop


def pipeline(n: int, uplinks: tuple[str, str]) -> Plan:
    """n middleboxes in series, with bridges at the two ends only."""
    boxes = [middlebox_hop(index) for index in range(1, n + 1)]
    first, last = bridge_hop(0, uplinks[0], boxes[0].ingress_port), bridge_hop(1, boxes[-1].egress_port, uplinks[1])
    return from_paths("pipeline", n, [Path((first, *boxes, last))])
