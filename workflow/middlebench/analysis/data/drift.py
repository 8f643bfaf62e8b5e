"""Whether the instrument stayed the same while cells were measured, told by its controls.

Pure: a table of controls and a table of measurements go in, the controls' deviations and the cells that
lie between deviating ones come out. Controls of one kind and frame size are a *series*; each value is
seen relative to the median of its series, so that series of any level lie in one picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from middlebench.analysis.data import flags
from middlebench.analysis.data.intervals import CONFIDENCE
from middlebench.model.controls import CONTROL_BAND, Control, is_outside

FEWEST_FOR_SLOPE = 3
"""Controls of one series below which a slope says nothing."""

SECONDS_PER_HOUR = 3600.0

COLUMNS = ("environment", "series", "kind", "frame_bytes", "session", "sequence", "time", "kpps")


TRENDS = (
    *("control", "controls", "kpps", "scatter_percent"),
    *("percent_per_hour", "percent_per_hour_low", "percent_per_hour_high", "outside", "environment"),
)


def table_of(controls: Iterable[Control]) -> pd.DataFrame:
    """Return controls as a table, in the order in which they were measured; of links only nothing is received.

    Returns:
        Columns environment, series, kind, frame_bytes, session, sequence, time (UTC), kpps (received, kpkt/s).
    """
    rows = [
        (
            *(control.environment, f"{control.kind}, {control.frame_bytes} B", control.kind, control.frame_bytes),
            *(control.session, control.sequence, control.started_at),
            kpps,
        )
        for control in controls
        if (kpps := control.received_kpps) is not None
    ]
    types = {"environment": str, "series": str, "session": str, "sequence": int}
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)
    table["time"] = _moments(table["time"])
    return table.sort_values(["sequence", "series"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Drift:
    """What the controls say of the time in which cells were measured."""

    controls: pd.DataFrame
    """As :func:`table_of` returns them, with: brackets (whether a cell lies next to it), relative (its rate over the
    median of those of its series that bracket cells), outside (whether it brackets a cell and is out of the band)."""
    marked: NDArray[np.bool_]
    """Of each cell, whether a control next to it, before or after, is outside of the band."""
    bracketed: NDArray[np.bool_]
    """Of each cell, whether its run has a control of every series both before and after it."""
    one_sided: NDArray[np.bool_]
    """Of each cell, whether its run has controls, but of some series only before it or only after it."""

    def trends(self) -> pd.DataFrame:
        """Return how each series changes with time, over the controls that bracket cells.

        Returns:
            Columns control (the series), controls (how many), kpps (their median rate in kpkt/s), scatter_percent
            (robust standard deviation over the median: 1.4826 times the median distance from the median),
            percent_per_hour (change over the median, by Theil and Sen) with the ends of its 95 % interval (all three
            missing for few controls), outside (how many are outside of the band), and environment: controls of two are
            never seen as one series.
        """
        used = self.controls[self.controls["brackets"]]
        return pd.DataFrame([_trend(each) for _, each in used.groupby(["environment", "series"])], columns=list(TRENDS))


def drift_of(controls: pd.DataFrame, measurements: pd.DataFrame, band: float = CONTROL_BAND) -> Drift:
    """Return what controls say of cells.

    A cell is judged by the controls of its own run and environment alone: what the instrument was in
    another run, some other day, says nothing of it. Controls next to no cell, such as those around cells
    that were measured again since, are left out of every judgement.

    Args:
        controls: as :func:`table_of` returns them.
        measurements: the cells; those without a number or a run have no controls.
        band: how far a control may lie from the median of its series, over that median.
    """
    neighbours = _neighbours(controls, measurements)
    brackets = controls.index.isin(neighbours[["before", "after"]].stack())
    levels = controls[brackets].groupby(["environment", "series"])["kpps"].median().rename("level")
    level = controls.join(levels, on=["environment", "series"])["level"]
    outside = brackets & np.array([is_outside(*each, band) for each in zip(controls["kpps"], level, strict=True)], bool)
    sides = neighbours[["before", "after"]]
    of_series = pd.DataFrame(
        {
            "marked": sides.isin(controls.index[outside]).any(axis="columns"),
            "bracketed": sides.notna().all(axis="columns"),
            "beside": sides.notna().any(axis="columns"),
        }
    ).groupby(neighbours["cell"])
    judged = of_series.agg({"marked": "any", "bracketed": "all", "beside": "any"})
    judged = judged.reindex(range(len(measurements)), fill_value=False)
    return Drift(
        controls.assign(brackets=brackets, relative=controls["kpps"] / level, outside=outside),
        marked=judged["marked"].to_numpy(dtype=bool),
        bracketed=judged["bracketed"].to_numpy(dtype=bool),
        one_sided=(judged["beside"] & ~judged["bracketed"]).to_numpy(dtype=bool),
    )


def marked(measurements: pd.DataFrame, controls: Iterable[Control], band: float = CONTROL_BAND) -> pd.DataFrame:
    """Return the measurements with the flags of what controls say of them.

    These are ``drift`` for cells whose controls lie outside of the band, and ``controls-on-one-side`` for
    those that have none before or none after them.
    """
    drift = drift_of(table_of(controls), measurements, band)
    return flags.adding(flags.adding(measurements, flags.DRIFT, drift.marked), flags.ONE_SIDED, drift.one_sided)


def _neighbours(controls: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the controls next to each cell in the order of measuring, of its own run and environment.

    Returns:
        Columns cell (its row's number), before and after (the control's label in ``controls``, or missing); a row for
        each cell and series that its run has.
    """
    cells = pd.DataFrame(
        {
            "cell": range(len(measurements)),
            "environment": measurements["environment"],
            "session": measurements["session"],
            "sequence": measurements["sequence"].fillna(0).astype(int),
        }
    ).query("sequence > 0")
    run, series = ["environment", "session"], ["environment", "session", "series"]
    pairs = cells.merge(controls[series].drop_duplicates(), on=run).sort_values("sequence", kind="stable")
    known = controls[[*series, "sequence"]].assign(control=controls.index)
    before = pd.merge_asof(pairs, known, on="sequence", by=series, direction="backward")
    after = pd.merge_asof(pairs, known, on="sequence", by=series, direction="forward", allow_exact_matches=False)
    return before[["cell"]].assign(before=before["control"], after=after["control"])


def _moments(times: pd.Series[str]) -> pd.Series[Any]:
    """Return moments (ISO 8601) as such, in UTC; not a time where there is none."""
    return pd.to_datetime(times.replace("", None), utc=True, format="ISO8601").astype("datetime64[us, UTC]")


def _trend(controls: pd.DataFrame) -> tuple[Any, ...]:
    """Return the trend of one series, which single outliers do not turn."""
    from scipy import stats  # here, because it takes as long as all else together, and few want a trend

    relative = controls["relative"].to_numpy(dtype=float)
    hours = (controls["time"] - controls["time"].min()).dt.total_seconds().to_numpy() / SECONDS_PER_HOUR
    slope = (nan, nan, nan)
    if len(controls) >= FEWEST_FOR_SLOPE and np.isfinite(relative).all() and np.ptp(hours) > 0:
        found = stats.theilslopes(relative, hours, alpha=CONFIDENCE)
        slope = (float(found.slope), float(found.low_slope), float(found.high_slope))
    shares = (float(stats.median_abs_deviation(relative, scale="normal")), *slope)
    return (
        *(controls["series"].iloc[0], len(controls), float(controls["kpps"].median())),
        *(100 * share for share in shares),
        *(int(controls["outside"].sum()), controls["environment"].iloc[0]),
    )
