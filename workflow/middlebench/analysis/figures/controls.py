"""What the report shows of the controls: a picture over time, a table of trends, and a summary in words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from middlebench.analysis.data.drift import Drift
from middlebench.analysis.data.flags import ONE_SIDED
from middlebench.analysis.figures import style
from middlebench.analysis.tables.table import Table
from middlebench.diagnosis.processors import links_share
from middlebench.model.controls import Control
from middlebench.system.text import percent, plural

AGAIN = "make remeasure"
"""the command that archives marked cells and measures them again."""
MARGIN = 0.05
"""Of the y axis, beyond the band and all that is drawn."""
TICK_HEIGHT = 0.03
"""Of the axes; a tick stands for one cell. One near drift is twice as high, to be told apart without colour."""
PER_CENT = 100.0


@style.styled
def controls_figure(drift: Drift, measurements: pd.DataFrame, band: float, testbed: str, note: str = "") -> Figure:
    """Return the controls over time with their band, and the moments of the cells below.

    ``band`` is how far a control may lie from the median of its series, over that median.
    """
    figure, (axes,) = style.new_figure()
    shown = drift.controls.dropna(subset="relative")
    looks = cycle([*style.MEASURED_STYLES, style.PUBLISHED_STYLE])
    for (_, series), look in zip(shown.groupby(["environment", "series"]), looks, strict=False):
        axes.plot(series["time"], series["relative"], look.linestyle, color=look.color, alpha=0.4)
        for brackets, alpha in ((True, 1.0), (False, 0.25)):
            part = series[series["brackets"] == brackets]
            label = str(series["series"].iloc[0]) if brackets else ""
            axes.plot(part["time"], part["relative"], look.marker, color=look.color, alpha=alpha, label=label)
        out = series[series["outside"]]
        axes.plot(out["time"], out["relative"], "o", markersize=13, markerfacecolor="none", color=style.VERMILLION)
    label = f"band, ± {band * PER_CENT:g} % of the median"
    axes.axhspan(1 - band, 1 + band, color=style.GREY, alpha=0.12, linewidth=0, label=label)
    moments = pd.to_datetime(measurements["started_at"].replace("", None), utc=True, format="ISO8601")
    below_axes = mpl.transforms.blended_transform_factory(axes.transData, axes.transAxes)
    for marked, color, what in ((False, style.GREY, "a cell"), (True, style.VERMILLION, "a cell near drift")):
        chosen = moments[(drift.marked == marked) & moments.notna()]
        if len(chosen):
            height = TICK_HEIGHT * (1 + marked)
            axes.vlines(chosen, 0, height, color=color, linewidth=0.8, transform=below_axes, label=what)
    low = min([1 - band, *shown["relative"]])
    axes.set_ylim(max(0.0, low - MARGIN), max([1 + band, *shown["relative"]]) + MARGIN)
    axes.set(xlabel="time (UTC)", ylabel="received rate over the median of its kind")
    if shown.empty:
        axes.text(0.5, 0.5, "no control beside these cells", transform=axes.transAxes, ha="center", color=style.GREY)
    figure.legend(loc="outside lower left", ncols=3)
    subtitle = f"testbed {testbed} · pale: beside no cell · circled: outside of the band"
    style.set_title(axes, style.noted("Controls over time", note), subtitle)
    return figure


def trends_table(drift: Drift, testbed: str) -> Table:
    """Return the level, scatter and trend of each series of controls as a table for readers."""
    headings = {
        "control": "Control",
        "controls": "Controls beside cells",
        "kpps": "Median [kpkt/s]",
        "scatter_percent": "Scatter [%]",
        "percent_per_hour": "Trend [%/h]",
        "percent_per_hour_low": "Low (95 %)",
        "percent_per_hour_high": "High (95 %)",
        "outside": "Outside of the band",
        "environment": "Environment",
    }
    caption = (
        f"Controls of testbed {testbed}: scatter is the robust standard deviation over the median (1.4826 times the "
        "median distance from it); the trend is the median slope of all pairs, over the median (Theil and Sen)"
    )
    return Table(drift.trends(), headings, caption, widths={"control": 0.2, "environment": 0.12})


def describe(drift: Drift, band: float) -> str:
    """Return in a few sentences what the controls say of the cells, and what to do about it."""
    if drift.controls.empty:
        return "No control was measured: whether the instrument drifted is not known."
    cells, marked = len(drift.marked), int(drift.marked.sum())
    bracketed, one_sided = int(drift.bracketed.sum()), int(drift.one_sided.sum())
    sentences = [
        f"{bracketed} of {cells} cells have controls of every kind, measured in the same run, both before and after "
        "them."
    ]
    if one_sided:
        sentences.append(
            f"{plural(one_sided, 'cell')}, flagged `{ONE_SIDED}`, {'has' if one_sided == 1 else 'have'} them only on "
            "one side, as in a run that was interrupted: drift on the other side would not have been seen."
        )
    if without := cells - bracketed - one_sided:
        sentences.append(
            f"{plural(without, 'cell')} {'was' if without == 1 else 'were'} measured in a run of which no control is "
            "known: whether the instrument drifted meanwhile is not known either."
        )
    if "back-to-back" not in set(drift.controls["kind"]):
        sentences.append(
            "The generator alone was not measured: this testbed has no cable from the test computer to itself."
        )
    told = drift.trends()[["control", "percent_per_hour", "percent_per_hour_low", "percent_per_hour_high"]].dropna()
    trends = [
        f"The control *{name}* changes by {change:+.1f} % an hour (95 % interval {low:+.1f} % to {high:+.1f} %)."
        for name, change, low, high in told.itertuples(index=False, name=None)
        if not low <= 0 <= high
    ]
    sentences += trends
    if not trends:
        sentences.append("No kind of control has a trend that its 95 % interval tells from none.")
    limit = f"more than {band * PER_CENT:g} % from the median of its kind"
    if marked:
        sentences.append(
            f"**{plural(marked, 'cell')} {'is' if marked == 1 else 'are'} marked `drift`**: a control next to a marked "
            f"one is {limit}. `{AGAIN}` archives them and measures them again; nothing is deleted."
        )
    else:
        sentences.append(f"No cell is marked: no control beside one is {limit}.")
    return " ".join(sentences)


def links_in_words(controls: Iterable[Control]) -> str:
    """Return what the emulated links alone cost the server when they are flooded, a sentence each; none without any."""
    sentences = []
    for control in controls:
        share = links_share(control.usage) if control.kind == "links-only" and control.usage else None
        if share is not None:
            kpps = control.counts.offered_packets / control.counts.window_s / 1e3
            sentences.append(
                f"With no chain behind them, {kpps:.0f} kpkt/s of {control.frame_bytes} B cost the emulated links "
                f"{percent(share)} of the server's processor time ({control.started_at[:16].replace('T', ' ')})."
            )
    return " ".join(sentences)
