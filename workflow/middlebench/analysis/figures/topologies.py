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
from middlebench.model.deployment import Deployment
from middlebench.model.mix import in_order, is_mix, size_label
from middlebench.model.record import Record
from middlebench.model.record_file import read

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
    figure, panels, width = style.new_pair(len(sizes))
    for axes, size in zip(panels, sizes, strict=True):
        lines(axes, measured[frame_sizes(measured) == size], "topology", "n", "received_kpps")
        style.set_length_ticks(axes, sorted({int(n) for n in measured["n"]}))
        axes.set(xlabel="number of middleboxes", ylabel="received [kpkt/s]")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend()
    titles = [style.noted(f"Received rate at {size_label(size)}", note) for size in sizes]
    style.set_titles(panels, titles, [f"testbed {testbed}"] * len(titles), width - 1)
    return figure
