"""What a cell is offered: all that the link carries, a rate, or what a throughput search finds. Pure values.

NDR (no drop rate) and PDR (partial drop rate) are the largest loads at which no frame, or no more than
a given share of all frames, is lost: the throughput of RFC 2544 and its relaxation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from middlebench.model.options import Options

PDR = re.compile(r"^pdr\((0?\.[0-9]*[1-9][0-9]*)\)$")
"""`pdr(RATIO)`, the ratio above 0 and below 1."""


def _clearly(value: object, check: ValidatorFunctionWrapHandler) -> str | float:
    """Say in one sentence what may stand there, where the union's members would each complain."""
    try:
        checked: str | float = check(value)
    except ValidationError:
        raise ValueError(
            "it takes `maximum`, `ndr`, `pdr(RATIO)` with a loss ratio between 0 and 1 such as `pdr(0.005)`, "
            "or a rate above 0 in kpkt/s"
        ) from None
    return checked


OfferedLoad = Annotated[
    Literal["maximum", "ndr"] | Annotated[str, Field(pattern=PDR.pattern)] | Annotated[float, Field(gt=0)],
    WrapValidator(_clearly),
]
"""What the generator is asked to send, as a config file and a record say it."""


@dataclass(frozen=True)
class Goal:
    """What a throughput search looks for: the largest load that loses no more than this."""

    loss_ratio: float
    """Largest share of a trial's frames that may be missing at the receiver."""

    @property
    def name(self) -> str:
        """The goal in the field's own words."""
        return f"PDR {self.loss_ratio * 100:g} %" if self.loss_ratio else "NDR"


def goal_of(offered_load: str | float) -> Goal | None:
    """Return the goal of the search that an offered load asks for; None where it asks for none."""
    if offered_load == "ndr":
        return Goal(0.0)
    found = PDR.match(offered_load) if isinstance(offered_load, str) else None
    return Goal(float(found[1])) if found else None


class SearchParameters(Options):
    """How a throughput search goes on. The defaults are those of the MLRsearch library, its Config and SearchGoal."""

    relative_width: Annotated[float, Field(gt=0, lt=1)] = 0.005
    """The search ends when the lower bound is no further than this below the upper one, as a share of the latter."""
    initial_trial_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Seconds of the shortest trials, with which the search begins."""
    final_trial_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Seconds of the longest trials, with which it ends."""
    duration_sum_s: Annotated[float, Field(gt=0)] = 21.0
    """Seconds of trials at one load that decide whether it is a bound. The longer, the surer and the slower."""
    exceed_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of that time which trials that miss the goal may take at a lower bound; 0 demands that none does."""
    preceding_targets: Annotated[int, Field(ge=0, le=10)] = 2
    """How many coarser searches lead to the final one."""
    expansion_coefficient: Annotated[int, Field(ge=2)] = 2
    """By what the width grows when a bound has to be looked for further away."""
    warm_up_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    """Seconds of one trial at the maximum load before the search, which does not count; 0 for none."""
    timeout_s: Annotated[float, Field(gt=0)] = 1200.0
    """Seconds after which a search that has not ended is given up, as an error."""
    minimum_load: Annotated[float, Field(gt=0, lt=1)] = 0.001
    """The smallest load that is tried, as a share of the line rate, which is the largest. (The library's own default
    is 9001 packets/s, whatever the link.)"""

    @model_validator(mode="after")
    def _durations_fit(self) -> SearchParameters:
        if self.final_trial_s < self.initial_trial_s:
            raise ValueError(
                f"final_trial_s ({self.final_trial_s:g}) must not be below initial_trial_s ({self.initial_trial_s:g})"
            )
        if self.duration_sum_s < self.final_trial_s:
            raise ValueError(
                f"duration_sum_s ({self.duration_sum_s:g}) must not be below final_trial_s ({self.final_trial_s:g})"
            )
        if not self.preceding_targets and self.initial_trial_s < self.duration_sum_s:
            raise ValueError("preceding_targets must not be 0 unless initial_trial_s is duration_sum_s")
        return self
