"""A SLURM cluster for its tests, which take MIDDLEBENCH_SLURM=1: `make test-slurm`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, cluster
from helpers import opt_in

SLURM = "MIDDLEBENCH_SLURM"
TEST_SECONDS = 3600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    opt_in(items, Path(__file__).parent, SLURM, "starts a SLURM cluster, some minutes", TEST_SECONDS)


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    if os.getuid() != 0:
        pytest.skip("only root starts the daemons of a cluster")
    with cluster() as started:
        yield started
