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


_HELD = ExitStack()
"""The locks of this process, which holds them until it ends."""


def take_locks(testbeds: Mapping[str, TestbedOptions], results: Path, if_locked: str) -> None:
    """Take every lock, each file once; then lock the hosts themselves against runs from other machines.

    ``if_locked`` is ``wait`` for what another run has locked, or ``fail``.

    Raises:
        HostError: a host cannot be reached.
        LockError: another run holds one.
    """
    wait_s = PATIENCE_SECONDS if if_locked == "wait" else 0.0
    sites_of: dict[Path, dict[str, Site]] = {}
    for name, options in testbeds.items():
        site = site_of(name, options)
        sites_of.setdefault(site.run_lock, {})[name] = site
    for file, sites in sorted(sites_of.items()):
        _HELD.enter_context(lock(file, f"a run on {', '.join(sites)}", wait_s=wait_s, tell=_tell))
        _HELD.enter_context(next(iter(sites.values())).held(wait_s))
    results.mkdir(parents=True, exist_ok=True)
    _HELD.enter_context(lock(results / RESULTS_LOCK, f"a run with results in {results}", wait_s=wait_s, tell=_tell))


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
