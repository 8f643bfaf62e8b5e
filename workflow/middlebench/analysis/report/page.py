"""The report: one HTML page of one dataset that needs nothing but itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from middlebench.analysis.data import flags, mixes, searches
from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.data.environments import mixture
from middlebench.analysis.data.intervals import UNKNOWN, UNSTABLE
from middlebench.analysis.data.measurements import COLUMNS, frame_sizes, from_records
from middlebench.analysis.data.provenance import cell_anchor, deployment_anchor
from middlebench.analysis.data.publications import load_cells, load_publication, load_table, names_in
from middlebench.analysis.data.summary import SUMMARY_COLUMNS, repetitions_of, summarise
from middlebench.analysis.figures import latency
from middlebench.analysis.report import first_screen
from middlebench.analysis.report.answer import answer, answers
from middlebench.analysis.report.every_cell import chains_of, pairs_of, parts_of
from middlebench.analysis.report.grid import grid_of, grid_of_facts
from middlebench.analysis.report.inline_svg import say_where_links_lead
from middlebench.analysis.report.notebook_html import Section, section_of
from middlebench.analysis.tables.html import render
from middlebench.analysis.tables.table import table1, table2
from middlebench.model.deployment import Deployment
from middlebench.model.mix import in_order, is_mix, size_label, size_shown
from middlebench.system.errors import RecordError
from middlebench.system.files import write_text
from middlebench.system.text import plural

COMPARISON = "comparison_"
"""How the name of a notebook begins that compares; the reference follows."""

MOMENT, TIME = "%Y-%m-%d %H:%M", "%H:%M"

COMBINATIONS = "combinations of chain length and frame size"

OUTSIDE = re.compile(
    r"""<(?:script|link|iframe|object|embed|img|source|video|audio)\b[^>]*?\s(?:src|href|data)\s*=\s*["']?+(?!data:)[^\s"'>]+"""
    r"""|url\(\s*["']?+(?!data:|\#)[^)]*\)|@import\b""",
    flags=re.IGNORECASE,
)
"""What would make a browser load something from outside the page."""


def render_report(dataset: Dataset, notebooks: Sequence[Path], out: Path) -> None:
    """Write the report of a dataset.

    The notebooks are executed ones, in the order in which they are to appear.

    Raises:
        RecordError: a notebook cannot be shown, or the page would need something from outside itself.
    """
    sections = map(_with_named_headings, sections_of(dataset, notebooks))
    title = f"Chains of middleboxes{', as published by' if dataset.publication else ' on testbed'} {dataset.name}"
    page = render("page", title=title, dataset=dataset, sections=list(sections))
    page = say_where_links_lead(page, _parts(dataset, notebooks))
    outside = OUTSIDE.search(page)
    if outside:
        raise RecordError(f"rendering {out}", f"the page would load something from outside: {outside[0][:200]}")
    write_text(out, page)


def _with_named_headings(section: Section) -> Section:
    """Return a section with names for its headings, so that a link can lead to each."""
    taken = Counter[str]()

    def named(tag: re.Match[str]) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", Markup(tag[1]).striptags().lower()).strip("-")
        name = f"{section.anchor}-{words}"
        taken[name] += 1
        return f'<h3 id="{name}{f"-{taken[name]}" if taken[name] > 1 else ""}">{tag[1]}</h3>'

    return replace(section, html=re.sub(r"<h3>(.*?)</h3>", named, section.html, flags=re.DOTALL))


