"""What it takes to deploy a chain: seconds and memory by chain length, beside what ClickOS' authors published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from middlebench.analysis.data.provenance import PAGE, deployment_anchor
from middlebench.analysis.figures import style
from middlebench.analysis.tables.table import Table
from middlebench.model.deployment import Deployment

CLICKOS_BOOT_S = 0.03
CLICKOS_MEMORY_MB = 5.0
"""Boot time and memory of one ClickOS virtual machine: J. Martins et al., NSDI 2014 (the paper's reference 2)."""

KIB_PER_MB = 1e6 / 1024

ONCE = "one deployment of each chain, hence no error bars"
"""A workflow deploys a chain more often, between its cells, but keeps the record of one deployment."""


def table_of(deployments: Sequence[Deployment]) -> pd.DataFrame:
    """Return one row a chain, by length.

    Returns:
        Columns n, total_s (from nothing to the first probe through every hop), boot_s (median from starting a
        middlebox to its word of readiness), private_mb and resident_mb (sums over the chain, 1 MB = 10^6 B); what
        a kind of middlebox cannot say is missing.
    """
    rows = [
        (
            int(deployment.plan["n"]),
            deployment.total_s,
            _over(deployment, "ready_s", median),
            *(_over(deployment, key, lambda kib: sum(kib) / KIB_PER_MB) for key in ("private_kib", "resident_kib")),
        )
        for deployment in deployments
    ]
    frame = pd.DataFrame(rows, columns=["n", "total_s", "boot_s", "private_mb", "resident_mb"])
    return frame.astype({"n": int, **dict.fromkeys(frame.columns[1:], float)}).sort_values("n", ignore_index=True)


def deployment_table(deployments: Sequence[Deployment], testbed: str) -> Table:
    """Return the chains' deployments as a table for readers."""
    frame = table_of(deployments)
    frame["boot_s"] *= 1000
    headings = {
        "n": "Middleboxes",
        "total_s": "Deployed in [s]",
        "boot_ms": "Boot of one, median [ms]",
        "private_mb": "Private memory of all [MB]",
        "resident_mb": "Resident memory of all [MB]",
    }
    caption = (
        f"One deployment of each chain on testbed {testbed}, from nothing to the first probe through every hop. "
        f"ClickOS' authors give {CLICKOS_BOOT_S * 1000:.0f} ms and {CLICKOS_MEMORY_MB:g} MB a virtual machine"
    )
    return Table(
        frame.rename(columns={"boot_s": "boot_ms"}),
        headings,
        caption,
        addresses={"n": [f"{PAGE}#{deployment_anchor(n)}" for n in frame["n"]]},
        decimals={"boot_ms": 0, "private_mb": 1, "resident_mb": 1},
    ).without_unknown()


@style.styled
def deployment_figure(deployments: Sequence[Deployment], testbed: str, note: str = "") -> Figure:
    """Return seconds and megabytes by chain length, side by side; memory only where middleboxes have their own."""
    frame = table_of(deployments)
    memory_known = bool(frame[["private_mb", "resident_mb"]].notna().any(axis=None))
    middlebox = deployments[0].components.middlebox if deployments else "no chain was deployed"
    titles = ["Time to deploy a chain", "Memory of a chain's middleboxes"][: 1 + memory_known]
    figure, panels = style.new_pair(titles, f"testbed {testbed} · {middlebox} · {ONCE}", note)
    clickos = vars(style.LineStyle(style.PUBLISHED_STYLE.color, "", "--"))
    _line(panels[0], frame, "total_s", style.MEASURED_STYLES[0], "whole chain, to the first probe")
    _line(panels[0], frame, "boot_s", style.MEASURED_STYLES[1], "boot of one, median")
    panels[0].axhline(CLICKOS_BOOT_S, label=f"boot of one ClickOS, {CLICKOS_BOOT_S * 1000:.0f} ms", **clickos)
    panels[0].set_ylabel("time [s]")
    for memory in panels[1:]:
        _line(memory, frame, "private_mb", style.MEASURED_STYLES[0], "private memory, whole chain")
        _line(memory, frame, "resident_mb", style.MEASURED_STYLES[1], "resident memory, whole chain")
        each = f"ClickOS, {CLICKOS_MEMORY_MB:g} MB each"
        memory.plot(frame["n"], frame["n"] * CLICKOS_MEMORY_MB, label=each, **clickos)
        memory.set_ylabel("memory [MB]")
    for axes in panels:
        axes.set_xlabel("chain length [middleboxes]")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        style.set_length_ticks(axes, list(frame["n"]))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13))
    return figure


def _line(axes: Axes, frame: pd.DataFrame, column: str, look: style.LineStyle, label: str) -> None:
    known = frame.dropna(subset=[column])
    if not known.empty:
        axes.plot(known["n"], known[column], **vars(look), label=label)
        style.add_links(axes, known["n"], known[column], [f"{PAGE}#{deployment_anchor(n)}" for n in known["n"]])


def _over(deployment: Deployment, key: str, combine: Callable[[Sequence[float]], float]) -> float | None:
    """Return a figure over all middleboxes of a chain; None where a middlebox has none."""
    values = [start[key] for start in deployment.middleboxes]
    return float(combine(values)) if values and None not in values else None
