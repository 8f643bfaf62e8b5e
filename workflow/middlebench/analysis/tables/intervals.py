"""The paper's two tables once more, each value with its 95 % interval and the number of its repetitions."""

from __future__ import annotations

import pandas as pd

from middlebench.analysis.data.intervals import half_width
from middlebench.analysis.data.measurements import frame_sizes
from middlebench.analysis.data.provenance import cell_address, cell_addresses, own_name
from middlebench.analysis.data.publications import are_published
from middlebench.analysis.data.summary import grid, repetitions_of, summarise
from middlebench.analysis.tables.table import SINGLE, SIZE_HEADING, Table, origin_of
from middlebench.model.mix import in_order, size_shown

DECIMALS = 4
"""Digits after the point in the CSV, which is read by programs."""

HALF = "half the width of its 95 % interval (Student's t)"


def table1_intervals(measurements: pd.DataFrame) -> Table:
    """Return Table I with intervals: rates and throughputs with one middlebox, by frame size."""
    single = measurements[measurements["n"] == 1]
    cells = single.groupby(frame_sizes(single))
    columns: dict[str, pd.Series] = {"repetitions": cells.size()}
    margins = {}
    for name, (source, _) in SINGLE.items():
        quantity, unit = name.rsplit("_", 1)
        margins[name] = f"{quantity}_half_width_{unit}"
        values = cells[source]
        columns[name] = values.mean()
        columns[margins[name]] = pd.Series(half_width(values.std(), values.count()), columns[name].index)
    headings = {
        "frame_bytes": SIZE_HEADING,
        "repetitions": "Repetitions",
        **{name: heading for name, (_, heading) in SINGLE.items()},
    }
    caption = f"Performance of single virtual middlebox{origin_of(measurements)}: {intervals_of(single)}"
    summary = summarise(single)
    addresses = dict.fromkeys(SINGLE, cell_addresses(summary, own_name(summary)))
    frame = pd.DataFrame(columns)
    frame = frame.loc[in_order(frame.index)].rename(size_shown).reset_index()
    rounded = dict.fromkeys([*margins, *margins.values()], DECIMALS)
    return Table(frame, headings, caption, addresses=addresses, decimals=rounded, margins=margins)


def table2_intervals(measurements: pd.DataFrame) -> Table:
    """Return Table II with intervals: received throughput by frame size and chain length.

    How often each cell was measured is in the CSV, and in the caption.
    """
    summary = summarise(measurements)
    summary["half_width"] = summary["received_mbps_high"] - summary["received_mbps"]
    means, halves, counts = (grid(summary, name) for name in ("received_mbps", "half_width", "repetitions"))
    counts = counts.astype("Int64")  # whole even where a cell is missing
    lengths = [int(n) for n in means.columns]
    columns: dict[str, pd.Series] = {}
    for n in lengths:
        columns |= {f"n{n}_mbps": means[n], f"n{n}_half_width_mbps": halves[n], f"n{n}_repetitions": counts[n]}
    frame = pd.DataFrame(columns, index=means.index).rename(size_shown).reset_index()
    headings = {"frame_bytes": SIZE_HEADING} | {f"n{n}_mbps": f"n = {n}" for n in lengths}
    caption = (
        f"Throughput of multiple virtual middleboxes [Mb/s]{origin_of(measurements)}: {intervals_of(measurements)}; "
        "n: number of middleboxes in the chain"
    )
    own = own_name(summary)
    addresses = {f"n{n}_mbps": [cell_address(own, own, n, size) for size in means.index] for n in lengths}
    margins = {f"n{n}_mbps": f"n{n}_half_width_mbps" for n in lengths}
    rounded = dict.fromkeys([*margins, *margins.values()], DECIMALS)
    return Table(frame, headings, caption, addresses=addresses, decimals=rounded, margins=margins)


def intervals_of(measurements: pd.DataFrame) -> str:
    """Return in words what intervals these cells have, and of how many repetitions; or that they have none."""
    summary = summarise(measurements)
    if summary.empty:
        return "no interval, for there is no such cell"
    if are_published(summary):
        return "no interval, for a publication gives one value of each cell"
    counts = set(summary["repetitions"])
    if counts == {1}:
        return "no interval, for each cell was measured once"
    once = "; a value without one was measured once" if 1 in counts else ""
    return f"mean ± {HALF}, {repetitions_of(summary)} repetitions of each cell{once}"


def any_known(measurements: pd.DataFrame) -> bool:
    """Return whether the interval of any cell is known."""
    return bool((summarise(measurements)["repetitions"] > 1).any())
