"""How long frames took: the table and the figure that the report shows."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure

from middlebench.analysis.data.measurements import frame_sizes
from middlebench.analysis.data.summary import nearest_size
from middlebench.analysis.figures import style
from middlebench.analysis.figures.labels import LENGTH_AXIS
from middlebench.analysis.figures.style import LineStyle, noted, styled
from middlebench.model.mix import FrameSize, in_order, size_label, size_shown
from middlebench.model.record import Record

LINES = (
    ("latency_p50_us", "median", LineStyle(style.BLUE, "o", "-")),
    ("latency_p99_us", "99th percentile", LineStyle(style.VERMILLION, "s", "-")),
    ("latency_own_p50_us", "median over the direct cable", style.LINE_RATE_STYLE),
)


def table_of(records: Iterable[Record]) -> pd.DataFrame:
    """Return every trial in which frames were timed, a row each, as text; empty where none was."""
    rows = [
        {
            "n": str(record.cell.n),
            "frame size [B]": str(size_shown(record.cell.frame_bytes)),
            "repetition": str(record.cell.repetition),
            "path": each.path,
            "load": f"{each.load_share:.0%}" if each.load_share else "idle",
            "load [kpkt/s]": f"{each.packets_per_second / 1e3:.3f}",
            "frames timed": str(each.timed_packets),
            "of them lost": str(each.timed_lost_packets),
            **{
                f"{name} [us]": f"{getattr(each.times, field):.0f}" if each.times else ""
                for name, field in (
                    *(("50 %", "p50_us"), ("90 %", "p90_us"), ("99 %", "p99_us"), ("99.9 %", "p999_us")),
                    ("longest", "max_us"),
                )
            },
        }
        for record in records
        for each in record.latency
    ]
    return pd.DataFrame(rows)


def timed_at(measurements: pd.DataFrame) -> tuple[FrameSize, pd.DataFrame]:
    """Return the cells in which frames were timed, of 800 B or of the nearest size swept, and that size.

    Where no frames of one size were timed they are of a mix.
    """
    timed = measurements[measurements["latency_p50_us"].notna()]
    size = nearest_size(timed) or in_order(frame_sizes(timed))[0]
    return size, timed[frame_sizes(timed) == size]


@styled
def latency_figure(measurements: pd.DataFrame, note: str = "") -> Figure:
    """Return latency by chain length, at the largest load that was timed and at 800 B or the nearest size swept."""
    size, timed = timed_at(measurements)
    cells = timed.groupby("n")[[name for name, _, _ in LINES]].median().reset_index()
    figure, (axes,) = style.new_figure()
    for name, label, look in LINES:
        if cells[name].notna().any():
            axes.plot(cells["n"], cells[name], **vars(look), label=label)
    axes.set(xlabel=LENGTH_AXIS, ylabel="sender to receiver [us]", yscale="log")
    style.set_length_ticks(axes, [int(n) for n in cells["n"]])
    axes.legend()
    load = timed["latency_load_ratio"].max()
    style.set_title(
        axes, noted(f"Latency by chain length, {size_label(size)}", note), f"at {load:.0%} of what the chain carries"
    )
    return figure
