"""How long frames take through a chain: idle, and at shares of what it carries.

The loads are CSIT's: 10, 50 and 90 % of what the chain was found to carry, and an idle chain. What that is: the
lower bound of a throughput search, where one went before; else what the cell's own trial received, of a
given rate at most that rate. A trial over the direct cable at the largest of these loads tells the
instrument's own part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from middlebench.diagnosis.latency import latency_trial
from middlebench.model.latency_result import LatencyTrial
from middlebench.model.plan import Plan
from middlebench.model.reading import Reading
from middlebench.model.record import Counts
from middlebench.model.search_result import Search
from middlebench.model.traffic import Load
from middlebench.system.errors import GeneratorError
from middlebench.testbed import Testbed
from middlebench.trials.trial import counts_of, problems_of, run_trial, void

SHARES = (0.0, 0.1, 0.5, 0.9)
"""Loads, as shares of what the chain carries; 0 is an idle one."""
IDLE_PACKETS_PER_SECOND = 100.0
"""What an idle chain is timed with, and the least of any load."""


def measure_latency(
    testbed: Testbed, plan: Plan, load: Load, carried_pps: float, before: Reading, tell: Callable[[str], None]
) -> tuple[LatencyTrial, ...]:
    """Time frames over the live chain at each load, each in a trial of its own.

    ``load`` is the cell's; without ``carried_pps``, what the chain carries, only the idle chain is timed.

    Raises:
        TrialError: a trial must not be believed.
        MiddlebenchError: there was no traffic, or no counters.
    """
    found = []
    for share in SHARES if carried_pps else (0.0,):
        timed = timed_load(load, share * carried_pps)
        outcome = run_trial(testbed, plan, timed, before)
        before = outcome.after
        if outcome.traffic.timing is None:
            raise GeneratorError("timing frames", "the generator timed none", "use the generator `trafgen`")
        trial = latency_trial("chain", share, timed, outcome.counts, outcome.traffic.timing)
        median = f"median {trial.times.p50_us:.0f} us" if trial.times else "none arrived"
        tell(f"latency at {timed.packets_per_second:.0f} packets/s: {median}")
        found.append(trial)
    if own := _direct(testbed, timed, share):
        found.append(own)
    return tuple(found)


def _direct(testbed: Testbed, load: Load, share: float) -> LatencyTrial | None:
    """Return the same of the generator's cable to its own receiver; None where there is none."""
    if testbed.direct is None:
        return None
    traffic = testbed.direct.run(load)
    if problems := problems_of(load, testbed.options.site.link, traffic):
        raise void(f"timing frames over the direct cable of {testbed.name}", problems)
    return latency_trial("direct", share, load, counts_of(load, traffic), traffic.timing) if traffic.timing else None


def timed_load(load: Load, packets_per_second: float) -> Load:
    """Return a load of frames that are timed, at this rate or at an idle chain's."""
    rate = min(max(packets_per_second, IDLE_PACKETS_PER_SECOND), load.packets_per_second)
    return replace(load, packets_per_second=rate, saturating=False, packets=None, latency=True)


def carried(counts: Counts, found: Search | None) -> float:
    """Return what a chain carries, in packets/s, by the search or by what the cell's trial received."""
    if found is not None:
        return found.lower_bound_pps or 0.0
    return counts.received_packets / counts.window_s
