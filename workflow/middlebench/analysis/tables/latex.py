"""Tables as LaTeX that compiles as it is, in a paper of one or of two columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from math import ceil

from pylatexenc.latexencode import unicode_to_latex

COLUMN_PT, PAGE_PT = 229, 345
"""Width of one column of two, and of the text of a page, in LaTeX's own ``article`` at 10 pt."""

LETTER_PT, GAP_PT = 5.2, 3
"""Width to allow for a letter (a digit takes 5 pt), and the space on either side of a column."""

PAGE_LINES = 38
"""Lines of a table that a page holds below a caption of several lines and a heading."""

RULE = r"\hline\noalign{\vskip 2pt}"
"""A line over the whole table, which the text below it does not touch."""

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
    shares = [share and max(share, _widest_word(place, titles, rows)) for place, share in enumerate(shares)]
    longest = [max((len(row[place]) for row in rows), default=0) for place in range(len(titles))]
    heads = [
        textwrap.wrap(title.replace(" %", "\u00a0%"), max(SHORT, length), break_long_words=False) or [""]
        for title, length in zip(titles, longest, strict=True)
    ]
    width = sum(
        2 * GAP_PT + (share * PAGE_PT if share else LETTER_PT * max(length, *map(len, head)))
        for share, length, head in zip(shares, longest, heads, strict=True)
    )
    columns = "".join(rf"p{{{share:g}\linewidth}}" if share else "r" for share in shares)
    wide = width > PAGE_PT
    float_ = "table" if width <= COLUMN_PT else "table*"
    parts = []
    for place, part in enumerate(_pages(rows, shares)):
        body = [
            " & ".join(
                (r"\raggedright " if share else "") + _escaped(cell) for share, cell in zip(shares, row, strict=True)
            )
            for row in part
        ]
        parts += [
            *([r"\clearpage"] if place else []),
            rf"\begin{{{float_}}}",
            r"\centering",
            rf"\setlength{{\tabcolsep}}{{{GAP_PT}pt}}",
            *([r"\addtocounter{table}{-1}"] if place else []),
            rf"\caption{{{_escaped(caption)}{' (continued)' if place else ''}}}",
            *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
            rf"\begin{{tabular}}{{{columns}}}",
            RULE,
            rf"{' & '.join(map(_head, heads, shares))} \tabularnewline",
            RULE,
            *(rf"{row} \tabularnewline" for row in body),
            RULE,
            r"\end{tabular}" + ("}" if wide else ""),
            rf"\end{{{float_}}}",
        ]
    return "\n".join(parts) + "\n"


def _widest_word(place: int, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> float:
    """Return the share of the page's width that the longest word of a column takes: it is not broken."""
    words = [word for text in (titles[place], *(row[place] for row in rows)) for word in text.split()]
    return max(map(len, words), default=0) * LETTER_PT / PAGE_PT


def _pages(rows: Sequence[Sequence[str]], shares: Sequence[float | None]) -> Iterator[list[Sequence[str]]]:
    """Yield the rows page by page, one page at least: a float that is longer than a page is cut off."""
    page: list[Sequence[str]] = []
    lines = 0
    for row in rows:
        texts = ((len(cell), share) for cell, share in zip(row, shares, strict=True) if share)
        height = max(1, 1, *(ceil(length * LETTER_PT / (share * PAGE_PT)) for length, share in texts))
        if page and lines + height > PAGE_LINES:
            yield page
            page, lines = [], 0
        page.append(row)
        lines += height
    yield page


def _head(lines: Sequence[str], share: float | None) -> str:
    r"""Return a heading, set as its column is; `\\` is kept from taking a unit in brackets for its own argument."""
    if len(lines) == 1 or share:
        return _escaped(" ".join(lines))
    return r"\shortstack[r]{" + r"\\{}".join(map(_escaped, lines)) + "}"


def _escaped(text: str) -> str:
    return str(unicode_to_latex(text))
