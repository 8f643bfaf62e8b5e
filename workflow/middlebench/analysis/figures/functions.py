"""What each function costs: processor time of a middlebox by frame and by byte, and the rate that is left.

A middlebox's processor seconds over the frames that it received are fitted, function by function, by a + b·s with s the
frame size: least squares over all cells, each with the same weight. A virtual machine's seconds hold what its machine
costs too, so what a function costs is the difference to ``forward``. Where a kind of middlebox has no process of its
own, only the rates are known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from middlebench.analysis.figures import style
from middlebench.analysis.tables.table import Table
from middlebench.model.functions.function import FORWARD
from middlebench.model.mix import is_mix, size_label
from middlebench.model.record import Record

LINES = ("-", "--", ":", "-.")
MARKERS = "o^Dsv<>pPX*h"
"""One for each line, the first ones as everywhere."""
FEWEST_SIZES = 2
"""A line needs two."""


def costs_of(records: Sequence[Record]) -> pd.DataFrame:
    """Return one row a record, those of ``forward``, which others are compared with, first.

    Returns:
        Columns function, n, frame_bytes, received_kpps, and cpu_us: processor time of a middlebox in µs for each frame
        that it received, the mean over the chain; missing where it is not known, as where middleboxes have no process.
        Mixes of frame sizes are left out, unless there is nothing else.
    """
    of_chains = [record for record in records if record.cell.n > 0]
    shown = [record for record in of_chains if not is_mix(record.cell.frame_bytes)] or of_chains
    rows = [
        (
            *(record.cell.function, record.cell.n, record.cell.frame_bytes),
            record.counts.received_packets / record.counts.window_s / 1e3,
            _cpu_us(record),
        )
        for record in sorted(shown, key=lambda record: record.cell.function != FORWARD)
    ]
    frame = pd.DataFrame(rows, columns=["function", "n", "frame_bytes", "received_kpps", "cpu_us"])
    return frame.astype({"received_kpps": float, "cpu_us": float})


def _cpu_us(record: Record) -> float:
    """Return µs of processor time a frame and middlebox; NaN where that is not known, or says nothing."""
    received = {each.name: each.rx_packets for each in record.middleboxes}
    known = [
        each.cpu_s / packets * 1e6
        for each in record.usage.middleboxes
        if not each.polls and (packets := received.get(each.name))
    ]
    return float(np.mean(known)) if known and len(known) == record.cell.n else float("nan")


def fitted(costs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a function, in the order in which they come in ``costs``.

    Returns:
        Columns function; frame_us and byte_ns, what a frame and a byte of it cost; more_frame_us and more_byte_ns, how
        much that is above ``forward``; kpps and share, the mean rate of the shortest chain at the smallest size that
        all functions have, and its share of that of ``forward``. What is not known is missing.
    """
    rows = []
    places = costs.groupby(["n", "frame_bytes"])["function"].nunique().reset_index(name="functions")
    shared = places[places["functions"] == costs["function"].nunique()].sort_values(["n", "frame_bytes"])
    n, size = shared[["n", "frame_bytes"]].iloc[0] if len(shared) else (-1, -1)
    for function, part in costs.groupby("function", sort=False):
        least = part[(part["n"] == n) & (part["frame_bytes"] == size)]
        rows.append((function, *_line(part.dropna(subset="cpu_us")), least["received_kpps"].mean()))
    table = pd.DataFrame(rows, columns=["function", "frame_us", "byte_ns", "kpps"])
    forward = table[table["function"] == FORWARD]
    for name in ("frame_us", "byte_ns"):
        table[f"more_{name}"] = table[name] - forward[name].iloc[0] if len(forward) else np.nan
    table["share"] = table["kpps"] / forward["kpps"].iloc[0] if len(forward) else np.nan
    return table


def _line(part: pd.DataFrame) -> tuple[float, float]:
    """Return a in µs and b in ns of the line a + b·s through processor times; NaN where there are too few sizes."""
    if part["frame_bytes"].nunique() < FEWEST_SIZES or any(map(is_mix, part["frame_bytes"])):
        return float("nan"), float("nan")
    slope, intercept = np.polyfit(part["frame_bytes"].astype(float), part["cpu_us"], 1)
    return float(intercept), float(slope) * 1e3


def function_table(costs: pd.DataFrame, testbed: str) -> Table:
    """Return what each function costs as a table for readers."""
    frame = fitted(costs)
    headings = {
        "function": "Function",
        "frame_us": "A frame costs [µs]",
        "byte_ns": "A byte costs [ns]",
        "more_frame_us": "above forward [µs]",
        "more_byte_ns": "above forward [ns]",
        "kpps": "Received, shortest chain, smallest frames [kpkt/s]",
        "share": "of forward's",
    }
    return Table(
        frame[list(headings)],
        headings,
        f"What each function costs on testbed {testbed}: processor time of one middlebox, fitted over all cells",
        decimals={"kpps": 1},
    ).without_unknown()


@style.styled
def function_figure(costs: pd.DataFrame, testbed: str, note: str = "") -> Figure:
    """Return processor time by frame size and received rate by chain length, a line a function, side by side."""
    known = bool(costs["cpu_us"].notna().any()) and not any(map(is_mix, costs["frame_bytes"]))
    size = costs["frame_bytes"].min()
    titles = [f"Received rate at {size_label(size)}", "Processor time of a middlebox"][: 1 + known]
    figure, panels = style.new_pair(titles, f"testbed {testbed}", note)
    lines(panels[0], costs[costs["frame_bytes"] == size], "function", "n", "received_kpps")
    panels[0].set(xlabel="chain length [middleboxes]", ylabel="received [kpkt/s]")
    style.set_length_ticks(panels[0], sorted({int(n) for n in costs["n"]}))
    if known:
        lines(panels[1], costs, "function", "frame_bytes", "cpu_us")
        panels[1].set(xlabel="frame size [B]", ylabel="processor time a frame [µs]")
    for axes in panels:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13), ncols=2)
    return figure


def lines(axes: Axes, table: pd.DataFrame, of: str, along: str, value: str) -> None:
    """Draw the means of one column along another one, a line for each value of a third."""
    for place, (name, part) in enumerate(table.groupby(of, sort=False)):
        means = part.groupby(along)[value].mean().dropna()
        again, number = divmod(place, len(style.MEASURED_STYLES))
        look = style.MEASURED_STYLES[number]
        kind = LINES[again % len(LINES)]  # there are fewer colours than there may be lines
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(means.index, means, color=look.color, marker=marker, linestyle=kind, label=str(name))
