"""Tables as LaTeX that compiles as it is, in a paper of one or of two columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pylatexenc.latexencode import unicode_to_latex

COLUMN_PT, PAGE_PT = 229, 345
"""Width of one column of two, and of the text of a page, in LaTeX's own ``article`` at 10 pt."""

LETTER_PT, GAP_PT = 5.2, 3
"""Width to allow for a letter (a digit takes 5 pt), and the space on either side of a column."""

SHORT = 7
"""Characters of a heading that stay on one line, however narrow its column is."""


def table_in_latex(
    caption: str, titles: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float | None]
) -> str:
    """Return a table as a LaTeX ``table``; one that is wider than a page is shrunk to it, by ``graphicx``.

    Args:
        caption: what is shown.
        titles: what stands above each column; it is broken into lines where it is wider than the column.
        rows: text of each cell.
        shares: for each column of text, the share of the page's width that it takes; None for a column of numbers.
    """
    longest = [max((len(row[place]) for row in rows), default=0) for place in range(len(titles))]
    heads = [
        textwrap.wrap(title, max(SHORT, length), break_long_words=False) or [""]
        for title, length in zip(titles, longest, strict=True)
    ]
    width = sum(
        2 * GAP_PT + (share * PAGE_PT if share else LETTER_PT * max(length, *map(len, head)))
        for share, length, head in zip(shares, longest, heads, strict=True)
    )
    columns = "".join(rf"p{{{share:g}\linewidth}}" if share else "r" for share in shares)
    body = [
        " & ".join(
            (r"\raggedright " if share else "") + _escaped(cell) for share, cell in zip(shares, row, strict=True)
        )
        for row in rows
    ]
    float_ = "table" if width <= COLUMN_PT else "table*"
    lines = [
        rf"\begin{{{float_}}}",
        r"\centering",
        rf"\setlength{{\tabcolsep}}{{{GAP_PT}pt}}",
        rf"\caption{{{_escaped(caption)}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if width > PAGE_PT else []),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\hline",
        rf"{' & '.join(map(_head, heads, shares))} \tabularnewline",
        r"\hline",
        *(rf"{row} \tabularnewline" for row in body),
        r"\hline",
        r"\end{tabular}" + ("}" if width > PAGE_PT else ""),
        rf"\end{{{float_}}}",
    ]
    return "\n".join(lines) + "\n"


def _head(lines: Sequence[str], share: float | None) -> str:
    r"""Return a heading, set as its column is; `\\` is kept from taking a unit in brackets for its own argument."""
    if len(lines) == 1 or share:
        return _escaped(" ".join(lines))
    return r"\shortstack[r]{" + r"\\{}".join(map(_escaped, lines)) + "}"


def _escaped(text: str) -> str:
    return str(unicode_to_latex(text))
