"""How long frames took, from the times of single ones to a histogram and its percentiles. Pure.

The histogram is an HdrHistogram (Gil Tene's, https://hdrhistogram.org): it keeps every time to three digits, so
that the longest ones, which matter most, are not averaged away. Frames that were lost are in no histogram:
they are counted beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from middlebench.model.latency_result import LatencyTrial, Times
from middlebench.model.record import Counts
from middlebench.model.traffic import Load, Timing

SHORTEST_NS, LONGEST_NS, DIGITS = 1, 100 * 10**9, 3
"""What the histogram holds, in nanoseconds, and to how many digits."""
PERCENTILES, NAMES = (50.0, 90.0, 99.0, 99.9), ("p50_us", "p90_us", "p99_us", "p999_us")


def latency_trial(
    path: Literal["chain", "direct"], share: float, load: Load, counts: Counts, timing: Timing
) -> LatencyTrial:
    """Return what one trial with timed frames says."""
    return LatencyTrial(
        path=path,
        load_share=share,
        packets_per_second=load.packets_per_second,
        sent_packets=counts.trial_sent_packets,
        lost_packets=counts.trial_sent_packets - counts.trial_received_packets,
        timed_packets=timing.sent,
        timed_lost_packets=timing.sent - timing.received,
        times=times_of(timing.nanoseconds) if timing.nanoseconds else None,
    )


def times_of(nanoseconds: Sequence[int]) -> Times:
    """Return percentiles, maximum and histogram of at least one time."""
    from hdrh.histogram import HdrHistogram  # for cells that ask for it alone

    histogram = HdrHistogram(SHORTEST_NS, LONGEST_NS, DIGITS)
    for each in nanoseconds:
        histogram.record_value(min(max(each, SHORTEST_NS), LONGEST_NS))
    longest_us = max(nanoseconds) / 1e3
    # The upper end of a bucket may lie above the longest time itself.
    found = (min(histogram.get_value_at_percentile(each) / 1e3, longest_us) for each in PERCENTILES)
    return Times(**dict(zip(NAMES, found, strict=True)), max_us=longest_us, histogram=histogram.encode().decode())
