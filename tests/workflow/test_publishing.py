"""A study is measured and published, for real: all tables, figures and pages."""

from __future__ import annotations

import shutil

import pytest
from middlebench.analysis.report.crate import demand_whole
from projects import TESTBED


@pytest.mark.timeout(900)  # all notebooks of two datasets
def test_sweep_is_measured_and_published_and_then_there_is_nothing_to_do(fresh):
    shutil.rmtree(fresh.folder / "data/publications/cnf-testbed")  # its report is made by the same rules
    fresh.run("--cores", "2", "--", "all")
    for dataset in (TESTBED, "maksic"):
        page = (fresh.folder / "results" / dataset / "report" / "index.html").read_text()
        assert page.lstrip().lower().startswith("<!doctype html>")
    assert "Nothing to be done" in fresh.run("--dry-run", "--", "all")

    demand_whole(fresh.results)
    fresh.run("--report", "report.html")
    report = (fresh.folder / "report.html").read_text()
    for name in ("the whole report, one page", "fig5.svg", "table2.csv", "measurements.csv", "claims_maksic.csv"):
        assert name in report
