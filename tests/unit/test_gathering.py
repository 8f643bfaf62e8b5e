"""What the verbs between records and tables read, and what they leave out."""

import json

import pytest
from middlebench.analysis.measurements import read_measurements, record_path
from middlebench.cli import main
from middlebench.model.record import PROTOCOL, write
from middlebench.system.errors import RecordError
from sweeps import ENVIRONMENT, environment, record, write_results

SETTINGS = record().settings
GRID = json.dumps({"chain_lengths": [1, 2], "frame_sizes": [800], "repetitions": 2})


@pytest.fixture
def allocated(tmp_path):
    """Returns the extra cells that the verb gives away beside these records and two repetitions of n = 1 and 2."""

    def allocated(*extra, budget=1, options=()):
        known = [record(n, repetition=k, received=10_000 + n * k) for n in (1, 2) for k in (1, 2)]
        write_results(tmp_path, cells=[*known, *extra])
        output = tmp_path / "extra.json"
        arguments = ["--folder", str(tmp_path / "made"), "--grid", GRID, "--budget", str(budget)]
        arguments += ["--settings", SETTINGS.model_dump_json(exclude_none=True), "--output", str(output), *options]
        assert main(["allocate", *arguments]) == 0
        return [tuple(cell) for cell in json.loads(output.read_text())["cells"]]

    return allocated


def test_extra_repetition_goes_to_the_cell_that_is_known_least(allocated):
    assert allocated() == [(2, 800, 3)]


def test_extra_repetition_that_is_there_stays(allocated):
    assert allocated(record(1, repetition=3)) == [(1, 800, 3)]


@pytest.mark.parametrize(
    "changed",
    [{"protocol": f"{PROTOCOL}.1"}, {"settings": SETTINGS.model_copy(update={"window_s": 60.0})}],
    ids=["another protocol", "other settings"],
)
def test_records_that_were_measured_in_another_way_neither_count_nor_tell(allocated, changed):
    assert allocated(record(1, repetition=3, received=40_000).model_copy(update=changed)) == [(2, 800, 3)]


def test_records_of_another_environment_tell_only_where_environments_are_mixed(allocated):
    elsewhere = record(1, repetition=3, received=40_000, environment=environment(kernel="6.2"))
    assert elsewhere.environment != ENVIRONMENT.id
    assert allocated(elsewhere) == [(2, 800, 3)]
    assert allocated(elsewhere, budget=2, options=["--mix-environments"]) == [(1, 800, 3), (1, 800, 4)]


def test_finished_extra_repetitions_beyond_the_budget_are_told_and_stay_on_disk(allocated, tmp_path, capsys):
    assert allocated(record(1, repetition=3), record(2, repetition=3)) == [(2, 800, 3)]
    assert "1 finished extra repetition more than asked for" in capsys.readouterr().err
    assert (tmp_path / "made/cells/n1/size800/rep3.json").exists()


def test_record_that_cannot_be_read_is_named_and_nothing_is_given_away(allocated, tmp_path, capsys):
    allocated()
    write(SETTINGS, tmp_path / "made/cells/n1/size800/rep3.json")
    arguments = ["--folder", str(tmp_path / "made"), "--grid", GRID, "--budget", "1"]
    settings = SETTINGS.model_dump_json()
    assert main(["allocate", *arguments, "--settings", settings, "--output", str(tmp_path / "new.json")]) != 0
    assert "rep3.json" in capsys.readouterr().err
    assert not (tmp_path / "new.json").exists()


ONE_CELL = json.dumps({"chain_lengths": [1], "frame_sizes": [800], "repetitions": 1})


@pytest.fixture
def results(tmp_path):
    """Results of one planned cell, and of two extra repetitions of it."""
    write_results(tmp_path, cells=[record(repetition=k) for k in (1, 2, 3)])
    return tmp_path / "made"


def aggregated(results, *options):
    """Run the verb as its rule does; return its status and the repetitions in the table."""
    table = results / "again.csv"
    arguments = ["--folder", results, "--grid", ONE_CELL, *options, "--command", "snakemake --", "--output", table]
    status = main(["aggregate", *map(str, arguments)])
    return status, list(read_measurements(table)["repetition"]) if table.exists() else None


def test_table_has_the_planned_cells_and_those_of_a_list_of_extra_ones_where_there_is_one(results):
    assert aggregated(results, "--extra", "--band", "0.1") == (0, [1])
    (results / "extra.json").write_text(json.dumps({"cells": [[1, 800, 3]]}))
    assert aggregated(results, "--extra", results / "extra.json", "--band", "0.1") == (0, [1, 3])


@pytest.mark.parametrize("protocol", ["", PROTOCOL])
def test_record_of_these_settings_and_this_protocol_is_taken(results, protocol):
    write(record().model_copy(update={"protocol": protocol}), results / record_path(1, 800, 1))
    assert aggregated(results, "--settings", SETTINGS.model_dump_json()) == (0, [1])


@pytest.mark.parametrize(
    "changed",
    [{"protocol": f"{PROTOCOL}.1"}, {"settings": SETTINGS.model_copy(update={"window_s": 0.25})}],
    ids=["another protocol", "other settings"],
)
def test_record_that_was_measured_in_another_way_makes_no_table(results, capsys, changed):
    path = results / record_path(1, 800, 1)
    write(record().model_copy(update=changed), path)
    assert aggregated(results, "--settings", SETTINGS.model_dump_json()) == (RecordError.exit_status, None)
    assert f"measure them again: snakemake -- {path}" in capsys.readouterr().err


def test_all_records_that_cannot_be_used_are_named_at_once(results, capsys):
    (results / "extra.json").write_text(json.dumps({"cells": [[1, 800, 2], [1, 800, 3]]}))
    first, second, third = (results / record_path(1, 800, repetition) for repetition in (1, 2, 3))
    second.write_bytes(first.read_bytes())
    third.write_bytes(third.read_bytes()[:100])
    assert aggregated(results, "--extra", results / "extra.json", "--band", "0.1") == (RecordError.exit_status, None)
    said = capsys.readouterr().err
    assert f"{second}: it is the record of n = 1, 800 B, repetition 1" in said
    assert f"{third}: it is not a" in said
    assert str(first) not in said


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--grid", "{bad"), "argument --grid: this is no JSON"),
        (("--grid", "[1]"), "keys and values are wanted"),
        (("--settings", '{"windw_s": 1}'), "windw_s: there is no such key"),
    ],
)
def test_bad_values_are_mistakes_of_the_command_line(option, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["aggregate", "--folder", "made", "--grid", GRID, "--output", "out.csv", *option])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
