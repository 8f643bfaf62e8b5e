"""Claim by claim, what a dataset says: the verdict on its means, and how far its repetitions agree with it.

Every test is put to the means of the cells. Where a dataset has complete repetitions (blocks that
hold each of its cells), it is put to each of them as well: their figures give an interval, their
verdicts say how firm the one on the means is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import median

import pandas as pd

from middlebench.analysis.claims.claim import Claim
from middlebench.analysis.claims.findings import Finding, Verdict, graded, untestable
from middlebench.analysis.claims.kinds import Kind, Knee, listed
from middlebench.analysis.data.curves import Curve, cells_of, curves_of
from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.data.intervals import Interval, interval_of

SEVERAL = (
    "A claim about several curves is reproduced when it is on every one of them; the same shape only when it is that, "
    "or more, on at least half. Its figure is their median; the figure of each stands in brackets."
)


def judge_curves(kind: Kind, curves: Sequence[Curve]) -> Finding:
    """Return what one or several curves say; see :data:`SEVERAL`."""
    findings = [(curve, judge_curve(kind, curve)) for curve in curves]
    if len(findings) == 1:
        return findings[0][1]
    testable = [finding for _, finding in findings if finding.verdict is not Verdict.NOT_TESTABLE]
    if not testable:
        reasons = [f"for one, at {curve.where()}: {finding.evidence}" for curve, finding in findings]
        return untestable(reasons[0] if reasons else "no such cell was measured")
    good = sum(finding.verdict is Verdict.REPRODUCED for finding in testable)
    fair = sum(finding.verdict is Verdict.SAME_SHAPE for finding in testable)
    verdict = graded(good == len(testable), 2 * (good + fair) >= len(testable))
    evidence = "; ".join(f"{each} at {', '.join(places)}" for each in Verdict if (places := _places(findings, each)))
    figures = [finding.figure for finding in testable if isfinite(finding.figure)]
    return Finding(verdict, median(figures) if figures else nan, testable[0].unit, evidence)


def _places(findings: Sequence[tuple[Curve, Finding]], verdict: Verdict) -> list[str]:
    """Return where a verdict was given, each place with its figure."""
    return [
        curve.where() + (f" ({finding.figure:.3g})" if isfinite(finding.figure) else "")
        for curve, finding in findings
        if finding.verdict is verdict
    ]


def judge_curve(kind: Kind, curve: Curve) -> Finding:
    """Return what one curve says, if the chain was its limit and not the generator."""
    if curve.at_generators_limit:
        return untestable(
            f"all that the generator offered has arrived at {listed(curve, curve.at_generators_limit)}: "
            "what the chain can carry there is not known"
        )
    return kind.judge(curve)


@dataclass(frozen=True)
class Judgement:
    """One claim, put to one dataset."""

    claim: Claim
    finding: Finding
    """Of the means over repetitions."""
    interval: Interval | None
    """Of the figure, over complete repetitions; None with fewer than two."""
    repetitions: int
    """Complete repetitions."""
    agreeing: int
    """Those that give the same verdict by themselves."""


def judge(claims: Sequence[Claim], dataset: Dataset) -> list[Judgement]:
    """Return what a dataset says to each claim."""
    means = cells_of(dataset.measurements, dataset.link_bps)
    blocks = [cells_of(block, dataset.link_bps) for block in complete_repetitions(dataset.measurements)]
    return [_judge(claim, _for_server(claim.test, dataset.server_cpus), means, blocks) for claim in claims]


def complete_repetitions(measurements: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the repetitions that hold every cell, each as measurements of its own."""
    cells = len(measurements[["n", "frame_bytes"]].drop_duplicates())
    return [block for _, block in measurements.groupby("repetition") if len(block) == cells]


def _judge(claim: Claim, kind: Kind, means: pd.DataFrame, blocks: Sequence[pd.DataFrame]) -> Judgement:
    """Put a claim to the means of the cells, and to each complete repetition by itself if there are several."""
    finding = judge_curves(kind, curves_of(claim.curve, means))
    single = [judge_curves(kind, curves_of(claim.curve, block)) for block in blocks] if len(blocks) > 1 else [finding]
    return Judgement(
        claim=claim,
        finding=finding,
        interval=interval_of([each.figure for each in single]),
        repetitions=len(single),
        agreeing=sum(each.verdict is finding.verdict for each in single),
    )


def _for_server(kind: Kind, cpus: int | None) -> Kind:
    """Return a test with the number of the server's processors in the place of `cores`, if it is known."""
    if isinstance(kind, Knee) and kind.place == "cores" and cpus is not None:
        return kind.model_copy(update={"place": cpus})
    return kind
