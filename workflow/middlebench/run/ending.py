"""What a run says at its end: the answer that it found, and where its report is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from middlebench.analysis.data.measurements import read_measurements
from middlebench.analysis.report.answer import answer


def last_words(results: Path, testbeds: Iterable[str]) -> Iterator[str]:
    """Yield, of each testbed that has a report, the answer's sentences, a line each, and the address of the page."""
    for name in testbeds:
        page = (results / name / "report" / "index.html").absolute()
        table = results / name / "measurements.csv"
        if page.exists():
            found = answer(read_measurements(table)) if table.exists() else None
            yield from found.sentences if found else ()
            yield f"The report of {name}: {page.as_uri()}"
