"""The verb that makes one table of many records takes exactly those that are asked for, and none of another way."""

import json

import pytest
from middlebench import cli
from middlebench.analysis.measurements import read_measurements, record_path
from middlebench.errors import RecordError
from middlebench.record import PROTOCOL, write
from sweeps import record, write_results

GRID = json.dumps({"chain_lengths": [1], "frame_sizes": [800], "repetitions": 1})
SETTINGS = record().settings.model_dump_json(exclude_none=True)


@pytest.fixture
def results(tmp_path):
    """Results of one planned cell, and of two extra repetitions of it."""
    write_results(tmp_path, cells=[record(repetition=k) for k in (1, 2, 3)])
    return tmp_path / "made"


def aggregate(results, *argv):
    """Run the verb as its rule does; return its status and the repetitions in the table."""
    table = results / "again.csv"
    arguments = ["--folder", results, "--grid", GRID, *argv, "--command", "snakemake --", "--output", table]
    status = cli.main(["aggregate", *map(str, arguments)])
    return status, list(read_measurements(table)["repetition"]) if table.exists() else None


def test_no_list_of_extra_repetitions_and_one_are_both_taken(results):
    assert aggregate(results, "--extra", "--band", "0.1") == (0, [1])
    (results / "extra.json").write_text(json.dumps({"cells": [[1, 800, 3]]}))
    assert aggregate(results, "--extra", results / "extra.json", "--band", "0.1") == (0, [1, 3])


@pytest.mark.parametrize("protocol", ["", PROTOCOL])
def test_record_of_these_settings_and_this_protocol_is_taken(results, protocol):
    write(record().model_copy(update={"protocol": protocol}), results / record_path(1, 800, 1))
    assert aggregate(results, "--settings", SETTINGS) == (0, [1])


@pytest.mark.parametrize(
    "changed",
    [{"protocol": f"{PROTOCOL}.1"}, {"settings": record().settings.model_copy(update={"window_s": 0.25})}],
    ids=["another protocol", "other settings"],
)
def test_record_of_another_way_of_measuring_makes_no_table(results, capsys, changed):
    path = results / record_path(1, 800, 1)
    write(record().model_copy(update=changed), path)
    assert aggregate(results, "--settings", SETTINGS) == (RecordError.exit_status, None)
    assert f"measure them again: snakemake -- {path}" in capsys.readouterr().err
