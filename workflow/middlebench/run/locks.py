"""What a whole run of the workflow holds: the leases of its testbeds, from its first job to its last."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from middlebench.config import study as config
from middlebench.sites.base import Site
from middlebench.system.locks import lease
from middlebench.testbed import site_of

PATIENCE_SECONDS = 24 * 3600.0
"""How long a run waits for a testbed where it is told to wait."""


class RunLeases:
    """The leases of all testbeds of a run. The process that takes them holds them until it ends.

    Args:
        testbeds: the run's testbeds by name.
        when_busy: ``wait`` for a testbed that another run holds, or ``leave``.
    """

    def __init__(self, testbeds: Mapping[str, config.Testbed], when_busy: str) -> None:
        self._testbeds = testbeds
        self._wait_s = PATIENCE_SECONDS if when_busy == "wait" else 0.0
        self._held = ExitStack()

    def take(self) -> None:
        """Take every lease, each file once, and keep runs from other machines off the hosts.

        Raises:
            HostError: a host cannot be reached.
            LeaseError: another run holds one.
        """
        sites_of: dict[Path, dict[str, Site]] = {}
        for name, options in self._testbeds.items():
            site = site_of(name, options)
            sites_of.setdefault(site.run_lease, {})[name] = site
        for file, sites in sorted(sites_of.items()):
            purpose = f"a run on {', '.join(sites)}"
            self._held.enter_context(lease(file, purpose, wait_s=self._wait_s, tell=_tell))
            self._held.enter_context(next(iter(sites.values())).held(self._wait_s))


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
