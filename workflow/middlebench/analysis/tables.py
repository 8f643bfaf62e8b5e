"""The paper's two tables, from any measurements, as CSV, Markdown, LaTeX and HTML.

The CSV has the column names of the transcribed tables in ``data/paper``, so that measured and
published tables can be compared by any tool; the other forms have headings for readers.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from middlebench.analysis import searches
from middlebench.analysis.aggregate import grid, named, summarise
from middlebench.analysis.provenance import cell_address, cell_addresses, own_name
from middlebench.system.atomic import write_text

DECIMALS = 2
"""Digits after the point, as in the paper."""

LATEX_SPECIAL = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"})


@dataclass(frozen=True)
class Table:
    """A table that is ready to be shown or written."""

    frame: pd.DataFrame
    """The values, under machine-readable column names."""
    headings: Mapping[str, str]
    """What a reader sees above each column."""
    caption: str
    """One sentence: what is shown, of which testbed."""
    widths: Mapping[str, float] = field(default_factory=dict)
    """Columns of text, set flush left, and the share of a printed line that each takes; all others are numbers."""
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns whose values lead to where they come from in the report: one address a row, empty for none."""
    anchors: Sequence[str] = ()
    """Names under which the report's links find the rows."""

    def cells(self) -> list[list[str]]:
        """Return every value as text: integers plain, other numbers rounded, missing ones empty."""
        return [[_text(value) for value in row] for row in self.frame.itertuples(index=False)]

    def titles(self) -> list[str]:
        """Return the headings in the order of the columns."""
        return [self.headings[name] for name in self.frame.columns]


def table1(measurements: pd.DataFrame) -> Table:
    """Return the paper's Table I: rates and throughputs with one middlebox, by frame size."""
    summary = summarise(measurements)
    single = summary[summary["n"] == 1]
    frame = pd.DataFrame(
        {
            "frame_bytes": single["frame_bytes"],
            "generated_kpps": single["offered_kpps"],
            "generated_mbps": single["offered_mbps"],
            "generated_raw_mbps": single["offered_raw_mbps"],
            "received_kpps": single["received_kpps"],
            "received_mbps": single["received_mbps"],
        }
    )
    headings = {
        "frame_bytes": "Packet size [B]",
        "generated_kpps": "Generated packet rate [kpkt/s]",
        "generated_mbps": "Generated throughput [Mb/s]",
        "generated_raw_mbps": "Generated raw throughput [Mb/s]",
        "received_kpps": "Received packet rate [kpkt/s]",
        "received_mbps": "Received throughput [Mb/s]",
    }
    caption = f"Performance of single virtual middlebox{_origin(summary)}{_goal(measurements)}"
    addresses = dict.fromkeys(list(headings)[1:], cell_addresses(single, own_name(summary)))
    return Table(frame.reset_index(drop=True), headings, caption, addresses=addresses)


def table2(measurements: pd.DataFrame) -> Table:
    """Return the paper's Table II: received throughput by frame size and chain length."""
    summary = summarise(measurements)
    throughput = grid(summary, "received_mbps")
    lengths = [int(n) for n in throughput.columns]
    frame = throughput.set_axis([f"n{n}" for n in lengths], axis="columns").reset_index()
    headings = {"frame_bytes": "Packet size [B]"} | {f"n{n}": f"n = {n}" for n in lengths}
    caption = (
        f"Throughput of multiple virtual middleboxes [Mb/s]{_origin(summary)}{_goal(measurements)}; "
        "n: number of middleboxes in the chain"
    )
    own = own_name(summary)
    addresses = {f"n{n}": [cell_address(own, own, n, int(size)) for size in throughput.index] for n in lengths}
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
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(table.frame.columns), *table.cells()])
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """Return the table as a Markdown pipe table, its caption above."""
    rule = [":---" if name in table.widths else "---:" for name in table.frame.columns]
    cells = [[cell.replace("|", r"\|") for cell in row] for row in table.cells()]
    body = "".join(f"| {' | '.join(row)} |\n" for row in [table.titles(), rule, *cells])
    return f"**{table.caption}**\n\n{body}"


def to_latex(table: Table) -> str:
    """Return the table as a LaTeX ``table`` that needs no package."""
    head, *body = [
        " & ".join(cell.translate(LATEX_SPECIAL) for cell in row) for row in [table.titles(), *table.cells()]
    ]
    columns = "".join(
        rf"p{{{table.widths[name]:g}\linewidth}}" if name in table.widths else "r" for name in table.frame.columns
    )
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{table.caption.translate(LATEX_SPECIAL)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\hline",
        rf"{head} \\",
        r"\hline",
        *(rf"{row} \\" for row in body),
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """Return the table as HTML, its caption inside."""
    looks = [' class="words"' if name in table.widths else "" for name in table.frame.columns]
    head = "".join(
        f'<th scope="col"{look}>{html.escape(title)}</th>' for look, title in zip(looks, table.titles(), strict=True)
    )
    nowhere = [""] * len(table.frame)
    addresses = [table.addresses.get(name, nowhere) for name in table.frame.columns]
    rows = zip(table.anchors or nowhere, table.cells(), zip(*addresses, strict=True), strict=True)
    body = "".join(
        f"<tr{_named(anchor)}>{''.join(map(_html_cell, looks, cells, leads))}</tr>\n" for anchor, cells, leads in rows
    )
    return (
        f'<table class="numbers">\n<caption>{html.escape(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    )


def _named(anchor: str) -> str:
    return f' id="{html.escape(anchor)}"' if anchor else ""


def _html_cell(look: str, text: str, address: str) -> str:
    shown = html.escape(text)
    return (
        f'<td{look}><a href="{html.escape(address)}">{shown}</a></td>'
        if address and text
        else f"<td{look}>{shown}</td>"
    )


def _goal(measurements: pd.DataFrame) -> str:
    """Return what the load was searched for, if it was."""
    note = searches.note_of(measurements)
    return f", {note}" if note else ""


def _origin(summary: pd.DataFrame) -> str:
    """Return what the values are of: testbed, middlebox, and how many repetitions were averaged."""
    if summary.empty:
        return ", no cell measured"
    repetitions = int(summary["repetitions"].max())
    mean = f", mean of {repetitions} repetitions" if repetitions > 1 else ""
    return f", testbed {named(summary['testbed'])} ({named(summary['middlebox'])}){mean}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    return f"{value:.{DECIMALS}f}" if isinstance(value, float) else str(value)
