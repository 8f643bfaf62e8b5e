"""What a whole run of the workflow holds, from its first job to its last: its results folder and its testbeds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from middlebench.config.testbed import TestbedOptions
from middlebench.sites.base import Site
from middlebench.system.locks import lock
from middlebench.testbed import site_of

PATIENCE_SECONDS = 24 * 3600.0
"""How long a run waits for a testbed where it is told to wait."""


RESULTS_LOCK = ".lock"
"""File in the results folder by which runs of several users or computers keep off each other's results."""


class RunLocks:
    """The locks of a run: its results folder's and its testbeds'. The process that takes them holds them until it ends.

    ``if_locked`` is ``wait`` for what another run has locked, or ``fail``.
    """

    def __init__(self, testbeds: Mapping[str, TestbedOptions], results: Path, if_locked: str) -> None:
        self._testbeds = testbeds
        self._results = results
        self._wait_s = PATIENCE_SECONDS if if_locked == "wait" else 0.0
        self._held = ExitStack()

    def take(self) -> None:
        """Take every lock, each file once; then lock the hosts themselves against runs from other machines.

        Raises:
            HostError: a host cannot be reached.
            LockError: another run holds one.
        """
        sites_of: dict[Path, dict[str, Site]] = {}
        for name, options in self._testbeds.items():
            site = site_of(name, options)
            sites_of.setdefault(site.run_lock, {})[name] = site
        for file, sites in sorted(sites_of.items()):
            purpose = f"a run on {', '.join(sites)}"
            self._held.enter_context(lock(file, purpose, wait_s=self._wait_s, tell=_tell))
            self._held.enter_context(next(iter(sites.values())).held(self._wait_s))
        self._results.mkdir(parents=True, exist_ok=True)
        purpose = f"a run with results in {self._results}"
        self._held.enter_context(lock(self._results / RESULTS_LOCK, purpose, wait_s=self._wait_s, tell=_tell))


def shared_testbeds(testbeds: Mapping[str, TestbedOptions]) -> dict[str, str]:
    """Return a name for what each testbed may not be used with at once: the same for testbeds on the same hosts."""
    first: dict[Path, str] = {}
    return {
        name: resource_of(first.setdefault(site_of(name, options).run_lock, name)) for name, options in testbeds.items()
    }


def resource_of(testbed: str) -> str:
    """Return a name for what no two jobs on a testbed may have at once."""
    return "testbed_" + testbed.replace("-", "_")


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
