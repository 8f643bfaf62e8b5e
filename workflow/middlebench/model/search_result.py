"""What a throughput search found, as a cell's record keeps it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from middlebench.model.options import Count, Options


class SearchTrial(Options):
    """One trial of a throughput search. Every frame of it counts, from the first to the end of the drain."""

    intended_pps: Annotated[float, Field(gt=0)]
    """Intended load in packets/s."""
    duration_s: Annotated[float, Field(gt=0)]
    """Seconds that it should take to send all frames."""
    sending_s: Annotated[float, Field(ge=0)]
    """Seconds that it took, as the sending port's counters were read."""
    intended_packets: Count
    """Frames that should be sent."""
    offered_packets: Count
    """Frames that left the sender."""
    forwarded_packets: Count
    """Frames that reached the receiver."""
    lost_packets: Count
    """Frames that left the sender and had not reached the receiver when nothing moved any more."""
    warm_up: bool
    """Whether it was to warm the chain up, and counts for nothing."""


class Search(Options):
    """A throughput search: what was looked for, what was found, and every trial in order."""

    goal: str
    """Such as `NDR`."""
    loss_ratio: float
    """Largest share of a trial's frames that may be missing, unsent ones included."""
    library: str
    """What searched."""
    minimum_pps: float
    """Smallest load of the search, in packets/s."""
    maximum_pps: float
    """Largest load, in packets/s: the line rate."""
    lower_bound_pps: float | None
    """Largest load found that meets the goal; None where the smallest load already misses it."""
    upper_bound_pps: float | None
    """Smallest load above it that misses the goal; None where the line rate meets it."""
    conditional_throughput_pps: float
    """What is forwarded at the lower bound (RFC 9971): the bound less the loss of the worst trial that counts; 0
    without one."""
    flags: tuple[str, ...]
    """What a reader must know before using the bounds."""
    limiting_trial: Annotated[int, Field(ge=1)] | None = None
    """Number, from 1, of the trial at the upper bound by which it was judged what limits the cell; None where the line
    rate meets the goal."""
    seconds: float
    """How long the search took."""
    trials: tuple[SearchTrial, ...]
