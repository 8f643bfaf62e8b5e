"""The kinds of test that a claim can be put to: each a pure function of one curve.

Every kind says in :class:`Bars` what each of its verdicts asks for; the report prints it.
Tolerances come from three places:

- 10 % where the paper says "about", "approximately constant" or "not significantly": the spread
  from which pyperf calls a measurement unstable. The paper ran each cell once and gives no
  spread, so values closer than that cannot be told apart.
- 5 % for a step from one cell to its neighbour: twice the standard deviation of the difference of
  two cells that the paper itself calls approximately constant (800 B, one to four middleboxes:
  1.9 % of their mean each).
- 1 % for a link that is full and for frames that have all arrived: as in the flags of a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import fmean
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from middlebench.analysis.claims.findings import Finding, Verdict, graded, untestable
from middlebench.analysis.data.curves import PERCENT, Curve
from middlebench.model.frames import FULL
from middlebench.model.options import Options
from middlebench.system.text import percent

NOISE = 0.10
STEP = 0.05
SIGNIFICANCE = 0.05
"""Of the trend test: how often it may see a tendency where there is none."""

LEAST_PROBABILITY = 0.001
"""Below which a reader is not told a p-value itself."""

FEWEST_POINTS = 3
"""Points that a shape needs."""

Tolerance = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Bars:
    """What the verdicts of one kind of test ask for."""

    figure: str
    """How a reader is told the figure: a format of ``value`` and ``unit``."""
    reproduced: str
    same_shape: str
    """Empty where the kind has no such verdict."""


class Level(Options):
    """The values are about as large as stated."""

    bars: ClassVar = Bars(
        "mean {value:g} {unit}",
        "every value is within the tolerance of the one stated",
        "at least three values, all within 10 % of their own mean, but at another level",
    )
    kind: Literal["level"]
    about: float
    """In the unit of the values."""
    within: Tolerance = NOISE

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; their mean is the figure."""
        values = [value for _, value in curve.points]
        if curve.wanted:
            return untestable(f"there is no cell at {listed(curve, curve.wanted)}")
        if not values:
            return _too_few(curve, 1)
        mean = fmean(values)
        flat = len(values) >= FEWEST_POINTS and _within(values, mean, NOISE)
        verdict = graded(_within(values, self.about, self.within), flat)
        off = " to ".join(percent(value / self.about - 1, "+.1") for value in sorted({min(values), max(values)}))
        return Finding(verdict, mean, curve.unit, f"{_range(curve)}: {off} from {self.about:g} {curve.unit}")


class Flat(Options):
    """The values do not depend on the place."""

    bars: ClassVar = Bars(
        "up to {value:g} {unit} from the mean", "at least three values, all within the tolerance of their mean", ""
    )
    kind: Literal["flat"]
    within: Tolerance = NOISE

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; the greatest distance from their mean, in per cent of it, is the figure."""
        values = [value for _, value in curve.points]
        if len(values) < FEWEST_POINTS:
            return _too_few(curve)
        mean = fmean(values)
        if mean <= 0:
            return Finding(Verdict.NOT_REPRODUCED, float("nan"), "%", "nothing was counted")
        farthest = max(abs(value / mean - 1) for value in values)
        verdict = graded(farthest <= self.within)
        evidence = f"{_range(curve)}: up to {percent(farthest, '.1')} from their mean, {curve.show(mean)}"
        return Finding(verdict, farthest * PERCENT, "%", evidence)


class Trend(Options):
    """The values rise, or fall, from each place to the next."""

    bars: ClassVar = Bars(
        "{value:+g} {unit} from first to last",
        "at least three values, no step against the direction by more than the tolerance, and from the first to the "
        "last a change of more than 10 %",
        "some steps go against it, but the Mann-Kendall trend test (Kendall's tau against the place, one-sided, 5 %) "
        "sees the tendency",
    )
    kind: Literal["trend"]
    direction: Literal["rising", "falling"]
    tolerance: Tolerance = STEP

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; the change from the first to the last, in per cent, is the figure."""
        from scipy import stats  # here, because it takes as long as all else together

        if len(curve.points) < FEWEST_POINTS:
            return _too_few(curve)
        places, values = zip(*curve.points, strict=True)
        if values[0] <= 0:
            return untestable(f"nothing was counted at {curve.place(places[0])}")
        sign = 1 if self.direction == "rising" else -1
        change = values[-1] / values[0] - 1
        against = [step for step in _steps(curve) if -sign * step[0] > self.tolerance]
        test = stats.kendalltau(places, values, alternative="greater" if sign > 0 else "less")
        verdict = graded(not against and sign * change > NOISE, bool(test.pvalue < SIGNIFICANCE))
        ends = [f"{curve.show(value)} at {curve.place(place)}" for place, value in (curve.points[0], curve.points[-1])]
        steps = f"steps against it by more than {percent(self.tolerance)}: {len(against)} of {len(places) - 1}"
        if against:
            steps += f", the worst {max(against, key=lambda step: abs(step[0]))[1]}"
        least = LEAST_PROBABILITY
        p = f"p = {test.pvalue:.2g}" if test.pvalue >= least else f"p < {least:g}"
        evidence = f"{', '.join(ends)}; {steps}; Kendall's tau {test.statistic:+.2f} ({p})"
        return Finding(verdict, change * PERCENT, "%", evidence)


