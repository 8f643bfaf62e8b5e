"""Records become rows without losing a count, and the CSV gives back what was put in."""

import shlex
from pathlib import Path

import pandas as pd
import pytest
from middlebench.analysis.data.measurements import (
    NAMES,
    from_records,
    from_rows,
    read_measurements,
    write_measurements,
)
from middlebench.analysis.data.publications import load_cells
from middlebench.system.errors import RecordError
from sweeps import record, records, sweep


def test_row_has_the_counts_and_the_rates_that_follow_from_them():
    row = from_records([record(n=3, frame_bytes=1000, offered=60_000, received=15_000, flags=("a", "b"))]).iloc[0]
    assert (row["n"], row["frame_bytes"], row["offered_packets"], row["received_packets"]) == (3, 1000, 60_000, 15_000)
    assert row["offered_kpps"] == pytest.approx(120)
    assert row["offered_mbps"] == pytest.approx(960)
    assert row["offered_raw_mbps"] == pytest.approx(983.04)
    assert row["received_kpps"] == pytest.approx(30)
    assert row["received_mbps"] == pytest.approx(240)
    assert row["flags"] == "a;b"
    assert row["record"] == "cells/n3/size1000/rep1.json"


def test_row_leads_to_its_record_its_raw_output_and_the_command_that_measures_it_again():
    command = "snakemake --config results_folder='my results' --"
    row = from_records([record(n=4, repetition=2)], Path("my results/made"), command).iloc[0]
    assert row["record"] == "cells/n4/size800/rep2.json"
    assert row["raw_output"] == "cells/n4/size800/rep2.generator.txt"
    assert shlex.split(row["command"])[-2:] == ["--", "my results/made/cells/n4/size800/rep2.json"]


def test_row_says_what_limited_the_cell_and_where_its_packets_were_lost():
    row = from_records([record(n=2, offered=50_000, received=20_000)]).iloc[0]
    assert (row["bottleneck"], row["lost_at"], row["unaccounted_packets"]) == ("switch", "bridge 0 (in)", 0)
    assert (row["server_busy_ratio"], row["test_computer_busy_ratio"]) == (pytest.approx(0.75), pytest.approx(1))


def test_loss_is_what_the_whole_trial_lost():
    assert from_records([record(offered=1000, received=250)])["loss_ratio"].item() == 0.75


def test_loss_of_a_trial_that_sent_nothing_is_missing():
    assert from_records([record(offered=0, received=0)])["loss_ratio"].isna().item()


def test_rows_are_sorted_by_cell_whatever_the_order_of_records():
    backwards = from_records(reversed(records(repetitions=2)))
    pd.testing.assert_frame_equal(backwards, sweep(repetitions=2))


def test_a_cell_that_comes_twice_is_refused():
    with pytest.raises(RecordError, match="more than once"):
        from_records([record(), record()])


def test_an_unknown_column_is_refused_by_name():
    with pytest.raises(RecordError, match="'speed'"):
        from_rows([{"testbed": "made", "speed": 3}])


def test_no_record_gives_an_empty_table_with_all_columns(tmp_path):
    write_measurements(from_records([]), tmp_path / "m.csv")
    table = read_measurements(tmp_path / "m.csv")
    assert tuple(table.columns) == NAMES
    assert table.empty


def test_csv_gives_back_every_value_exactly(tmp_path):
    table = sweep(repetitions=2)
    write_measurements(table, tmp_path / "m.csv")
    pd.testing.assert_frame_equal(read_measurements(tmp_path / "m.csv"), table, check_exact=True)


def test_published_measurements_survive_the_csv_too(tmp_path):
    write_measurements(load_cells("maksic"), tmp_path / "m.csv")
    pd.testing.assert_frame_equal(read_measurements(tmp_path / "m.csv"), load_cells("maksic"), check_exact=True)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda text: text.replace("loss_ratio", "losses"), "loss_ratio"),
        (lambda text: text.replace("command\n", "command,extra\n", 1).replace(",\n", ",,1\n"), "extra"),
        (lambda text: text.replace(",20000,", ",many,"), "received_packets"),
    ],
)
def test_spoilt_csv_is_refused_with_file_and_column(tmp_path, spoil, named):
    path = tmp_path / "m.csv"
    write_measurements(from_records([record()]), path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(RecordError, match=named) as refusal:
        read_measurements(path)
    assert str(path) in str(refusal.value)


def test_missing_csv_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"m\.csv"):
        read_measurements(tmp_path / "m.csv")
