"""The throughput search: MLRsearch (RFC 9971) over our trials. Pure: how a trial is run, the caller says.

A trial sends a given number of frames at a given load, and every one of them counts, as RFC 2544 has it:
``intended`` is that number, ``offered`` what left the sending port, ``forwarded`` what reached the
receiving port until nothing moved any more. What a generator could not send in its time is missing as
much as what was lost: the library counts both against the goal, and so goes on at lower loads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from MLRsearch import AbstractMeasurer, Config, MeasurementResult, MultipleLossRatioSearch, SearchGoal

from middlebench.model.load import Goal, SearchParameters
from middlebench.model.record import GENERATOR_LIMITED
from middlebench.model.search_result import Search, SearchTrial
from middlebench.system.errors import TrialError

NO_LOWER_BOUND = "no-lower-bound"
"""Flag of a cell whose search found no load that meets the goal."""


@dataclass(frozen=True)
class Passed:
    """What became of the frames of one trial."""

    offered_packets: int
    """Left the sending port."""
    forwarded_packets: int
    """Reached the receiving port, the drain included."""
    sending_s: float
    """Seconds in which they were sent."""


Run = Callable[[float, float, int], Passed]
"""Runs a trial: seconds, load in packets/s, and number of frames to send."""


def search_throughput(
    goal: Goal,
    parameters: SearchParameters,
    line_rate_pps: float,
    run: Run,
    tell: Callable[[str], None] = lambda _: None,
) -> Search:
    """Search for the largest load that meets ``goal``.

    ``run`` runs a trial; what it raises ends the search.

    Raises:
        TrialError: the search did not end in its time, or the library gave it up.
    """
    search_goal = SearchGoal(
        loss_ratio=goal.loss_ratio,
        exceed_ratio=parameters.exceed_ratio,
        relative_width=parameters.relative_width,
        initial_trial_duration=parameters.initial_trial_s,
        final_trial_duration=parameters.final_trial_s,
        duration_sum=parameters.duration_sum_s,
        preceding_targets=parameters.preceding_targets,
        expansion_coefficient=parameters.expansion_coefficient,
        fail_fast=False,
    )
    config = Config()
    config.goals = (search_goal,)
    # In this order: the library's own smallest load, 9001 packets/s, may be above the line rate.
    config.min_load = minimum_pps(parameters, line_rate_pps)
    config.max_load = line_rate_pps
    config.search_duration_max = parameters.timeout_s
    config.warmup_duration = parameters.warm_up_s
    measurer = _Measurer(run, warm_ups=1 if parameters.warm_up_s else 0, tell=tell)
    library = MultipleLossRatioSearch(config)
    begin = time.monotonic()
    try:
        result = library.search(measurer, debug=lambda _: None)[search_goal]
    except RuntimeError as error:
        raise _given_up(goal, parameters, time.monotonic() - begin, measurer.trials, error) from error
    lower, upper = result.relevant_lower_bound, result.relevant_upper_bound
    lower_pps, upper_pps = float(lower) if lower else None, float(upper) if upper else None
    found = Search(
        goal=goal.name,
        loss_ratio=goal.loss_ratio,
        library=f"MLRsearch {version('MLRsearch')}",
        minimum_pps=config.min_load,
        maximum_pps=config.max_load,
        lower_bound_pps=lower_pps,
        upper_bound_pps=upper_pps,
        conditional_throughput_pps=float(result.conditional_throughput or 0.0),
        flags=flags_of_search(lower_pps, upper_pps, measurer.trials, goal.loss_ratio),
        limiting_trial=limiting_trial(upper_pps, measurer.trials, goal.loss_ratio),
        seconds=round(time.monotonic() - begin, 3),
        trials=tuple(measurer.trials),
    )
    tell(summary(found))
    return found


def minimum_pps(parameters: SearchParameters, line_rate_pps: float) -> float:
    """Return the smallest load of a search, in packets/s: one frame a trial at the least, and below the line rate."""
    return min(max(parameters.minimum_load * line_rate_pps, 1 / parameters.initial_trial_s), line_rate_pps / 2)


def summary(search: Search) -> str:
    """Return what a search found, in a sentence."""
    taken = f"{len(search.trials)} trials in {search.seconds:.0f} s"
    if search.lower_bound_pps is None:
        return f"{search.goal}: even {search.minimum_pps:.0f} packets/s miss it ({taken})"
    if search.upper_bound_pps is None:
        return f"{search.goal}: the line rate of {search.maximum_pps:.0f} packets/s meets it ({taken})"
    return f"{search.goal}: {search.lower_bound_pps:.0f} to {search.upper_bound_pps:.0f} packets/s ({taken})"


def flags_of_search(
    lower_pps: float | None, upper_pps: float | None, trials: Sequence[SearchTrial], loss_ratio: float
) -> tuple[str, ...]:
    """Return what a reader must know before using the bounds of a search.

    It is the generator that is limited where most trials that miss the goal at the upper bound miss it for the frames
    that were not sent, and not for those that were lost.
    """
    if lower_pps is None:
        return (NO_LOWER_BOUND,)
    missed = _missing_the_goal(upper_pps, trials, loss_ratio)
    unsent = [each for each in missed if each.lost_packets <= _allowed(each, loss_ratio)]
    return (GENERATOR_LIMITED,) if len(unsent) * 2 > len(missed) else ()


def limiting_trial(upper_pps: float | None, trials: Sequence[SearchTrial], loss_ratio: float) -> int | None:
    """Return the number, from 1, of the trial that shows what limits the chain just above its throughput.

    Of the trials that miss the goal at the upper bound it is the one in whose loss the median lies (the larger of the
    two in the middle); None where there is no upper bound.
    """
    missed = sorted(_missing_the_goal(upper_pps, trials, loss_ratio), key=_missing)
    return trials.index(missed[len(missed) // 2]) + 1 if missed else None


def _missing_the_goal(load_pps: float | None, trials: Sequence[SearchTrial], loss_ratio: float) -> list[SearchTrial]:
    """Return the trials at one load of which more frames are missing, lost or never sent, than the goal allows."""
    at_load = (each for each in trials if each.intended_pps == load_pps and not each.warm_up)
    return [each for each in at_load if _missing(each) > _allowed(each, loss_ratio)]


def _missing(trial: SearchTrial) -> int:
    return trial.lost_packets + abs(trial.intended_packets - trial.offered_packets)


def _allowed(trial: SearchTrial, loss_ratio: float) -> float:
    """Return how many frames may be missing, as the library counts them (MeasurementResult.loss_ratio)."""
    return loss_ratio * max(trial.intended_packets, trial.offered_packets)


def _given_up(
    goal: Goal, parameters: SearchParameters, seconds: float, trials: Sequence[SearchTrial], error: RuntimeError
) -> TrialError:
    """Return the error of a search that the library ended without a result."""
    doing = f"searching for the {goal.name}"
    if seconds >= parameters.timeout_s:
        return TrialError(
            doing,
            f"after {parameters.timeout_s:g} s and {len(trials)} trials it has not ended",
            "raise `search.timeout_s` or `search.relative_width`, or lower `search.duration_sum_s`",
        )
    return TrialError(
        doing,
        f"the library MLRsearch {version('MLRsearch')} gave up after {len(trials)} trials: {error}",
        "run the same command again; if it stays, take the defaults of `search` back, which are the library's own",
    )


class _Measurer(AbstractMeasurer):  # type: ignore[misc]  # the library has no types
    """Turns our trials into those of the library, and keeps them."""

    def __init__(self, run: Run, warm_ups: int, tell: Callable[[str], None]) -> None:
        self.trials: list[SearchTrial] = []
        self._run = run
        self._warm_ups = warm_ups
        self._tell = tell

    def measure(self, intended_duration: float, intended_load: float) -> MeasurementResult:
        """Run one trial."""
        packets = max(1, round(intended_load * intended_duration))
        passed = self._run(intended_duration, intended_load, packets)
        trial = SearchTrial(
            intended_pps=intended_load,
            duration_s=intended_duration,
            sending_s=round(passed.sending_s, 6),
            intended_packets=packets,
            offered_packets=passed.offered_packets,
            forwarded_packets=passed.forwarded_packets,
            lost_packets=passed.offered_packets - passed.forwarded_packets,
            warm_up=len(self.trials) < self._warm_ups,
        )
        self.trials.append(trial)
        self._tell(
            f"trial {len(self.trials)}: {intended_load:.0f} packets/s for {intended_duration:g} s: "
            f"{trial.offered_packets} of {packets} sent, {trial.lost_packets} lost"
        )
        return MeasurementResult(
            intended_duration=intended_duration,
            intended_load=intended_load,
            offered_count=trial.offered_packets,
            forwarding_count=trial.forwarded_packets,
            intended_count=packets,
            offered_duration=passed.sending_s,
            # What the library sums up to decide: seconds of traffic, and not those that we took to start and drain it.
            duration_with_overheads=intended_duration,
        )
