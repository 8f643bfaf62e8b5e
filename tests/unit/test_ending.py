"""At its end a run answers the question on the terminal, and says where its report is."""

import os

from middlebench.analysis.data.measurements import read_measurements, write_measurements
from middlebench.analysis.report.first_screen import near_drift
from middlebench.run.ending import last_words
from sweeps import write_results


def test_end_of_a_run_is_the_answer_and_the_address_of_the_report(tmp_path):
    write_results(tmp_path, repetitions=2)
    assert list(last_words(tmp_path, ["made"])) == []
    page = tmp_path / "made/report/index.html"
    page.parent.mkdir(exist_ok=True)
    page.touch()
    *sentences, address = last_words(tmp_path, ["made", "absent"])
    assert len(sentences) == 3
    assert "arrive through a chain of 4" in sentences[0]
    assert address.endswith(page.as_uri())


def test_page_that_is_older_than_a_cell_is_told_to_be_and_nothing_of_it_is_said(tmp_path):
    write_results(tmp_path, repetitions=2)
    page = tmp_path / "made/report/index.html"
    page.parent.mkdir(exist_ok=True)
    page.touch()
    newest = next((tmp_path / "made").glob("cells/**/rep1.json"))
    os.utime(newest, (page.stat().st_mtime + 10,) * 2)
    (line,) = last_words(tmp_path, ["made"])
    assert f"`snakemake --cores 1 -- {page}`" in line


def test_end_of_a_run_tells_that_cells_are_near_drift(tmp_path):
    write_results(tmp_path, repetitions=2)
    table = tmp_path / "made/measurements.csv"
    measurements = read_measurements(table)
    write_measurements(measurements.assign(flags=["drift", *measurements["flags"][1:]]), table)
    page = tmp_path / "made/report/index.html"
    page.parent.mkdir(exist_ok=True)
    page.touch()
    assert [line for line in last_words(tmp_path, ["made"]) if line in near_drift(read_measurements(table))]


def test_report_without_a_table_is_named_all_the_same(tmp_path):
    page = tmp_path / "made/report/index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    (address,) = last_words(tmp_path, ["made"])
    assert address.endswith(page.as_uri())
