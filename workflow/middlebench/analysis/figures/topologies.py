"""How the same number of middleboxes does when they are joined in another way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from middlebench.analysis.data.measurements import frame_sizes
from middlebench.analysis.figures import style
from middlebench.analysis.figures.diagrams import configuration_diagram
from middlebench.analysis.figures.functions import lines
from middlebench.analysis.figures.latency import timed_at
from middlebench.analysis.tables.table import SIZE_HEADING, Table
from middlebench.model.deployment import Deployment
from middlebench.model.mix import in_order, is_mix, size_label, size_shown
from middlebench.model.record import Record
from middlebench.model.record_file import read

TIMES = {"latency_p50_us": "median", "latency_p99_us": "99th percentile"}
"""Columns of how long frames took, in words."""

SHOWN = 4
"""How many middleboxes a diagram shows, where so many ran."""


def configurations(records: Sequence[Record], folder: Path, middlebox: str, note: str = "") -> dict[str, Figure]:
    """Return a diagram of each topology, drawn from what ran."""
    figures: dict[str, Figure] = {}
    for cell in sorted((record.cell for record in records), key=lambda cell: abs(cell.n - SHOWN)):
        if cell.topology not in figures:
            plan = read(Deployment, folder / cell.deployment_path).plan
            figures[cell.topology] = configuration_diagram(plan, cell.testbed, middlebox, note)
    return figures


@style.styled
def topology_figure(measurements: pd.DataFrame, testbed: str, note: str = "") -> Figure:
    """Return received rate by the number of middleboxes, a line a topology, at the smallest and the largest size.

    Of a mix alone it is at the mix.
    """
    measured = measurements[measurements["n"] > 0]
    swept = in_order(frame_sizes(measured))
    of_one = [size for size in swept if not is_mix(size)] or swept
    sizes = list(dict.fromkeys((of_one[0], of_one[-1])))
    titles = [f"Received rate at {size_label(size)}" for size in sizes]
    figure, panels = style.new_pair(titles, f"testbed {testbed}", note)
    for axes, size in zip(panels, sizes, strict=True):
        lines(axes, measured[frame_sizes(measured) == size], "topology", "n", "received_kpps")
        style.set_length_ticks(axes, sorted({int(n) for n in measured["n"]}))
        axes.set(xlabel="number of middleboxes", ylabel="received [kpkt/s]")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure


@style.styled
def latency_figure(measurements: pd.DataFrame, testbed: str, note: str = "") -> Figure:
    """Return how long frames took by the number of middleboxes, a line a topology: the median, and the 99th percentile.

    At 800 B or the nearest size swept, each topology at the largest load that was timed.
    """
    size, timed = timed_at(measurements)
    titles = [f"Latency at {size_label(size)}, {words}" for words in TIMES.values()]
    load = f"testbed {testbed}, at {timed['latency_load_ratio'].max():.0%} of what each carries"
    figure, panels = style.new_pair(titles, load, note)
    for axes, name in zip(panels, TIMES, strict=True):
        lines(axes, timed, "topology", "n", name)
        style.set_length_ticks(axes, sorted({int(n) for n in timed["n"]}))
        axes.set(xlabel="number of middleboxes", ylabel="sender to receiver [us]", yscale="log")
        axes.legend()
    return figure


def latency_table(measurements: pd.DataFrame, testbed: str) -> Table:
    """Return how long frames took, a row for each topology, frame size and number of middleboxes."""
    timed = measurements[measurements["latency_p50_us"].notna()]
    keys = {"topology": "Topology", "frame_bytes": SIZE_HEADING, "n": "n"}
    headings = keys | {
        "latency_p50_us": "50 % [µs]",
        "latency_p90_us": "90 % [µs]",
        "latency_p99_us": "99 % [µs]",
        "latency_p999_us": "99.9 % [µs]",
        "latency_max_us": "Longest [µs]",
        "latency_loss_ratio": "Lost",
    }
    cells = timed.assign(frame_bytes=frame_sizes(timed).map(size_shown)).groupby(list(keys), sort=False)
    frame = cells[list(headings)[len(keys) :]].median().reset_index()
    caption = (
        f"How long frames took on testbed {testbed} at {timed['latency_load_ratio'].max():.0%} of what each carries"
    )
    decimals = {name: 0 for name in headings if name.endswith("_us")} | {"latency_loss_ratio": 4}
    return Table(frame, headings, f"{caption}, median over repetitions", widths={"topology": 0.2}, decimals=decimals)
