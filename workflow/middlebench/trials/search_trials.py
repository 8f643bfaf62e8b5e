"""The trials of a throughput search, on a live chain.

What is searched for, and how, is the affair of :mod:`middlebench.trials.search`, which knows of no host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from middlebench.model.load import Goal, SearchParameters
from middlebench.model.plan import Plan
from middlebench.model.reading import Reading
from middlebench.model.record import Bottleneck
from middlebench.model.search_result import Search
from middlebench.model.traffic import Load
from middlebench.testbed import Testbed
from middlebench.trials.search import Passed, search_throughput
from middlebench.trials.trial import Outcome, run_trial


@dataclass(frozen=True)
class Searched:
    """What a search has found of a live chain, and how things stand behind it."""

    search: Search
    load: Load
    """The lower bound, or the smallest load where none meets the goal."""
    bottleneck: Bottleneck | None
    """What limited the chain just above it; None where the line rate meets the goal."""
    raw: str
    """What the generator's tools said."""
    after: Reading
    """The chain and its counters, ready for the next trial."""


class SearchTrials:
    """The trials of a search on a live chain, one behind the other: a given number of frames each, and all count.

    Any change of the chain since ``before`` voids a trial, and the search.
    """

    def __init__(self, testbed: Testbed, plan: Plan, maximum: Load, goal: Goal, before: Reading) -> None:
        self._testbed = testbed
        self._plan = plan
        self._maximum = maximum
        self._goal = goal
        self.reading = before
        """The chain and its counters as they are now."""
        self._outcomes: list[Outcome] = []

    def run(self, seconds: float, packets_per_second: float, packets: int) -> Passed:
        """Run a trial on the warm chain; see :data:`middlebench.trials.search.Run`.

        Raises:
            TrialError: it must not be believed.
            MiddlebenchError: there was no traffic, or no counters.
        """
        load = replace(
            self._maximum,
            packets_per_second=packets_per_second,
            saturating=False,
            warm_up_s=0,
            window_s=seconds,
            sample_interval_s=seconds,
            packets=packets,
        )
        outcome = run_trial(self._testbed, self._plan, load, self.reading, negligible=self._goal.loss_ratio)
        self._outcomes.append(outcome)
        self.reading = outcome.after
        counts = outcome.counts
        return Passed(counts.offered_packets, counts.received_packets, counts.window_s)

    def search(self, parameters: SearchParameters, tell: Callable[[str], None] = lambda _: None) -> Searched:
        """Search for the throughput of the live chain.

        Raises:
            TrialError: a trial must not be believed, or the search did not end in its time.
            MiddlebenchError: there was no traffic, or no counters.
        """
        found = search_throughput(self._goal, parameters, self._maximum.packets_per_second, self.run, tell)
        pps = found.lower_bound_pps or found.minimum_pps
        said = "".join(
            f"== trial {number} of the search\n{outcome.traffic.raw}\n"
            for number, outcome in enumerate(self._outcomes, start=1)
        )
        return Searched(
            search=found,
            load=replace(self._maximum, packets_per_second=pps, saturating=False),
            bottleneck=self._bottleneck_at(found.limiting_trial) if found.limiting_trial else None,
            raw=said + "== trial at the lower bound\n",
            after=self.reading,
        )

    def _bottleneck_at(self, number: int) -> Bottleneck:
        """Return what limited the trial of this number, from 1."""
        outcome = self._outcomes[number - 1]
        at = f"at {outcome.load.packets_per_second:,.0f} packets/s (trial {number} of the search)"
        return outcome.bottleneck.model_copy(update={"evidence": f"{at}: {outcome.bottleneck.evidence}"})
