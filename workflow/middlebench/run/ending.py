"""What a run says at its end: the answer that it found, and where its report is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from middlebench.analysis.data.dataset import of_main_kind
from middlebench.analysis.data.measurements import read_measurements
from middlebench.analysis.report.answer import answer


def last_words(results: Path, testbeds: Iterable[str]) -> Iterator[str]:
    """Yield, of each testbed that has a report, the answer's sentences, a line each, and the address of the page."""
    for name in testbeds:
        page = (results / name / "report" / "index.html").absolute()
        table = results / name / "measurements.csv"
        if page.exists():
            if table.exists() and (found := answer(of_main_kind(read_measurements(table)))):
                yield from found.sentences
            yield f"The report of {name}: {page.as_uri()}"
