"""From measurements to their law: chosen, with intervals, errors, knees and what a reader must know."""

from __future__ import annotations

import numpy as np
import pandas as pd

from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.law.cells import Cells, cells_of
from middlebench.analysis.law.choice import FEWEST_CHAINS, Candidate, choose
from middlebench.analysis.law.fitting import Fit, fit, redrawn
from middlebench.analysis.law.knee import SHARE, Knee, knees
from middlebench.analysis.law.prediction import Basis, Predictor, predictor, robust_scale
from middlebench.analysis.law.resources import HopTime, resources_of
from middlebench.analysis.law.results import Errors, Estimate, Interval, Law, Tried
from middlebench.analysis.law.terms import PARAMETERS, Numbers, Shape
from middlebench.model.cell import AXES
from middlebench.model.mix import size_shown
from middlebench.system.text import percent

DRAWS = 200
"""Bootstrap samples: enough for the 95 % interval of a parameter, and one to two seconds of work."""

SEED = 1
ENDS = (0.025, 0.975)

FAR_OFF = 0.5
"""Median error of a left-out chain from which a reader is warned."""

UNKNOWN_SCATTER = 0.1
"""Relative standard deviation of a cell where neither repetitions nor a law tell it: that of an unstable one."""


def law_of_dataset(dataset: Dataset, share: float = SHARE) -> Law:
    """Return the law of a dataset, and what its counters say to it.

    ``share`` is that of the best rate, up to the knee.
    """
    law = law_of(dataset.measurements, dataset.name, dataset.link_bps, share)
    if mixes := sorted({str(size_shown(mix)) for mix in dataset.mixes["frame_mix"]}):
        remark = f"The law is of frames of one size; left out: {', '.join(mixes)}."
        law = law.model_copy(update={"remarks": (*law.remarks, remark)})
    if law.predictor is None:
        return law
    told = resources_of(law.predictor, law.hop_us, dataset.measurements, dataset.server_cpus)
    return law.model_copy(update={"resources": told})


def law_of(measurements: pd.DataFrame, dataset: str, link_bps: float | None = None, share: float = SHARE) -> Law:
    """Return the law of measurements of one kind of chain; without one where they are of too few chain lengths.

    ``link_bps`` is the line rate of its links in bits/s, ``share`` that of the best rate up to the knee.
    """
    one_kind, left_out = usual_kind(measurements)
    cells = cells_of(one_kind, link_bps)
    silent = ", ".join(f"n = {n} at {size} B" for n, size in cells.silent)
    law = Law(
        dataset=dataset,
        knee_share=share,
        chain_lengths=tuple(map(int, cells.chains)),
        frame_sizes=tuple(map(int, cells.sizes)),
        remarks=(*left_out, *([f"Nothing was received at {silent}: left out of the law."] if silent else [])),
    )
    if len(cells.chains) >= FEWEST_CHAINS:
        return law.model_copy(update=_found(cells, law))
    few = f"A law needs {FEWEST_CHAINS} chain lengths, and received frames were counted at {len(cells.chains)}."
    known = knees(cells, dict.fromkeys(law.chain_lengths, UNKNOWN_SCATTER) | _scatter(cells), share)
    return law.model_copy(update={"knee": known, "remarks": (*law.remarks, few)})


