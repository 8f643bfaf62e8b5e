"""One end of a cable, and the generator at it, as the tests of all generators take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from generators import CABLE, GENERATORS
from helpers import compose
from middlebench.generators.base import Generator
from middlebench.hosts.base import Host, Ports
from middlebench.testbed import site_of


@pytest.fixture(params=[1000.0], ids="{:g} Mb/s".format)
def rate_mbps(request: pytest.FixtureRequest) -> float:
    return request.param


@pytest.fixture
def test_computer(runtime, rate_mbps: float) -> Iterator[Host]:
    """The test computer, two of whose ports a cable joins."""
    site = site_of("tests", compose(rate_mbps=rate_mbps))
    try:
        yield site.open().test_computer
    finally:
        site.close()


@pytest.fixture(params=GENERATORS)
def make(request: pytest.FixtureRequest) -> Callable[[Host, Ports], Generator]:
    return GENERATORS[request.param]


@pytest.fixture
def by_ports(make) -> None:
    """Demand a generator whose frames the ports themselves count."""
    if make is GENERATORS["pkt-gen"]:
        pytest.skip("pkt-gen counts by itself, in intervals of its own")


@pytest.fixture
def generator(make: Callable[[Host, Ports], Generator], test_computer: Host) -> Generator:
    return make(test_computer, CABLE)
