"""What tests of live parts share: compositions, testbeds that stand, waiting for a condition."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from middlebench.config.testbed import TestbedOptions, composed
from middlebench.hosts.base import Host
from middlebench.model.reading import PortCounters
from middlebench.model.record import Settings
from middlebench.switches.shared.readings import parse_ports
from middlebench.system.locks import lock
from middlebench.testbed import Testbed, site_of, stand_up
from middlebench.trials.convergence import tear_down
from middlebench.trials.probing import PROBES

PROJECT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 30.0
POLL_SECONDS = 0.02
MAKE_SECONDS = 600.0

_Found = TypeVar("_Found")


def eventually(condition: Callable[[], _Found], what: str, limit_s: float = LIMIT_SECONDS) -> _Found:
    """Return the first true value of ``condition``; fail when ``what`` does not come true in time."""
    end = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"within {limit_s:g} s it did not come true that {what}")
        time.sleep(POLL_SECONDS)
    return found


def composition(
    *,
    switch: dict[str, Any] | None = None,
    middlebox: dict[str, Any] | None = None,
    rate_mbps: float = 1000.0,
    idle_s: float = 900.0,
) -> dict[str, Any]:
    """Return a testbed's file as a value; every ``auto`` that costs time to choose is chosen."""
    return {
        "description": "a testbed of the tests",
        "site": {"driver": "namespaces", "link": {"rate_mbps": rate_mbps}, "idle_s": idle_s},
        "switch": switch or {"driver": "private-openvswitch", "datapath": "userspace", "port_type": "system"},
        "middlebox": middlebox or {"driver": "netns"},
        "generator": {"driver": "trafgen"},
    }


def compose(**changes: Any) -> TestbedOptions:
    """Return :func:`composition` as the model that the library takes."""
    return composed(composition(**changes), "the tests")


@contextmanager
def standing(options: TestbedOptions) -> Iterator[Testbed]:
    """Have a testbed stand, with no chain on it yet."""
    try:
        yield stand_up("tests", options)
    finally:
        site_of("tests", options).close()


@contextmanager
def without_chain(options: TestbedOptions) -> Iterator[Testbed]:
    """Have a testbed stand with no chain on it, and leave it so: computers and switch stay for the next test."""
    testbed = stand_up("tests", options)
    try:
        yield testbed
    finally:
        tear_down(testbed)


def settings(**changes: Any) -> Settings:
    """Return settings of a short trial."""
    return Settings(
        **{"window_s": 0.2, "warm_up_s": 0.1, "sample_interval_s": 0.1, "offered_load": "maximum"} | changes
    )


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that one of the processes that run the tests has filled; the others wait for it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with lock(folder.with_suffix(".lock"), f"making {name}", wait_s=MAKE_SECONDS):
        done = folder.with_suffix(".done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def opt_in(items: Sequence[pytest.Item], folder: Path, variable: str, what: str, limit_s: float) -> None:
    """Let the tests in a folder take so long, and skip those that are not quick unless a variable of ours is 1."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.timeout(limit_s))
            if os.environ.get(variable) != "1" and item.get_closest_marker("quick") is None:
                item.add_marker(pytest.mark.skip(reason=f"{what}: set {variable}=1"))


def disguise(program: str, version: str, folder: Path) -> None:
    """Write a program of this name that is the real one in all but the version that it says."""
    folder.mkdir(exist_ok=True)
    wrapper = folder / program
    wrapper.write_text(
        f'#!/bin/sh\n[ "$1" != --version ] || {{ echo "{version}"; exit 0; }}\nexec {shutil.which(program)} "$@"\n'
    )
    wrapper.chmod(0o755)


def cripple(program: str, folder: Path) -> None:
    """Write a program of this name that says the real one's version, and fails at everything else."""
    folder.mkdir(exist_ok=True)
    wrapper = folder / program
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {shutil.which(program)} "$@"\nexit 1\n')
    wrapper.chmod(0o755)


@contextmanager
def once_traffic_runs(testbed: Testbed, change: Callable[[], object]) -> Iterator[None]:
    """Make ``change`` from another thread as soon as the chain has seen many more frames than probes."""
    entrance = testbed.hosts.server_ports[0]
    before = testbed.switch.counters()[entrance].rx_packets

    def traffic_runs() -> bool:
        return testbed.switch.counters()[entrance].rx_packets > before + 10 * PROBES

    with ThreadPoolExecutor(1) as pool:
        changed = pool.submit(lambda: (eventually(traffic_runs, "traffic runs"), change()))
        yield
        changed.result()


def interface_counters(host: Host) -> dict[str, PortCounters]:
    """Return the kernel's counters of all interfaces of ``host``."""
    return parse_ports(host.run(["cat", "/proc/net/dev"]).stdout)
