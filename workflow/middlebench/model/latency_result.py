"""How long frames took, as a cell's record keeps it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from middlebench.model.options import Count, Options


class Times(Options):
    """How long frames took from the sender to the receiver, in microseconds."""

    p50_us: float
    """What half of them did not exceed."""
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    histogram: str
    """All of them, in nanoseconds, as an HdrHistogram encodes itself (version 2, compressed, base64)."""


class LatencyTrial(Options):
    """How long frames took in one trial. What was lost is counted beside it, and in no percentile."""

    path: Literal["chain", "direct"]
    """`direct` is the generator's cable to its own receiver: the instrument's own part."""
    load_share: Annotated[float, Field(ge=0, le=1)]
    """The load as a share of what the chain carries; 0 for an idle one."""
    packets_per_second: Annotated[float, Field(gt=0)]
    """The same in packets/s."""
    sent_packets: Count
    """All frames that left the sender."""
    lost_packets: Count
    """Those of them that had not arrived when nothing moved any more."""
    timed_packets: Count
    """Frames that carried the moment at which they left."""
    timed_lost_packets: Count
    """Those of them that had not arrived."""
    times: Times | None
    """How long the others took that left within the window; None where none of them arrived."""
