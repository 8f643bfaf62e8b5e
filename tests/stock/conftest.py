"""Stock machines for their tests, which take MIDDLEBENCH_STOCK=1: `make test-stock`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import opt_in
from stock_image import RELEASES, image
from stock_machine import StockMachine

STOCK = "MIDDLEBENCH_STOCK"
TEST_SECONDS = 2 * 3600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    opt_in(items, Path(__file__).parent, STOCK, "boots an emulated machine, half an hour", TEST_SECONDS)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: f"debian{release.number}")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockMachine]:
    """A stock machine on which `make setup` was run, by an ordinary user."""
    if os.getuid() != 0:
        pytest.skip("only root makes a disk with files of several users")
    folder = tmp_path_factory.mktemp("stock")
    stock = StockMachine(image(request.param), folder)
    try:
        stock.boot()
        stock.bring_project()
        stock.run("make setup")
        yield stock
    finally:
        stock.cut_power()
        shutil.rmtree(folder)
