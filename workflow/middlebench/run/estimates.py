"""How long jobs of a run take, as far as the past tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

from middlebench.model.record import Settings
from middlebench.run.jobs import Finished, Job, Past


def seconds_a_cell(pasts: Iterable[Past], wanted: Settings) -> tuple[float, bool]:
    """Return how long a cell takes, and whether that is known: as cells of these settings took, or by the overhead.

    The median, so that a cell which had to deploy its chain, or waited for another run, does not count. The
    overhead of a throughput search, which is nearly all of it, tells nothing of other settings.
    """
    took = [(past.seconds, past.settings) for past in pasts if past.seconds is not None]
    if alike := [seconds for seconds, settings in took if settings == wanted]:
        return median(alike), True
    overheads = [seconds - settings.traffic_s for seconds, settings in took if settings.search is None]
    if overheads:
        return wanted.traffic_s + max(0.0, median(overheads)), wanted.search is None
    return wanted.traffic_s, False


def seconds_a_control_set(finished: Finished, frame_sizes: int, wanted: Settings) -> tuple[float, bool]:
    """Return how long a set of controls takes, and whether that is known: by the overhead of the last one.

    ``frame_sizes`` is how many sizes controls have.
    """
    traffic_s, overhead_s = finished.control_kinds * frame_sizes * wanted.traffic_s, finished.control_overhead_s
    return traffic_s + max(0.0, overhead_s or 0.0), overhead_s is not None


def deployment_seconds(n: int, known: Mapping[int, float]) -> float | None:
    """Return how long a chain takes to deploy: as it did, or by the mean of a middlebox of other chains."""
    if n in known:
        return known[n]
    a_middlebox = [seconds / length for length, seconds in known.items() if length]
    return fmean(a_middlebox) * n if a_middlebox else None


def seconds_of(job: Job, jobs: Sequence[Job]) -> float | None:
    """Return how long a job takes: as it did, or as the others of its rule did."""
    if job.seconds is not None:
        return job.seconds
    alike = [each.seconds for each in jobs if each.rule == job.rule and each.seconds is not None]
    return fmean(alike) if alike else None
