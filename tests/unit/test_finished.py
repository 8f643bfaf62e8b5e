"""What is on disk of a sweep is told before a run, whatever state it is in."""

import json

import pytest
from middlebench.model.cell import Cell
from middlebench.run.jobs import Past
from middlebench.run.preflight import read_finished
from sweeps import ENVIRONMENT, record, write_results

SECONDS = 4.0
CELLS = {Cell(testbed="made", n=1, frame_bytes=800, repetition=k) for k in (1, 2)}
FIRST = Cell(testbed="made", n=1, frame_bytes=800)


@pytest.fixture
def results(tmp_path):
    write_results(tmp_path, cells=[record(repetition=k) for k in (1, 2)])
    return tmp_path / "made"


def finished(results):
    return read_finished(results, lambda _: SECONDS)


def test_finished_cells_are_told_with_their_environment_and_settings(results):
    found = finished(results)
    assert found.cells.keys() == CELLS
    assert set(found.deployment_s) == {1}
    assert found.cells[FIRST] == Past(ENVIRONMENT, record().settings, SECONDS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '"text"',
        record().model_dump_json()[:-9],
        "\udcff",
        json.dumps(record().model_dump(mode="json") | {"settings": []}),
        json.dumps(record().model_dump(mode="json") | {"settings": {"window_s": 1}}),
        json.dumps(record().model_dump(mode="json") | {"environment": []}),
    ],
)
def test_record_that_cannot_be_read_is_not_a_finished_cell_and_hides_no_other(results, text):
    (results / FIRST.path).write_text(text, errors="surrogateescape")
    found = finished(results)
    assert found.cells.keys() == CELLS - {FIRST}
    assert all(past.settings.traffic_s for past in found.cells.values())


def test_environment_that_is_not_kept_any_more_hides_no_cell(results):
    (results / f"environments/{ENVIRONMENT.id}.json").write_text("{")
    assert {past.environment for past in finished(results).cells.values()} == {None}
