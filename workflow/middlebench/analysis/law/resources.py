"""Which resource binds: the law's term in each cell, held against the verdict of the counters.

The law sees rates alone, the verdict counters and processor time alone, so that each is a check of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from middlebench.analysis.data.intervals import interval_of
from middlebench.analysis.law.cells import offered_us
from middlebench.analysis.law.prediction import Predictor
from middlebench.model.options import Options
from middlebench.model.record import Cause

AGREEING: Mapping[str, frozenset[Cause]] = {
    "offered": frozenset(("offered load", "generator", "link")),
    "link": frozenset(("link",)),
    "port": frozenset(("link", "generator", "offered load", "switch")),
    "hops": frozenset(("server CPU", "switch", "middlebox")),
    "waiting": frozenset(("server CPU", "middlebox")),
    "square": frozenset(("server CPU", "switch")),
}
"""Verdicts that say of a cell what a term says."""

UNKNOWN: Cause = "unknown"


class HopTime(Options):
    """Time per frame and hop at one frame size, in µs."""

    value: float
    interval: tuple[float, float]
    """By bootstrap, 95 %."""


class Disagreement(Options):
    """A cell in which the law and the counters name different resources."""

    n: int
    frame_bytes: int
    term: str
    """That takes most of the time by the law."""
    bottleneck: str
    """The most frequent verdict of the cell's repetitions."""


class HopProcessor(Options):
    """Processor time of switch and middleboxes per frame and hop at one frame size, measured and by the law."""

    measured_us: float
    measured_interval: tuple[float, float] | None
    """95 %, of the mean over cells; None of a single one."""
    law_us: float
    """Time per frame and hop, on all of the server's processors."""
    law_interval: tuple[float, float]

    @property
    def agrees(self) -> bool:
        """Whether the intervals have a value in common."""
        low, high = self.measured_interval or (self.measured_us, self.measured_us)
        return low <= self.law_interval[1] and high >= self.law_interval[0]


class Resources(Options):
    """What the counters say to the law."""

    agreeing: int
    """Cells in which both name the same resource."""
    undecided: int
    """Cells of whose bottleneck the counters say nothing."""
    disagreeing: tuple[Disagreement, ...]
    hop_processor: dict[str, HopProcessor]
    """By frame size in bytes, of cells in which the hops bind."""


def bottlenecks(measurements: pd.DataFrame) -> dict[tuple[int, int], str]:
    """Return the most frequent verdict on each cell (n, frame size), unless it is none or unknown."""
    cells = measurements[measurements["n"] > 0].groupby(["n", "frame_bytes"])["bottleneck"]
    usual = {(int(str(n)), int(str(size))): Counter(verdicts).most_common(1)[0][0] for (n, size), verdicts in cells}
    return {cell: str(verdict) for cell, verdict in usual.items() if verdict not in ("", UNKNOWN)}


def binding_terms(predictor: Predictor, cells: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Return the term that takes most of the time of each cell (n, frame size) by the law."""
    listed = list(cells)
    n, size = (np.array([cell[axis] for cell in listed], dtype=float) for axis in (0, 1))
    terms = predictor.whole.shape.binding(predictor.whole.values, n, size, offered_us(predictor.offered, size))
    return dict(zip(listed, terms, strict=True))


def resources_of(
    predictor: Predictor,
    hop_us: Mapping[str, HopTime],
    measurements: pd.DataFrame,
    processors: int | None,
) -> Resources | None:
    """Return what counters say to a law; None where none were read, as of published data.

    ``hop_us`` is the time per frame and hop by the law, by frame size.
    """
    verdicts = bottlenecks(measurements)
    if not verdicts:
        return None
    terms = binding_terms(predictor, verdicts)
    disagreeing = [cell for cell, verdict in verdicts.items() if verdict not in AGREEING[terms[cell]]]
    measured = len(measurements[measurements["n"] > 0][["n", "frame_bytes"]].drop_duplicates())
    return Resources(
        agreeing=len(verdicts) - len(disagreeing),
        undecided=measured - len(verdicts),
        disagreeing=tuple(
            Disagreement(n=n, frame_bytes=size, term=terms[n, size], bottleneck=verdicts[n, size])
            for n, size in disagreeing
        ),
        hop_processor=_hop_processor(terms, hop_us, measurements, processors) if processors else {},
    )


def _hop_processor(
    terms: Mapping[tuple[int, int], str],
    hop_us: Mapping[str, HopTime],
    measurements: pd.DataFrame,
    processors: int,
) -> dict[str, HopProcessor]:
    """Return measured processor times beside those of the law, by frame size."""
    known = measurements.dropna(subset="hop_processor_us")
    places = zip(known["n"], known["frame_bytes"], strict=True)
    bound = known[np.array([terms.get((int(n), int(size))) == "hops" for n, size in places], dtype=bool)]
    times = {}
    for size, cells in bound.groupby("frame_bytes"):
        used_us = [float(each) for each in cells["hop_processor_us"]]
        by_law = hop_us[str(size)]
        times[str(size)] = HopProcessor(
            measured_us=float(np.mean(used_us)),
            measured_interval=interval_of(used_us),
            law_us=processors * by_law.value,
            law_interval=(processors * by_law.interval[0], processors * by_law.interval[1]),
        )
    return times
