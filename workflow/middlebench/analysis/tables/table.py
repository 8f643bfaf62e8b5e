"""The paper's two tables, from any measurements, as CSV, Markdown, LaTeX and HTML.

The CSV has machine-readable column names; the other forms have headings for readers.
What every table of the report is made of, :class:`Table`, and its forms are here as well.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from middlebench.analysis.data import searches
from middlebench.analysis.data.intervals import with_margin
from middlebench.analysis.data.measurements import frame_sizes
from middlebench.analysis.data.provenance import cell_address, cell_addresses, own_name
from middlebench.analysis.data.publications import are_published
from middlebench.analysis.data.summary import grid, named, repetitions_of, summarise
from middlebench.analysis.tables.html import render
from middlebench.analysis.tables.latex import table_in_latex
from middlebench.model.mix import size_shown
from middlebench.system.files import write_text

DECIMALS = 2
"""Digits after the point, as in the paper."""

SINGLE = {
    "generated_kpps": ("offered_kpps", "Generated packet rate [kpkt/s]"),
    "generated_mbps": ("offered_mbps", "Generated throughput [Mb/s]"),
    "generated_raw_mbps": ("offered_raw_mbps", "Generated raw throughput [Mb/s]"),
    "received_kpps": ("received_kpps", "Received packet rate [kpkt/s]"),
    "received_mbps": ("received_mbps", "Received throughput [Mb/s]"),
}
"""The columns of Table I: what each is called in the measurements, and by the paper."""

SIZE_HEADING = "Packet size [B]"

PAGE_REM = 45
"""Width of a printed line in the report's own unit, of which a column of text takes its share."""


@dataclass(frozen=True)
class Table:
    """A table that is ready to be shown or written."""

    frame: pd.DataFrame
    """The values, under machine-readable column names."""
    headings: Mapping[str, str]
    """What a reader sees above each column; those without one are in the CSV only."""
    caption: str
    """One sentence: what is shown, of which testbed."""
    widths: Mapping[str, float] = field(default_factory=dict)
    """Columns of text, set flush left, and the share of a printed line that each takes; all others are numbers."""
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns whose values lead to where they come from in the report: one address a row, empty for none."""
    anchors: Sequence[str] = ()
    """Names under which the report's links find the rows."""
    decimals: Mapping[str, int] = field(default_factory=dict)
    """Digits after the point of the columns for which those of the paper are not right."""
    margins: Mapping[str, str] = field(default_factory=dict)
    """Columns of means, and the column of half the width of each one's interval, which readers see behind it.

    Where that is missing they see the value alone, in the digits of the paper.
    """

    @classmethod
    def of(cls, rows: Sequence[Any], headings: Mapping[str, str], caption: str, **more: Any) -> Table:  # noqa: ANN401
        """Return the table of rows, their values in the order of ``headings``; ``more`` are its further fields."""
        return cls(pd.DataFrame(rows, columns=list(headings)), headings, caption, **more)

    @property
    def shown(self) -> list[str]:
        """The columns that a reader sees, in order."""
        return [name for name in self.frame.columns if name in self.headings]

    def without_unknown(self) -> Table:
        """Return this table with the columns hidden in which nothing is known; one without rows keeps all of them."""
        known = self.frame.columns[(self.frame.notna() & (self.frame != "")).any() | self.frame.empty]
        return replace(self, headings={name: heading for name, heading in self.headings.items() if name in known})

    def titles(self) -> list[str]:
        """Return the headings in the order of the columns."""
        return [self.headings[name] for name in self.shown]

    def cells(self) -> list[list[str]]:
        """Return every value of the CSV as text: integers plain, other numbers rounded, missing ones empty."""
        return _rows(self._column(name) for name in self.frame.columns)

    def rows(self) -> list[list[str]]:
        """Return what a reader sees as text: as in the CSV, and each mean with its interval."""
        return _rows(self._with_margin(name) if name in self.margins else self._column(name) for name in self.shown)

    def _column(self, name: str) -> list[str]:
        return [_text(value, self.decimals.get(name, DECIMALS)) for value in self.frame[name].tolist()]

    def _with_margin(self, name: str) -> list[str]:
        pairs = zip(self.frame[name].tolist(), self.frame[self.margins[name]].tolist(), strict=True)
        return [with_margin(mean, half) if pd.notna(half) else _text(mean, DECIMALS) for mean, half in pairs]


