"""Fixtures for all tests. Live ones have runtime folders of their own, so that they never meet a sweep.

The tests of a module use one testbed, one after the other: its two computers and its switch stay for the next test,
chains do not. Where a port is not as it was set up, the next test sets all of it up again, as a sweep does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from footprint import Footprint, runtime_folder
from helpers import PROJECT, compose, made_once, without_chain
from hypothesis import settings
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.sites.base import Hosts
from middlebench.system import surroundings
from middlebench.testbed import Testbed, site_of

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
LONGEST_FIRST = (
    *("workflow", "lab", "test_media.py", "integration", "contract"),
    *("test_report.py", "test_law.py", "test_adaptive.py", "test_snakemake_plan.py"),
)
"""Folders of tests, and files of the others that take long, in the order in which they begin."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several workers share the files, begin with the longest: the last ones to run are then short."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    parts = item.path.relative_to(TESTS).parts
    return next((place for place, name in enumerate(LONGEST_FIRST) if name in parts), len(LONGEST_FIRST))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The runtime folder of a module's tests; whatever was started with it must be gone in the end."""
    with runtime_folder(tmp_path_factory.mktemp("shared")) as folder:
        yield folder
        site_of("tests", compose()).close()


@pytest.fixture
def own_runtime(tmp_path: Path) -> Iterator[Path]:
    """A runtime folder of one test; whatever was started with it must be gone in the end."""
    with runtime_folder(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="module")
def footprint(runtime: Path) -> Footprint:
    """What a module's tests have started, seen from outside."""
    return Footprint(runtime)


@pytest.fixture
def hosts(runtime: Path) -> Hosts:
    """Two computers and their links, real ones, in namespaces; a test removes what it makes there."""
    return site_of("tests", compose()).open()


@pytest.fixture
def testbed(runtime: Path) -> Iterator[Testbed]:
    """A whole testbed that stands, with no chain on it."""
    with without_chain(compose()) as testbed:
        yield testbed


@pytest.fixture(scope="session")
def unikernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our image, built for the tests alone: a sweep that runs meanwhile keeps its own."""
    make = ["make", "--silent", "--directory", PROJECT / "workflow" / "unikernel"]
    folder = made_once(
        tmp_path_factory, "unikernel", lambda folder: subprocess.run([*make, f"BUILD={folder}"], check=True)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qemu, "UNIKERNEL", folder / "unikernel.elf")
        yield folder / "unikernel.elf"