class Setback(Options):
    """Where the values do not rise, or fall, as they should, they go back only a little."""

    bars: ClassVar = Bars(
        "back by {value:g} {unit} at most", "no step goes against the direction by more than the tolerance", ""
    )
    kind: Literal["setback"]
    direction: Literal["rising", "falling"]
    at_most: Tolerance = NOISE

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; the largest step against the direction, in per cent, is the figure."""
        if len(curve.points) < FEWEST_POINTS:
            return _too_few(curve)
        sign = 1 if self.direction == "rising" else -1
        change, words = max(_steps(curve), key=lambda step: -sign * step[0])
        back = max(0.0, -sign * change)
        evidence = f"the largest step against it is {words}" if back else "no step goes against it"
        return Finding(graded(back <= self.at_most), back * PERCENT, "%", evidence)


class Bound(Options):
    """No value is above a bound."""

    bars: ClassVar = Bars(
        "{value:g} {unit} at most", "every value is at most the bound", "at least half of the values are"
    )
    kind: Literal["bound"]
    at_most: float

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; the greatest is the figure."""
        if not curve.points:
            return _too_few(curve, 1)
        above = [place for place, value in curve.points if value > self.at_most]
        verdict = graded(not above, 2 * len(above) <= len(curve.points))
        scale = PERCENT if curve.unit == "%" else 1.0
        evidence = f"{_range(curve)}; above {curve.show(self.at_most)}: {listed(curve, above) or 'none'}"
        return Finding(verdict, max(value for _, value in curve.points) * scale, curve.unit, evidence)


