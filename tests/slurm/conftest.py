"""A SLURM cluster for its tests, which take MIDDLEBENCH_SLURM=1: `make test-slurm`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, cluster

SLURM = "MIDDLEBENCH_SLURM"
TEST_SECONDS = 3600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))
            if os.environ.get(SLURM) != "1":
                item.add_marker(pytest.mark.skip(reason=f"starts a SLURM cluster, some minutes: set {SLURM}=1"))


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    if os.getuid() != 0:
        pytest.skip("only root starts the daemons of a cluster")
    with cluster() as started:
        yield started