def sections_of(dataset: Dataset, notebooks: Sequence[Path]) -> list[Section]:
    """Return the sections of a dataset's report in the page's order, which its contents follow.

    A section that is not a notebook has a template of its anchor's name in ``workflow/report/sections``.
    """
    measurements = dataset.every_size
    found = searches.table_of(measurements)
    return [
        _answer(dataset, [path.stem for path in notebooks]),
        _section("run", "What was run", glance=at_a_glance(measurements), setups=grid_of(dataset.setups)),
        _section(
            "host",
            "On what",
            facts=grid_of_facts(dataset.facts),
            environments=grid_of(mixture(measurements, dataset.environments) if dataset.environments else ()),
            choices=grid_of(map(_choice, dataset.choices)),
            failures=[
                (each.get("alternative", ""), each["failure"]) for each in dataset.choices if each.get("failure")
            ],
        ),
        *(section_of(path) for path in notebooks),
        *_mixes(dataset),
        *([] if found.empty else [_section("searches", "Throughput searches", searches=found)]),
        *_latency(dataset),
        *([_cells(dataset)] if dataset.publication is None else []),
        *(
            _publication(name, folded=dataset.name == name)
            for name in names_in()
            if dataset.publication is None or dataset.name == name
        ),
        _section("flags", "Flags", flags=flags.explain(measurements).to_dict("records"), cells=len(measurements)),
        _section("columns", "Columns", columns=COLUMNS, summary_columns=SUMMARY_COLUMNS),
    ]


def _section(anchor: str, title: str, /, template: str = "", **values: object) -> Section:
    """Return a section that is made by the template of its anchor's name, or by another one."""
    return Section(anchor, title, render(f"sections/{template or anchor}", **values))


def _parts(dataset: Dataset, notebooks: Sequence[Path]) -> dict[str, str]:
    """Return what the parts of the page are of that its figures' points lead to, by anchor."""
    references = [path.stem.removeprefix(COMPARISON) for path in notebooks if path.stem.startswith(COMPARISON)]
    parts: dict[str, str] = {}
    for name in names_in():
        parts |= parts_of(load_cells(name))
    parts |= parts_of(dataset.every_size, dataset.deployments)
    for reference in references:
        parts |= pairs_of(dataset.measurements, reference)
    return parts


def _publication(name: str, folded: bool) -> Section:
    """Return the values of a publication, to which every published point of a figure leads."""
    publication, cells = load_publication(name), load_cells(name)
    return _section(
        f"publication-{name}",
        f"Published: {publication.label}",
        template="publication",
        publication=publication,
        table1=table1(cells).frame if cells["offered_kpps"].notna().any() else None,
        table2=table2(cells).frame,
        others=load_table(name).astype(object).fillna("") if publication.cells else None,
        anchor=partial(cell_anchor, name),
        folded=folded,
    )


def _answer(dataset: Dataset, notebooks: Sequence[str]) -> Section:
    """Return the first screen: the answer to the study's question, or that there is none and why.

    It leads to those of its reasons that stand in ``notebooks``, which are named by their sections.
    """
    found = answer(dataset.every_size)
    others = answers(from_records(dataset.records_along("topology")))
    return _section(
        "answer",
        "In short",
        answer=found,
        others=tuple(each.sentences[0] for name, each in others.items() if name != dataset.kind["topology"]),
        few=first_screen.shown_sizes(tuple(found.longest)) if found else (),
        origin=first_screen.origin_of(dataset),
        warnings=first_screen.warnings_of(dataset),
        figures=first_screen.figures_of(dataset) if found else [],
        verdicts=first_screen.verdicts_of(dataset) if found else [],
        published=dataset.publication is not None,
        notebooks=notebooks,
        anchor=partial(cell_anchor, dataset.name),
        shown=size_shown,
    )


def _mixes(dataset: Dataset) -> list[Section]:
    """Return what mixes of frame sizes there are, and what of them arrived, if there were any."""
    if dataset.mixes.empty:
        return []
    of = {size_label(record.cell.frame_bytes): record.mix for record in dataset.records if record.mix}
    return [_section("mixes", "Mixes of frame sizes", mixes=of, cells=mixes.table_of(dataset.mixes))]


def _latency(dataset: Dataset) -> list[Section]:
    """Return how long frames took, if any were timed."""
    trials = latency.table_of(dataset.records)
    if trials.empty or dataset.every_size["latency_p50_us"].isna().all():
        return []
    figure = first_screen.inlined(latency.latency_figure(dataset.every_size, dataset.note), "latency")
    return [_section("latency", "Latency", figure=figure, trials=trials)]