def table1(measurements: pd.DataFrame) -> Table:
    """Return the paper's Table I: rates and throughputs with one middlebox, by frame size."""
    summary = summarise(measurements)
    single = summary[summary["n"] == 1]
    columns = {name: single[source] for name, (source, _) in SINGLE.items()}
    headings = {"frame_bytes": SIZE_HEADING} | {name: heading for name, (_, heading) in SINGLE.items()}
    return Table(
        pd.DataFrame({"frame_bytes": frame_sizes(single).map(size_shown), **columns}).reset_index(drop=True),
        headings,
        f"Performance of single virtual middlebox{origin_of(measurements)}{_mean(summary)}",
        addresses=dict.fromkeys(SINGLE, cell_addresses(single, own_name(summary))),
    )


def table2(measurements: pd.DataFrame) -> Table:
    """Return the paper's Table II: received throughput by frame size and chain length."""
    summary = summarise(measurements)
    throughput = grid(summary, "received_mbps")
    lengths = [int(n) for n in throughput.columns]
    frame = throughput.set_axis([f"n{n}" for n in lengths], axis="columns").rename(size_shown).reset_index()
    headings = {"frame_bytes": SIZE_HEADING} | {f"n{n}": f"n = {n}" for n in lengths}
    caption = (
        f"Throughput of multiple virtual middleboxes [Mb/s]{origin_of(measurements)}{_mean(summary)}; "
        "n: number of middleboxes in the chain"
    )
    own = own_name(summary)
    addresses = {f"n{n}": [cell_address(own, own, n, size) for size in throughput.index] for n in lengths}
    return Table(frame, headings, caption, addresses=addresses)


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write a table as ``name.csv``, ``name.md`` and ``name.tex``; return the paths written."""
    texts = {"csv": to_csv(table), "md": to_markdown(table), "tex": to_latex(table)}
    paths = []
    for suffix, text in texts.items():
        path = folder / f"{name}.{suffix}"
        write_text(path, text)
        paths.append(path)
    return paths


def to_csv(table: Table) -> str:
    """Return the table as CSV under its machine-readable names."""
    return pd.DataFrame(table.cells(), columns=table.frame.columns).to_csv(index=False, lineterminator="\n")


def to_markdown(table: Table) -> str:
    """Return the table as a Markdown pipe table, its caption above."""
    rule = [":---" if name in table.widths else "---:" for name in table.shown]
    cells = [[cell.replace("|", r"\|") for cell in row] for row in table.rows()]
    body = "".join(f"| {' | '.join(row)} |\n" for row in [table.titles(), rule, *cells])
    return f"**{table.caption}**\n\n{body}"


def to_latex(table: Table) -> str:
    """Return the table as a LaTeX ``table`` for a page of one or of two columns."""
    shares = [table.widths.get(name) for name in table.shown]
    return table_in_latex(table.caption, table.titles(), table.rows(), shares)


def to_html(table: Table) -> str:
    """Return the table as HTML, its caption inside."""
    return render("table", table=table, page_rem=PAGE_REM)


def to_folded_html(table: Table, summary: str) -> str:
    """Return the table as HTML that opens with a click on a summary."""
    return f'<details><summary>{html.escape(summary)}</summary><div class="scroll">{to_html(table)}</div></details>'


def origin_of(measurements: pd.DataFrame) -> str:
    """Return what the values of a table are of, for its caption: testbed, middlebox, and what load was searched for."""
    if measurements.empty:
        return ", no cell measured"
    testbed, middlebox = named(measurements["testbed"]), named(measurements["middlebox"])
    place = f"as published by {testbed}" if are_published(measurements) else f"testbed {testbed}"
    goal = searches.note_of(measurements)
    return f", {place} ({middlebox}){f', {goal}' if goal else ''}"


def _mean(summary: pd.DataFrame) -> str:
    """Return over how many repetitions values are means, if they are."""
    several = (summary["repetitions"] > 1).any()
    return f", mean of {repetitions_of(summary)} repetitions" if several else ""


def _rows(columns: Iterable[list[str]]) -> list[list[str]]:
    return [list(row) for row in zip(*columns, strict=True)]


def _text(value: object, decimals: int) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    return f"{value:.{decimals}f}" if isinstance(value, float) else str(value)
