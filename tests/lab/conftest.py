"""The lab for its tests: booted once, with a runtime folder of its own.

Every run of all tests takes those that are marked ``quick``, a few minutes; the others take MIDDLEBENCH_LAB=1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from helpers import PROJECT, opt_in
from middlebench.config.testbed import composed
from middlebench.hosts.base import Host
from middlebench.sites.lab.driver import Lab
from middlebench.testbed import Testbed, stand_up
from middlebench.trials.convergence import tear_down

LAB = "MIDDLEBENCH_LAB"
SESSION_SECONDS = 3 * 3600.0
TEST_SECONDS = 900.0
"""An emulated processor boots a domain in half a minute, on a busy machine in two."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: one real chain on the emulated Xen host, for every run of all tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    opt_in(items, Path(__file__).parent, LAB, "takes minutes in an emulated Xen host", TEST_SECONDS)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """The testbed of ``config/testbeds/lab.yaml``, on a lab of the tests' own."""
    composition = yaml.safe_load((PROJECT / "config/testbeds/lab.yaml").read_text())
    composition["site"]["idle_s"] = SESSION_SECONDS  # no lock is held between tests
    options = composed(composition, "the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIDDLEBENCH_RUNTIME", str(tmp_path_factory.mktemp("runtime")))
        try:
            yield stand_up("lab-tests", options)
        finally:
            Lab(options.site, "lab-tests").close()


@pytest.fixture
def testbed(lab: Testbed) -> Iterator[Testbed]:
    """The lab with no chain on it, as the test before has left it."""
    yield lab
    tear_down(lab)


@pytest.fixture
def server(testbed: Testbed) -> Host:
    return testbed.hosts.middlebox_server
