"""The file ``law.json``: the law of one dataset, how good it is, its knees, and what its predictions rest on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from middlebench.analysis.law.knee import Knee
from middlebench.analysis.law.prediction import Basis, Calibration, Predictor
from middlebench.analysis.law.resources import HopTime, Resources
from middlebench.model.options import Options

FILE = "law.json"

Interval = tuple[float, float]
"""The ends of a 95 % interval."""


class Estimate(Options):
    """One parameter of the law."""

    value: float
    interval: Interval
    """By bootstrap over cells and their repetitions."""
    unit: str
    meaning: str


class Errors(Options):
    """How far off the law is, as a share of the measured time per frame."""

    median: float
    p90: float
    """Nine of ten cells are within it."""
    left_out_median: dict[str, float]
    """By chain length: the median error of the cells of this chain, predicted by a law that was fitted without it."""


class Tried(Options):
    """One law that was tried."""

    terms: tuple[str, ...]
    formula: str
    parameters: int
    left_out_error: float
    """Mean error of left-out chains, each counted alike."""
    chosen: bool


class Law(Options):
    """The law of one kind of chain in one dataset."""

    format: Literal["middlebench-law/1"] = "middlebench-law/1"
    dataset: str
    formula: str = ""
    """The time per frame t in µs, of chain length n and frame size s in bytes; never less than the generator's.
    Empty where too few chain lengths were measured."""
    parameters: dict[str, Estimate] = Field(default_factory=dict)
    errors: Errors | None = None
    knee_share: float
    """The share of the best rate that a chain up to the knee delivers."""
    knee: dict[str, Knee] = Field(default_factory=dict)
    """By frame size in bytes."""
    terms: tuple[Tried, ...] = ()
    """The laws that were tried, best first."""
    hop_us: dict[str, HopTime] = Field(default_factory=dict)
    """Time per frame and hop, b + c·s, by frame size in bytes."""
    chain_lengths: tuple[int, ...] = ()
    """That were measured."""
    frame_sizes: tuple[int, ...] = ()
    calibration: Calibration | None = None
    resources: Resources | None = None
    """What counters say to it; None where there is no law, or nothing was counted."""
    remarks: tuple[str, ...] = ()
    """What a reader must know before using the law."""
    basis: Basis | None = Field(default=None, repr=False)

    @property
    def predictor(self) -> Predictor | None:
        """What predicts cells; None where there is no law."""
        if self.basis is None:
            return None
        return Predictor(
            **dict(self.basis),
            values={name: each.value for name, each in self.parameters.items()},
            lengths=(min(self.chain_lengths), max(self.chain_lengths)),
            sizes=(min(self.frame_sizes), max(self.frame_sizes)),
        )
