"""What a run says at its end: the answer that it found, and where its report is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from middlebench.analysis.data.dataset import of_main_kind
from middlebench.analysis.data.measurements import read_measurements
from middlebench.analysis.report.answer import answer
from middlebench.analysis.report.first_screen import near_drift


def last_words(results: Path, testbeds: Iterable[str]) -> Iterator[str]:
    """Yield, of each testbed that has a report, the answer, whether cells are near drift, and where the page is.

    Of a page or a table that cells have changed since then only that is told.
    """
    for name in testbeds:
        page = results / name / "report" / "index.html"
        if not page.exists():
            continue
        table = results / name / "measurements.csv"
        if _newest_cell(results / name) > min(each.stat().st_mtime for each in (page, table) if each.exists()):
            yield f"The report of {name} is older than its newest cell: `snakemake --cores 1 -- {page}` makes it anew."
            continue
        if table.exists():
            measurements = read_measurements(table)
            if found := answer(of_main_kind(measurements)):
                yield from found.sentences
            yield from near_drift(measurements)
        yield f"The report of {name}: {page.absolute().as_uri()}"


def _newest_cell(folder: Path) -> float:
    """Return when the newest record of a cell was written, in seconds since the epoch; 0 where there is none."""
    return max((path.stat().st_mtime for path in folder.glob("cells/**/rep*.json")), default=0.0)