def usual_kind(measurements: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the measurements of the most frequent kind of chain, and a remark where there are others.

    A kind is what agrees in middlebox and in every axis of the sweep beside chain length and frame size: chains of
    different kinds are different machines to a law, and no repetitions of each other.
    """
    own = ["middlebox", *(axis.field for axis in AXES if axis.field not in ("n", "frame_bytes"))]
    fields = [field for field in own if field in measurements.columns]
    kinds = (
        measurements[fields].astype(str).agg(" · ".join, axis="columns") if len(measurements) else pd.Series(dtype=str)
    )
    if kinds.nunique() < 2:
        return measurements, ()
    usual = kinds.value_counts().sort_index().idxmax()
    others = sorted(set(kinds) - {usual})
    return measurements[kinds == usual], (f"The law is that of {usual}; left out: {', '.join(others)}.",)


def _found(cells: Cells, law: Law) -> dict[str, object]:
    """Return all that the best law says."""
    chosen, tried = choose(cells)
    predicting, calibration = predictor(chosen)
    draws = redrawn(chosen.whole, cells, DRAWS, SEED)
    shape, errors = chosen.whole.shape, _errors(chosen)
    sizes = [int(size) for size in cells.sizes]
    return {
        "formula": shape.formula,
        "parameters": _estimates(chosen.whole, draws),
        "errors": errors,
        "knee": _knees(chosen, law.knee_share, predicting),
        "terms": tuple(_told(each, chosen) for each in tried),
        "hop_us": {
            str(size): HopTime(
                value=chosen.whole.hop_us(size), interval=_interval([each.hop_us(size) for each in draws])
            )
            for size in sizes
            if shape.hops != "none"
        },
        "calibration": calibration,
        "remarks": (*law.remarks, *_far_off(errors)),
        "basis": Basis(**{name: getattr(predicting, name) for name in Basis.model_fields}),
    }


def estimates_of(shape: Shape, measurements: pd.DataFrame) -> dict[str, Estimate]:
    """Return the parameters of a given law for other measurements; none where these cannot tell them apart."""
    cells = cells_of(measurements)
    if not shape.can_be_told(len(cells.sizes), len(cells.chains)):
        return {}
    whole = fit(shape, cells)
    return _estimates(whole, redrawn(whole, cells, DRAWS, SEED))


def _told(each: Candidate, chosen: Candidate) -> Tried:
    shape = each.whole.shape
    return Tried(
        terms=shape.terms,
        formula=shape.formula,
        parameters=each.parameters,
        left_out_error=each.left_out_error,
        chosen=each is chosen,
    )


def _estimates(whole: Fit, draws: list[Fit]) -> dict[str, Estimate]:
    """Return each parameter with its interval."""
    return {
        name: Estimate(
            value=value,
            interval=_interval([each.values[name] for each in draws]),
            unit=PARAMETERS[name][0],
            meaning=PARAMETERS[name][1],
        )
        for name, value in whole.values.items()
    }


def _interval(values: list[float]) -> Interval:
    low, high = np.quantile(values, ENDS)
    return float(low), float(high)


def _errors(chosen: Candidate) -> Errors:
    """Return the errors of the time per frame."""
    cells = chosen.cells
    fitted, left_out = _relative(chosen.whole.residuals(cells)), _relative(chosen.left_out_residuals)
    return Errors(
        median=float(np.median(fitted)),
        p90=float(np.quantile(fitted, 0.9)),
        left_out_median={str(int(n)): float(np.median(left_out[cells.n == n])) for n in cells.chains},
    )


def _relative(residuals: Numbers) -> Numbers:
    """Return |predicted / measured - 1| of the time per frame, from the logarithm of the ratio of rates."""
    return np.abs(np.expm1(-residuals))


def _knees(chosen: Candidate, share: float, predicting: Predictor) -> dict[str, Knee]:
    """Return the knees, measured and predicted. A chain that was measured once is known as well as the law fits it."""
    cells, residuals = chosen.cells, chosen.whole.residuals(chosen.cells)
    misfit = {int(n): robust_scale(residuals[cells.n == n]) for n in cells.chains}
    found = {}
    for size, knee in knees(cells, misfit | _scatter(cells), share).items():
        best_mbps = predicting.mbps(1, int(size))[0]  # none rises with the length of the chain
        found[size] = knee.model_copy(update={"predicted": predicting.longest(share * best_mbps, int(size))[0]})
    return found


def _scatter(cells: Cells) -> dict[int, float]:
    return {n: spread.of_mean for n, spread in cells.spreads().items()}


def _far_off(errors: Errors) -> list[str]:
    """Return a warning of each chain that the others do not foresee."""
    return [
        f"A law that is fitted without n = {n} is {percent(error)} off there: it lies beside a break of the curve, or "
        "is unlike the others."
        for n, error in errors.left_out_median.items()
        if error >= FAR_OFF
    ]
