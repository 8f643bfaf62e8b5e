"""What tables and titles say of throughput searches."""

import math

import pytest
from middlebench.analysis.data.measurements import from_records, read_measurements, write_measurements
from middlebench.analysis.data.searches import note_of, table_of
from middlebench.analysis.tables.table import table1, table2
from middlebench.model.record import Record
from sweeps import record, search


def measured(*searches):
    return from_records(record(n, search=each) for n, each in enumerate(searches, start=1))


def test_bounds_stand_in_the_measurements_and_survive_the_csv(tmp_path):
    table = measured(search(40_000.0, 40_100.0), search(None, 100.0), search(150_000.0, None), None)
    write_measurements(table, tmp_path / "measurements.csv")
    rows = read_measurements(tmp_path / "measurements.csv").to_dict("records")
    assert [row["goal"] for row in rows] == ["NDR", "NDR", "NDR", ""]
    assert [row["lower_bound_kpps"] for row in rows] == pytest.approx([40, math.nan, 150, math.nan], nan_ok=True)
    assert [row["upper_bound_kpps"] for row in rows] == pytest.approx([40.1, 0.1, math.nan, math.nan], nan_ok=True)
    assert [row["conditional_throughput_kpps"] for row in rows] == pytest.approx([40, 0, 150, math.nan], nan_ok=True)
    assert [row["search_trials"] for row in rows][:3] == [28, 28, 28]


@pytest.mark.parametrize(
    ("searches", "note"),
    [
        ([None], ""),
        ([search(), search()], "NDR"),
        ([search(), search(goal="PDR 0.5 %")], "NDR and PDR 0.5 %"),
        ([search(), None], "NDR in some cells"),
    ],
)
def test_titles_name_the_goal(searches, note):
    assert note_of(measured(*searches)) == note


@pytest.mark.parametrize("table", [table1, table2])
def test_captions_of_the_papers_tables_name_the_goal(table):
    assert ", PDR 0.5 %" in table(measured(search(goal="PDR 0.5 %"))).caption
    assert "PDR" not in table(measured(None)).caption


def test_table_says_honestly_where_a_bound_is_missing():
    table = table_of(measured(search(), search(None, 100.0), search(150_000.0, None), None))
    assert list(table["lower bound [kpkt/s]"]) == ["40.000", "none: throughput 0", "150.000"]
    assert list(table["upper bound [kpkt/s]"]) == ["40.100", "0.100", "none: line rate"]
    assert list(table["width [%]"]) == ["0.25", "", ""]
    assert set(table["trials"]) == {"28"}


def test_record_with_a_search_is_read_as_it_was_written():
    made = record(search=search())
    assert Record.model_validate_json(made.model_dump_json()) == made
