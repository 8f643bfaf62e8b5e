"""NDR and PDR twice over: by a bisection that knows nothing of MLRsearch, and by the search of the study.

    python bench/bisection.py --provision results/local/provision.json --frame-size 800 --goal ndr

The bisection halves the interval between nothing and the line rate until it is as narrow as the search's
own width. A load passes when more than half of its trials do; a trial passes when every frame was sent and
no more of them are missing than the goal allows. Both run on the same chain, one after the other and in
turns, so that what drifts shows as a difference between turns and not between methods.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from middlebench.model import record_file
from middlebench.model.frames import line_rate_pps
from middlebench.model.load import Goal, SearchParameters, goal_of
from middlebench.model.provision import Provision
from middlebench.model.traffic import Load
from middlebench.system.locks import lock
from middlebench.testbed import Testbed, site_of, stand_up
from middlebench.trials.convergence import plan_for
from middlebench.trials.provision import chosen_testbed
from middlebench.trials.search import Passed, search_throughput, summary
from middlebench.trials.search_trials import SearchTrials
from middlebench.trials.trial import prepare

Trial = Callable[[float, float, int], Passed]


def main() -> None:
    """Run both methods in turns and print what each found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provision", type=Path, required=True, help="the testbed's provision record")
    parser.add_argument("--chain-length", type=int, default=1)
    parser.add_argument("--frame-size", type=int, default=800, help="bytes without FCS")
    parser.add_argument("--goal", default="ndr", help="`ndr` or such as `pdr(0.005)`")
    parser.add_argument("--trials", type=int, default=5, help="trials of a second that decide on a load")
    parser.add_argument("--width", type=float, default=0.02, help="relative width at which both end")
    parser.add_argument("--turns", type=int, default=2)
    asked = parser.parse_args()
    goal = goal_of(asked.goal) or parser.error(f"there is no goal {asked.goal}")
    found = record_file.read(Provision, asked.provision)
    options = chosen_testbed(found)
    parameters = SearchParameters(relative_width=asked.width, duration_sum_s=asked.trials)
    with lock(site_of(found.testbed, options).trial_lock, "bisection", wait_s=600, tell=tell):
        testbed = stand_up(found.testbed, options, found.environment)
        trial, line_rate = on_chain(testbed, asked.chain_length, asked.frame_size, goal)
        for turn in range(1, asked.turns + 1):
            lower, upper, count = bisect(trial, line_rate, goal, asked.trials, asked.width)
            print(f"turn {turn}: bisection: {goal.name}: {lower:.0f} to {upper:.0f} packets/s ({count} trials)")
            print(f"turn {turn}: MLRsearch: {summary(search_throughput(goal, parameters, line_rate, trial, tell))}")


def tell(message: str) -> None:
    """Say what goes on."""
    print(message, file=sys.stderr, flush=True)


def on_chain(testbed: Testbed, length: int, frame_bytes: int, goal: Goal) -> tuple[Trial, float]:
    """Return what runs a trial on the chain of this length, and the line rate in packets/s."""
    plan = plan_for(testbed, length)
    before, _ = prepare(testbed, plan, frame_bytes, tell)
    line_rate = line_rate_pps(testbed.options.site.link.rate_bps, frame_bytes)
    maximum = Load(frame_bytes, line_rate, saturating=True, warm_up_s=0, window_s=1, sample_interval_s=1)
    return SearchTrials(testbed, plan, maximum, goal, before).run, line_rate


def bisect(trial: Trial, line_rate: float, goal: Goal, trials: int, width: float) -> tuple[float, float, int]:
    """Return the bounds in packets/s that halving finds, and how many trials it took."""
    lower, upper, count = 0.0, line_rate, 0
    while upper - lower > width * upper:
        load = (lower + upper) / 2
        good = bad = 0
        while max(good, bad) * 2 <= trials:
            packets = round(load)
            passed = trial(1.0, load, packets)
            missing = packets - passed.forwarded_packets
            count += 1
            if missing <= goal.loss_ratio * packets:
                good += 1
            else:
                bad += 1
            tell(f"bisection: {load:.0f} packets/s: {passed.offered_packets} of {packets} sent, {missing} missing")
        lower, upper = (load, upper) if good > bad else (lower, load)
    return lower, upper, count


if __name__ == "__main__":
    main()