def _cells(dataset: Dataset) -> Section:
    """Return every cell and every deployment, with the records that they rest on."""
    deployments = {int(each.plan["n"]): each for each in dataset.deployments}
    return _section(
        "cells",
        "Every cell",
        chains=chains_of(dataset.every_size),
        lengths=list(deployments),
        deployments=grid_of(map(_deployment, deployments.values())),
        anchor=deployment_anchor,
    )


def at_a_glance(measurements: pd.DataFrame) -> dict[str, str]:
    """Return the few figures that say what a dataset holds, by heading."""
    summary = summarise(measurements)
    started = pd.to_datetime(measurements["started_at"].replace("", None).dropna(), utc=True)
    when = {"measured": _period(started.min(), started.max())} if len(started) else {}
    windows = measurements["window_s"]
    return {
        "cells": _cells_in_words(summary),
        "chain lengths": ", ".join(map(str, sorted(set(measurements["n"])))),
        "frame sizes": _sizes_in_words(summary),
        "repetitions": repetitions_of(summary),
        "window": f"{windows.median():.3g} s" if len(windows) else "",
        **_doubtful(measurements, summary),
        **when,
    }


def _period(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """Return from when to when, the day once if it is the same."""
    end = f"{last:{TIME}}" if first.date() == last.date() else f"{last:{MOMENT}}"
    return f"{first:{MOMENT}} to {end} UTC"


def _cells_in_words(summary: pd.DataFrame) -> str:
    """Return how many cells there are, and of how many combinations of chain length and frame size."""
    cells = int(summary["repetitions"].sum())
    lengths, sizes, times = summary["n"].nunique(), frame_sizes(summary).nunique(), repetitions_of(summary)
    if str(cells) == times:
        return times
    if cells == len(summary) * int(summary["repetitions"].max()) and len(summary) == lengths * sizes:
        factors = [
            plural(lengths, "length"),
            plural(sizes, "size"),
            *([f"{times} repetitions"] if times != "1" else []),
        ]
        return f"{cells} = {' × '.join(factors)}"
    return f"{cells} of {len(summary)} {COMBINATIONS}"


def _sizes_in_words(summary: pd.DataFrame) -> str:
    """Return the frame sizes, ascending, and the mixes."""
    sizes = in_order(frame_sizes(summary))
    one_size = ", ".join(str(size) for size in sizes if not is_mix(size))
    return ", ".join([*([f"{one_size} B"] if one_size else []), *(size_label(size) for size in sizes if is_mix(size))])


def _doubtful(measurements: pd.DataFrame, summary: pd.DataFrame) -> dict[str, str]:
    """Return how many means are unstable, if any cell was measured more than once, and how many cells lie by drift."""
    judged = summary["stability"][summary["stability"] != UNKNOWN]
    drifted = int(flags.carrying(measurements, flags.DRIFT).sum())
    return {
        **({"unstable": f"{int((judged == UNSTABLE).sum())} of {len(judged)} {COMBINATIONS}"} if len(judged) else {}),
        **({"near drift": f"{drifted} of {len(measurements)} cells"} if drifted else {}),
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    """Return one deployment as a row: its steps in seconds."""
    steps = {f"{name} [s]": f"{seconds:.3f}" for name, seconds in deployment.steps_s.items()}
    return {"chain length": deployment.plan["n"], **steps, "total [s]": f"{deployment.total_s:.3f}"}


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alternative that was tried as a row, what it received a column for each load; failures stand below."""
    received = choice.get("received_pps", {})
    others = {key: value for key, value in choice.items() if key not in ("received_pps", "failure", "chosen")}
    rates = {f"received at {load} [pkt/s]": rate for load, rate in received.items()}
    verdict = {"chosen": "failed" if choice.get("failure") else choice["chosen"]} if "chosen" in choice else {}
    return {**others, **rates, **verdict}
