"""An executed notebook as a piece of HTML: prose and results in order, then the code behind a click.

nbconvert's own page templates fetch scripts from the network, so only its Markdown conversion is
used. What comes out needs nothing but itself: figures are a part of it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbconvert.filters.markdown import markdown2html

from middlebench.analysis.data.provenance import PAGE
from middlebench.analysis.report.inline_svg import inline
from middlebench.system.errors import RecordError

MOST_ROWS = 40
"""Rows up to which a table stands open."""


@dataclass(frozen=True)
class Section:
    """One notebook, ready to be put into a page."""

    anchor: str
    """Where the page's navigation leads to."""
    title: str
    """The notebook's first heading, and the reference that it was run with if it compares."""
    html: str
    """All but that heading."""


def section_of(path: Path) -> Section:
    """Return an executed notebook as a section of a page.

    Raises:
        RecordError: the file is no notebook, has no heading, or stopped at an error.
    """
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise RecordError(f"reading notebook {path}", str(error)) from error
    body = "\n".join(_parts(notebook.cells, path))
    heading = re.search(r"<h2[^>]*>(.*?)</h2>", body, flags=re.DOTALL)
    if heading is None:
        raise RecordError(f"reading notebook {path}", "it has no heading", "begin its first cell with `# Title`")
    title = Markup(heading[1]).striptags()
    reference = notebook.metadata.get("papermill", {}).get("parameters", {}).get("reference")
    if reference:
        title += f" with {reference}"
    body = body.replace(heading[0], "", 1).replace(f'href="{PAGE}#', 'href="#')
    return Section(anchor=path.stem, title=title, html=body)


def _parts(cells: Iterable[Mapping[str, Any]], path: Path) -> Iterator[str]:
    """Yield each cell's prose or results, and in the end the code of all.

    A heading within the section is left out with its prose when the code below it shows nothing.
    """
    listed = list(cells)
    code = []
    for place, cell in enumerate(listed):
        if cell["cell_type"] == "markdown":
            if cell["source"].startswith("## ") and _is_silent(listed[place + 1 :]):
                continue
            yield _markdown(cell["source"])
        elif cell["cell_type"] == "code":
            code.append(cell["source"].strip())
            yield from (_output(output, path) for output in cell["outputs"])
    source = html.escape("\n\n".join(filter(None, code)))
    yield f'<details class="code"><summary>the code of this section</summary><pre>{source}</pre></details>'


def _is_silent(cells: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether code follows, up to the next prose, and none of it shows anything."""
    below = list(takewhile(lambda cell: cell["cell_type"] == "code", cells))
    return bool(below) and not any(cell["outputs"] for cell in below)


def _markdown(source: str) -> str:
    """Return Markdown as HTML, each heading one level lower: the page has a title of its own."""
    converted = re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', "", str(markdown2html(source)))
    return re.sub(r"(</?h)([1-5])\b(?: id=\"[^\"]*\")?", lambda tag: f"{tag[1]}{int(tag[2]) + 1}", converted)


def _output(output: Mapping[str, Any], path: Path) -> str:
    if output["output_type"] == "error":
        raise RecordError(
            f"rendering {path}", f"the notebook stopped: {output['ename']}: {output['evalue']}", "run the rule again"
        )
    if output["output_type"] == "stream":
        return RENDERERS["text/plain"](output["text"])
    for kind, render in RENDERERS.items():
        if kind in output["data"]:
            return render(output["data"][kind])
    return ""


def _table(text: str) -> str:
    """Return HTML that may be wider than the page; a table of many rows opens with a click."""
    rows = text.count("<tr") - text.count("<thead")
    shown = f'<div class="scroll">{text}</div>'
    return f"<details><summary>{rows} rows</summary>{shown}</details>" if rows > MOST_ROWS else shown


RENDERERS: dict[str, Callable[[str], str]] = {
    "image/svg+xml": lambda text: f"<figure>{inline(text)}</figure>",
    "image/png": lambda text: (
        f'<figure><img src="data:image/png;base64,{"".join(text.split())}" alt="figure"></figure>'
    ),
    "text/markdown": _markdown,
    "text/html": _table,
    "text/plain": lambda text: f"<pre>{html.escape(text)}</pre>",
}
"""How each kind of output is shown; of several kinds the first here is taken."""
