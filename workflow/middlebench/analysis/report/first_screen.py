"""The first screen of the report: the answer, what it was measured on, what to beware of, and the two main figures."""

from __future__ import annotations

from collections import Counter

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from middlebench.analysis.claims.claim import load_claims
from middlebench.analysis.claims.findings import Verdict
from middlebench.analysis.claims.verdicts import judge
from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.data.flags import DRIFT, carrying
from middlebench.analysis.data.intervals import UNSTABLE
from middlebench.analysis.data.provenance import PAGE
from middlebench.analysis.data.publications import CLAIMS, FOLDER, Publication, load_cells, load_publication, names_in
from middlebench.analysis.data.summary import summarise
from middlebench.analysis.figures import maps, throughput
from middlebench.analysis.figures.style import svg_of
from middlebench.analysis.report.crate_files import commit_of
from middlebench.analysis.report.inline_svg import inline
from middlebench.model.mix import FrameSize
from middlebench.model.record import LINKS_COSTLY, LINKS_SHARE, OTHERS_SHARE, SERVER_SHARED, WITHOUT_KVM
from middlebench.system.project import PROJECT
from middlebench.system.text import percent, plural

MOST_SIZES = 5
"""Frame sizes that the answer's table shows at once; it folds the others."""


def shown_sizes(sizes: tuple[FrameSize, ...]) -> tuple[FrameSize, ...]:
    """Return at most :data:`MOST_SIZES` frame sizes, spread evenly from the smallest to the largest."""
    if len(sizes) <= MOST_SIZES:
        return sizes
    last = len(sizes) - 1
    return tuple(sizes[round(place * last / (MOST_SIZES - 1))] for place in range(MOST_SIZES))


def origin_of(dataset: Dataset) -> str:
    """Return machine, switch and middleboxes with their versions, date and commit in a line."""
    if dataset.publication:
        return dataset.publication.citation
    parts = []
    environment = next(iter(dataset.environments.values()), None)
    server = environment.middlebox_server if environment else None
    if server:
        parts += [server.cpu, plural(server.processors, "processor"), server.system, f"kernel {server.kernel}"]
    cells = dataset.every_size
    parts += [text for part in ("switch", "middlebox") for text in dict.fromkeys(cells[part])]
    days = sorted({moment[:10] for moment in cells["started_at"] if moment})
    parts += [" to ".join(dict.fromkeys((days[0], days[-1])))] if days else []
    commit = commit_of(PROJECT)
    parts += [f"report made by commit {commit[:12]}{'-dirty' if commit.endswith('-dirty') else ''}"] if commit else []
    return " · ".join(filter(None, parts))


def near_drift(measurements: pd.DataFrame) -> list[str]:
    """Return, as a sentence, how many cells have a control beside them that was off; nothing where none has."""
    if not (drifted := int(carrying(measurements, DRIFT).sum())):
        return []
    return [
        f"{drifted} of {plural(len(measurements), 'cell')} are near drift: a control before or behind them was off its "
        "usual rate. `make remeasure` measures them again."
    ]


def warnings_of(dataset: Dataset) -> list[str]:
    """Return what to beware of, a sentence each with what mends it; commands stand in backticks."""
    if dataset.publication:
        return []
    measurements = dataset.every_size
    summary = summarise(measurements)
    found = near_drift(measurements)
    if dataset.quarantine:
        found.append(dataset.quarantine.words)
    once, unstable = int((summary["repetitions"] == 1).sum()), int((summary["stability"] == UNSTABLE).sum())
    if once:
        cells = "Every cell was" if once == len(summary) else f"{plural(once, 'cell')} of {len(summary)} were"
        found.append(
            f"{cells} measured once, so that the spread is unknown: "
            "set `repetitions: 5` in `config/config.yaml`, and run the command again that made this page."
        )
    if unstable:
        found.append(f"{plural(unstable, 'mean')} unstable: `middlebench repeat` names what to measure again.")
    limits = {kind: int((measurements["bottleneck"] == kind).sum()) for kind in ("link", "generator")}
    if any(limits.values()):
        which = " or ".join(f"the {kind} ({count})" for kind, count in limits.items() if count)
        found.append(
            f"In {sum(limits.values())} of {plural(len(measurements), 'cell')} {which} was the limit: the chain itself "
            "may carry more there."
        )
    if costly := int(carrying(measurements, LINKS_COSTLY).sum()):
        found.append(
            f"In {plural(costly, 'cell')} the emulated links took more than {percent(LINKS_SHARE)} of the server's "
            f"processor time, up to {percent(measurements['links_ratio'].max())}: real ones leave it to the chain."
        )
    if shared := int(carrying(measurements, SERVER_SHARED).sum()):
        found.append(
            f"In {plural(shared, 'cell')} other programs took more than {percent(OTHERS_SHARE)} of the server's "
            "processor time: end them, then `middlebench archive --flag server-shared` and another run measure these "
            "cells again."
        )
    if measurements["middlebox"].str.contains(WITHOUT_KVM, regex=False).any():
        found.append(
            f"The virtual machines were {WITHOUT_KVM}, that is run by software: these values say nothing of what a hop "
            "costs where KVM works."
        )
    if any(each.emulated for each in dataset.environments.values()):
        found.append("The server's processor was emulated: compare these values with each other only.")
    return found


def verdicts_of(dataset: Dataset) -> list[tuple[str, Publication, str]]:
    """Return each publication that claims something, its name first, and how many of its claims got which verdict."""
    lines = []
    for name in names_in():
        if not (FOLDER / name / CLAIMS).exists():
            continue
        counts = Counter(each.finding.verdict for each in judge(load_claims(name), dataset))
        listed = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
        lines.append((name, load_publication(name), f"{counts.total()} claims: {listed}"))
    return lines


def figures_of(dataset: Dataset) -> list[Markup]:
    """Return the throughput by chain length beside the published one, and every cell at a glance."""
    beside = [] if dataset.publication else [load_cells(name) for name in names_in() if load_publication(name).link_bps]
    return [
        inlined(throughput.fig5(dataset.measurements, *beside, note=dataset.note), "first screen"),
        inlined(maps.heat_map(dataset.measurements, dataset.note_by_size), "first screen"),
    ]


def inlined(figure: Figure, place: str) -> Markup:
    """Return a figure as an element of the page, whose points lead to parts of the same page."""
    return Markup(inline(svg_of(figure), place).replace(f'href="{PAGE}#', 'href="#'))