class Onset(Options):
    """From a place on, and not before it, the values reach a threshold."""

    bars: ClassVar = Bars(
        "from {value:g} {unit} on",
        "the threshold is reached from the stated place on (the nearest place at or above it that was swept) and "
        "nowhere before",
        "it is reached from another place on, but not at the first one",
    )
    kind: Literal["onset"]
    place: int
    at_least: float = FULL

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; the place from which on all reach the threshold is the figure."""
        places = [place for place, _ in curve.points]
        expected = min((place for place in places if place >= self.place), default=None)
        if expected is None or places[0] >= self.place:
            return untestable(f"it needs cells below {curve.place(self.place)} and from there on")
        short = [place for place, value in curve.points if value < self.at_least]
        after = [place for place in places if not short or place > short[-1]]
        reached_before = [place for place in places if place not in short and after and place < after[0]]
        onset = after[0] if after else None
        verdict = graded(onset == expected and not reached_before, onset not in (None, places[0]))
        best = max(value for _, value in curve.points)
        held = f"not held up to {curve.place(places[-1])}" if onset is None else f"held from {curve.place(onset)} on"
        evidence = f"{curve.show(self.at_least)} is {held}; the most is {curve.show(best)}"
        if reached_before:
            evidence += f"; reached before, too, at {listed(curve, reached_before)}"
        unit = "B" if curve.along == "frame_bytes" else "middleboxes"
        return Finding(verdict, float("nan") if onset is None else float(onset), unit, evidence)


class Knee(Options):
    """The values stay about the same up to a place, and are lower beyond it."""

    bars: ClassVar = Bars(
        "up to {value:g} {unit}",
        "all values up to the stated place (the nearest place at or below it that was swept) are within the tolerance "
        "of the first, and all beyond it are lower by more than that",
        "at least two values are flat in that sense and the last one is lower, but the knee is elsewhere, or a value "
        "beyond it is back on the level",
    )
    kind: Literal["knee"]
    place: int | Literal["cores"]
    """`cores`: the number of processors that the middlebox server has."""
    tolerance: Tolerance = NOISE

    def judge(self, curve: Curve) -> Finding:
        """Return what the values say; the last place of the plateau is the figure."""
        if isinstance(self.place, str):
            return untestable("how many processors the server has is not known")
        places = [place for place, _ in curve.points]
        before = [place for place in places if place <= self.place]
        if not before or len(places) == len(before):
            return untestable(f"it needs cells up to {curve.place(self.place)} and beyond")
        level = curve.points[0][1]
        if level <= 0:
            return untestable(f"nothing was counted at {curve.place(places[0])}")
        relative = {place: value / level for place, value in curve.points}
        off = [place for place in places if abs(relative[place] - 1) > self.tolerance]
        flat = [place for place in places if not off or place < off[0]]
        beyond = [place for place in places if place > flat[-1]]
        back = [place for place in beyond if relative[place] >= 1 - self.tolerance]
        drops = bool(beyond) and beyond[-1] not in back
        shares = (f"{percent(relative[place])} at {curve.place(place)}" for place in [*flat[1:], *beyond[:2]])
        evidence = f"of the {curve.show(level)} at {curve.place(places[0])}: {', '.join(shares)}"
        if back:
            evidence += f"; back on the level at {listed(curve, back)}"
        figure = float(flat[-1])
        if len(before) < 2:
            verdict = Verdict.NOT_TESTABLE
            evidence = f"up to {curve.place(self.place)} there is only one point, and no plateau to be seen; {evidence}"
        else:
            verdict = graded(drops and flat[-1] == before[-1] and not back, drops and len(flat) >= 2)
        return Finding(verdict, figure, "middleboxes" if curve.along == "n" else "B", evidence)


class Ratio(Options):
    """One value is a stated fraction of another."""

    bars: ClassVar = Bars(
        "{value:g} {unit}",
        "the fraction is within the tolerance of the one stated",
        "it is on the same side of 1, by more than 10 %",
    )
    kind: Literal["ratio"]
    of: int
    """Place of the value above the line."""
    over: int
    """Place of the value below it."""
    about: float
    within: Tolerance = 2 * NOISE

    def judge(self, curve: Curve) -> Finding:
        """Return what the two values say; their ratio, in per cent, is the figure."""
        values = dict(curve.points)
        missing = [place for place in (self.of, self.over) if place not in values]
        if missing:
            return untestable(f"there is no cell at {listed(curve, missing)}")
        if values[self.over] <= 0:
            return untestable(f"nothing was counted at {curve.place(self.over)}")
        ratio = values[self.of] / values[self.over]
        same_side = ratio < 1 - NOISE if self.about < 1 else ratio > 1 + NOISE
        verdict = graded(abs(ratio / self.about - 1) <= self.within, same_side)
        evidence = (
            f"{curve.show(values[self.of])} at {curve.place(self.of)} over {curve.show(values[self.over])} at "
            f"{curve.place(self.over)}; {ratio / self.about:.3g} times the fraction stated"
        )
        return Finding(verdict, ratio * PERCENT, "%", evidence)


Kind = Level | Flat | Trend | Setback | Bound | Onset | Knee | Ratio
KINDS: tuple[type[Kind], ...] = get_args(Kind)


def _steps(curve: Curve) -> list[tuple[float, str]]:
    """Return the way from each point of a curve to the next: the change, over where it begins, and that in words."""
    steps = []
    for (start, before), (end, after) in pairwise(curve.points):
        change = after / before - 1 if before > 0 else inf if after > 0 else 0.0
        steps.append((change, f"{percent(change, '+.1')} from {curve.place(start)} to {curve.place(end)}"))
    return steps


def _within(values: Sequence[float], level: float, tolerance: float) -> bool:
    return all(abs(value - level) <= tolerance * abs(level) for value in values)


def _too_few(curve: Curve, needed: int = FEWEST_POINTS) -> Finding:
    return untestable(f"at {curve.where()} it needs {needed} or more {curve.cells} and has {len(curve.points)}")


def _range(curve: Curve) -> str:
    """Return the least and the greatest value, with their places."""
    (low_place, low), (high_place, high) = (choose(curve.points, key=lambda point: point[1]) for choose in (min, max))
    if low_place == high_place:
        return f"{curve.show(low)} at {curve.place(low_place)}"
    return f"{curve.show(low)} ({curve.place(low_place)}) to {curve.show(high)} ({curve.place(high_place)})"


def listed(curve: Curve, places: Sequence[int]) -> str:
    """Return places along a curve as a reader calls them."""
    return ", ".join(curve.place(place) for place in places)
