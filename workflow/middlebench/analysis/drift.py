"""Whether the instrument stayed the same while cells were measured, told by its controls.

Pure: a table of controls and a table of measurements go in, the controls' deviations and the cells that
lie between deviating ones come out. Controls of one kind and frame size are a *series*; each value is
seen relative to the median of its series, so that series of any level lie in one picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from middlebench.analysis import flags
from middlebench.analysis.intervals import CONFIDENCE, Interval
from middlebench.controls.log import CONTROL_BAND, Control

FEWEST_FOR_SLOPE = 3
"""Controls of one series below which a slope says nothing."""

SECONDS_PER_HOUR = 3600.0

COLUMNS = ("environment", "series", "kind", "frame_bytes", "session", "time", "kpps")


@dataclass(frozen=True)
class Slope:
    """How one series changes with time."""

    environment: str
    """Id of the environment: controls of two are never seen as one series."""
    series: str
    controls: int
    level_kpps: float
    """Median received rate in kpkt/s."""
    scatter: float
    """Robust standard deviation over the median: 1.4826 times the median distance from the median."""
    per_hour: float
    """Change an hour, over the median (Theil-Sen); missing for few controls."""
    interval: Interval | None
    """The 95 % interval of the change an hour; None for few controls."""
    outside: int
    """Controls outside of the band."""


def table_of(controls: Iterable[Control]) -> pd.DataFrame:
    """Return controls as a table, in the order of time.

    Returns:
        Columns environment, series, kind, frame_bytes, session, time (UTC), kpps (received, kpkt/s).
    """
    rows = [
        {
            "environment": control.environment,
            "series": f"{control.kind}, {control.frame_bytes} B",
            "kind": control.kind,
            "frame_bytes": control.frame_bytes,
            "session": control.session,
            "time": control.started_at,
            "kpps": control.counts.received_packets / control.counts.window_s / 1e3,
        }
        for control in controls
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["time"] = pd.to_datetime(table["time"], utc=True, format="ISO8601")
    return table.sort_values(["time", "series"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Drift:
    """What the controls say of the time in which cells were measured."""

    controls: pd.DataFrame
    """As :func:`table_of` returns them, with: brackets (whether a cell lies next to it), relative (its rate over the
    median of those of its series that bracket cells), outside (whether it brackets a cell and is out of the band)."""
    marked: NDArray[np.bool_]
    """Of each cell, whether a control next to it, before or after, is outside of the band."""
    bracketed: NDArray[np.bool_]
    """Of each cell, whether it has a control of every series both before and after it."""

    def slopes(self) -> list[Slope]:
        """Return the trend of each series, over the controls that bracket cells."""
        used = self.controls[self.controls["brackets"]]
        return [_slope(each) for _, each in used.groupby(["environment", "series"])]


def drift_of(controls: pd.DataFrame, measurements: pd.DataFrame, band: float = CONTROL_BAND) -> Drift:
    """Return what controls say of cells.

    Controls next to no cell, such as those around cells that were measured again since, are left out
    of every judgement. A cell is judged by the controls of its own environment.

    Args:
        controls: as :func:`table_of` returns them.
        measurements: the cells; those of unknown time are never marked.
        band: how far a control may lie from the median of its series, over that median.
    """
    moments = _moments(measurements["started_at"])
    environments = measurements["environment"].to_numpy()
    marked = np.zeros(len(moments), dtype=bool)
    bracketed = ~np.isnat(moments) & np.isin(environments, controls["environment"])
    judged = controls.assign(brackets=False, relative=np.nan, outside=False)
    for _, series in controls.groupby(["environment", "series"]):
        cells = ~np.isnat(moments) & (environments == series["environment"].iloc[0])
        times = _moments(series["time"])
        after = np.searchsorted(times, moments[cells], side="right")
        before = after - 1
        has_before, has_after = before >= 0, after < len(times)
        used = np.unique(np.concatenate([before[has_before], after[has_after]]))
        rates = series["kpps"].to_numpy(dtype=float)
        level = float(np.median(rates[used])) if len(used) else float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = rates / level
        brackets = np.isin(np.arange(len(times)), used)
        outside = brackets & ~(np.abs(relative - 1) <= band)
        judged.loc[series.index, ["brackets", "relative", "outside"]] = pd.DataFrame(
            {"brackets": brackets, "relative": relative, "outside": outside}, index=series.index
        )
        padded = np.append(outside, False)  # -1 and the end: no control there
        marked[cells] |= padded[np.where(has_before, before, -1)] | padded[np.where(has_after, after, -1)]
        bracketed[cells] &= has_before & has_after
    return Drift(judged.astype({"brackets": bool, "outside": bool}), marked, bracketed)


def marked(measurements: pd.DataFrame, controls: Iterable[Control], band: float = CONTROL_BAND) -> pd.DataFrame:
    """Return the measurements with the flag ``drift`` on the cells whose controls lie outside of the band."""
    drift = drift_of(table_of(controls), measurements, band)
    return flags.adding(measurements, flags.DRIFT, drift.marked)


def _moments(times: pd.Series[Any]) -> NDArray[np.datetime64]:
    """Return moments (ISO 8601 or times) as NumPy's, in UTC; not a time where there is none."""
    return pd.to_datetime(times.replace("", None), utc=True, format="ISO8601").dt.tz_localize(None).to_numpy()


def _slope(controls: pd.DataFrame) -> Slope:
    """Return the trend of one series by Theil and Sen, which single outliers do not turn."""
    relative = controls["relative"].to_numpy(dtype=float)
    level = float(controls["kpps"].median())
    hours = (controls["time"] - controls["time"].min()).dt.total_seconds().to_numpy() / SECONDS_PER_HOUR
    per_hour, interval = float("nan"), None
    if len(controls) >= FEWEST_FOR_SLOPE and np.isfinite(relative).all() and np.ptp(hours) > 0:
        found = stats.theilslopes(relative, hours, alpha=CONFIDENCE)
        per_hour, interval = float(found.slope), Interval(float(found.low_slope), float(found.high_slope))
    return Slope(
        environment=str(controls["environment"].iloc[0]),
        series=str(controls["series"].iloc[0]),
        controls=len(controls),
        level_kpps=level,
        scatter=float(stats.median_abs_deviation(relative, scale="normal")),
        per_hour=per_hour,
        interval=interval,
        outside=int(controls["outside"].sum()),
    )
