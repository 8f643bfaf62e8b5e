"""One end of a cable, and the generator at it, as the tests of all generators take them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from generators import CABLE, GENERATORS
from helpers import compose
from middlebench.generators.base import Generator
from middlebench.hosts.base import Host, Ports
from middlebench.testbed import site_of


@pytest.fixture(params=[1000.0], ids="{:g} Mb/s".format)
def rate_mbps(request: pytest.FixtureRequest) -> float:
    return request.param


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stand-in wait for whole seconds that are shorter; it is no test of that."""
    monkeypatch.setenv("STAND_IN_SECOND", "0.2")


@pytest.fixture
def test_computer(runtime, rate_mbps: float) -> Host:
    """The test computer, two of whose ports a cable joins; a test puts back what it changes there."""
    return site_of("tests", compose(rate_mbps=rate_mbps)).open().test_computer


@pytest.fixture(params=GENERATORS)
def make(request: pytest.FixtureRequest) -> Callable[[Host, Ports], Generator]:
    return GENERATORS[request.param]


@pytest.fixture
def generator(make: Callable[[Host, Ports], Generator], test_computer: Host) -> Generator:
    return make(test_computer, CABLE)
