"""What the verb between records and tables reads, and what it leaves out."""

import pytest
from middlebench.analysis.data.measurements import read_measurements
from middlebench.cli import main
from middlebench.config.study import Study
from middlebench.config.study_file import write_study
from middlebench.model.cell import Cell
from middlebench.model.record import PROTOCOL
from middlebench.model.record_file import read, write
from middlebench.run.planned import Batch
from middlebench.system.errors import RecordError
from sweeps import record, write_results

SETTINGS = record().settings
STUDY = Study(
    testbeds=("made",),
    chain_lengths=(1,),
    frame_sizes=(800,),
    trial="short",
    trials={"short": SETTINGS.model_dump(include={"window_s", "warm_up_s", "sample_interval_s"})},
)


def path(results, repetition):
    return results / Cell(testbed="made", n=1, frame_bytes=800, repetition=repetition).path


@pytest.fixture
def results(tmp_path):
    """Results of one planned cell, and of two more repetitions of it."""
    write_results(tmp_path, cells=[record(repetition=k) for k in (1, 2, 3)])
    (tmp_path / "made/measurements.csv").unlink()
    write_study("a session", STUDY, {}, tmp_path)
    return tmp_path / "made"


def aggregated(results):
    """Run the verb as its rule does; return its status and the repetitions in the table."""
    table = results / "measurements.csv"
    status = main(["aggregate", str(table)])
    return status, list(read_measurements(table)["repetition"]) if table.exists() else None


def test_table_has_the_planned_cells_and_finished_repetitions_of_them(results):
    assert aggregated(results) == (0, [1, 2, 3])
    assert (results / "summary.csv").exists()


def test_adaptive_sweep_chooses_cells_of_the_topology_and_the_function_of_the_study(results):
    asked = {"topologies": ("pipeline",), "functions": ("nat",), "chain_lengths": (1, 2, 4), "sweep": "adaptive"}
    write_study("a session", STUDY.model_copy(update=asked), {}, results.parent)
    batch = results / "batches/1.json"
    assert main(["choose-cells", str(batch)]) == 0
    chosen = read(Batch, batch).cells
    assert {(cell.topology, cell.function) for cell in chosen} == {("pipeline", "nat")}


CHANGES = {
    "another protocol": {"protocol": f"{PROTOCOL}.1"},
    "other settings": {"settings": SETTINGS.model_copy(update={"window_s": 0.25})},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
def test_repetition_beside_the_plan_is_left_out_where_it_was_measured_in_another_way(results, changed):
    write(record(repetition=2).model_copy(update=changed), path(results, 2))
    assert aggregated(results) == (0, [1, 3])


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
def test_planned_record_that_was_measured_in_another_way_makes_no_table(results, capsys, changed):
    write(record().model_copy(update=changed), path(results, 1))
    assert aggregated(results) == (RecordError.exit_status, None)
    assert str(path(results, 1)) in capsys.readouterr().err


def test_all_records_that_cannot_be_used_are_named_at_once(results, tmp_path, capsys):
    write_study("a session", STUDY.model_copy(update={"repetitions": 3}), {}, tmp_path)
    first, second, third = (path(results, repetition) for repetition in (1, 2, 3))
    second.write_bytes(first.read_bytes())
    third.write_bytes(third.read_bytes()[:100])
    assert aggregated(results) == (RecordError.exit_status, None)
    said = capsys.readouterr().err
    assert f"{second}: it is the record of n = 1, 800 B on made" in said
    assert f"{third}: it is not a" in said
    assert f"{first}:" not in said
