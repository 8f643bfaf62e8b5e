"""Fixtures for all tests. Each live one has a runtime folder of its own, so that it never meets a sweep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import PROJECT, Footprint, compose
from hypothesis import settings
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.sites.base import Hosts
from middlebench.system import surroundings
from middlebench.testbed import Testbed, site_of, stand_up

settings.register_profile("middlebench", deadline=None, derandomize=True)
settings.load_profile("middlebench")
surroundings.prepare()  # as every entry of the program does
# Ignored in a shell's background, and below nohup; so would they be by all that tests start.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
# A container's image may forbid to keep what was compiled: each of hundreds of processes would compile the library.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


TESTS = Path(__file__).parent
LONGEST_FIRST = ("workflow", "lab", "test_media.py", "test_notebooks.py", "integration", "contract")
"""Folders of tests, and files of the others that take long, in the order in which they begin."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several workers share the files, begin with the longest: the last ones to run are then short."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    parts = item.path.relative_to(TESTS).parts
    return next((place for place, name in enumerate(LONGEST_FIRST) if name in parts), len(LONGEST_FIRST))


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder of the test's own; whatever was started with it must be gone in the end."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(folder))
    footprint = Footprint(folder)
    try:
        yield folder
        footprint.demand_nothing_left()
    finally:
        footprint.kill_all()


@pytest.fixture
def footprint(runtime: Path) -> Footprint:
    """What the test has started, seen from outside."""
    return Footprint(runtime)


@pytest.fixture
def hosts(runtime: Path) -> Iterator[Hosts]:
    """Two computers and their links, real ones, in namespaces."""
    site = site_of("tests", compose())
    try:
        yield site.open()
    finally:
        site.close()


@pytest.fixture
def testbed(runtime: Path) -> Iterator[Testbed]:
    """A whole testbed that stands, with no chain on it yet."""
    options = compose()
    try:
        yield stand_up("tests", options)
    finally:
        site_of("tests", options).close()


@pytest.fixture(scope="session")
def unikernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our image, built for the tests alone: a sweep that runs meanwhile keeps its own."""
    folder = tmp_path_factory.mktemp("unikernel")
    sources = PROJECT / "workflow" / "unikernel"
    subprocess.run(["make", "--silent", "--directory", sources, f"BUILD={folder}"], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qemu, "UNIKERNEL", folder / "unikernel.elf")
        yield folder / "unikernel.elf"
