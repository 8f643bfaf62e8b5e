"""Which path each flow takes where a bridge joins several: by its UDP port, as a few masked matches. Pure.

Flow number k has the source port :data:`middlebench.model.frames.UDP_PORT` + k, and takes path k modulo the number of
paths as long as there are no more flows than buckets; after that the flows begin again with the first bucket. All
matches of a bridge have one mask, so that Open vSwitch looks each frame up once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from middlebench.model.frames import UDP_PORT

BUCKETS_A_PATH = 32
"""The least number of buckets for each path. Their number is a power of two, and shares of it differ by one bucket."""
UNEVEN = 0.1
"""How far the share of a path may lie from an even one, over that."""


class UdpPorts(NamedTuple):
    """The UDP ports that are ``value`` in the bits of ``mask``."""

    side: Literal["source", "destination"]
    value: int
    mask: int

    def __str__(self) -> str:
        """Return it for a sentence."""
        return f"UDP {self.side} port {self.value:#x}/{self.mask:#x}"


def shares(numbers: Collection[int], paths: int, side: Literal["source", "destination"]) -> list[UdpPorts]:
    """Return the ports of all flows that take some of the paths.

    Args:
        numbers: numbers of those paths, from 0.
        paths: how many paths there are in all.
        side: `source` for frames on their way forth, `destination` for those that answer them.
    """
    buckets = _buckets(paths)
    return [
        UdpPorts(side, (UDP_PORT + bucket) % buckets, buckets - 1)
        for bucket in range(buckets)
        if bucket % paths in numbers
    ]


def path_of(flow: int, paths: int) -> int:
    """Return the number of the path that a flow takes, from 0."""
    return flow % _buckets(paths) % paths


def _buckets(paths: int) -> int:
    return 1 << (BUCKETS_A_PATH * paths - 1).bit_length()


def least_flows(paths: int) -> int:
    """Return from how many flows on every path gets an even share of them, within :data:`UNEVEN`."""
    return 1 if paths == 1 else round(paths / UNEVEN)


def are_even(flows: int, paths: int) -> bool:
    """Whether so many flows give every path an even share of them, within :data:`UNEVEN`."""
    return flows % paths == 0 or flows >= least_flows(paths)
