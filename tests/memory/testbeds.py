"""A whole testbed in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from helpers import compose
from middlebench.testbed import Testbed

from memory.network import MemoryGenerator, MemoryMiddleboxes, MemorySwitch, Network
from memory.sites import MemorySite, Options


@dataclass(frozen=True)
class InMemory:
    """A testbed, and the network behind it."""

    testbed: Testbed
    network: Network

    @property
    def generator(self) -> MemoryGenerator:
        assert isinstance(self.testbed.generator, MemoryGenerator)
        return self.testbed.generator


def in_memory(folder: Path, rate_mbps: float = 1000.0) -> InMemory:
    """Return a testbed whose links carry so much; its locks are in ``folder``."""
    network = Network()
    hosts = replace(MemorySite(Options(folder=folder), "memory").open(), links_lose_nothing=True)
    testbed = Testbed(
        name="memory",
        options=compose(rate_mbps=rate_mbps),
        hosts=hosts,
        switch=MemorySwitch(network),
        middleboxes=MemoryMiddleboxes(network),
        generator=MemoryGenerator(network),
        direct=MemoryGenerator(network, pass_frames=lambda frames: frames),
    )
    return InMemory(testbed, network)
