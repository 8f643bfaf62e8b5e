"""Real runs of the workflow from the beginning, each in a copy of the project with a small study."""

from __future__ import annotations

import pytest
from footprint import descendants, kill
from helpers import eventually
from middlebench.model import record_file
from middlebench.model.record import Record
from projects import MEASUREMENTS, TESTBED, planned


def test_cell_asked_for_by_name_is_the_only_one_measured(fresh):
    outside_of_the_grid = "n3/size100/rep1.json"
    fresh.run(f"results/{TESTBED}/cells/{outside_of_the_grid}")
    assert fresh.cells().keys() == {outside_of_the_grid}
    assert record_file.read(Record, fresh.results / "cells" / outside_of_the_grid).place is None
    assert [path.name for path in (fresh.results / "deployments").iterdir()] == ["n3.json"]


def test_killed_sweep_resumes_without_measuring_a_finished_cell_again(fresh):
    fresh.configure(frame_sizes=[60], trials={"short": {"window_s": 1, "warm_up_s": 0.1}})
    cells = {"n1/size60/rep1.json", "n2/size60/rep1.json"}
    with fresh.start(MEASUREMENTS) as sweep:
        eventually(
            lambda: fresh.cells() and fresh.footprint.named("trafgen"), "the sweep is within its second cell", 90
        )
        for pid in descendants(sweep.pid):
            kill(pid)
        sweep.communicate()
    eventually(lambda: not fresh.footprint.named("trafgen"), "the generator ended")
    before = fresh.cells()
    assert before.keys() < cells

    fresh.run(MEASUREMENTS)
    after = fresh.cells()
    assert {name: after[name] for name in before} == before
    assert after.keys() == cells
    for name in cells:
        record_file.read(Record, fresh.results / "cells" / name)

    namespaces = fresh.footprint.namespaces()
    fresh.down()
    fresh.footprint.demand_nothing_left(namespaces)


def test_more_repetitions_of_the_widest_intervals_reach_the_tables_and_stay(fresh):
    fresh.configure(chain_lengths=[1], frame_sizes=[60], repetitions=2)
    fresh.run(MEASUREMENTS)
    before = fresh.cells()
    (target,) = fresh.middlebench("repeat", "--cells", "1").split()
    assert target.endswith("rep3.json")
    fresh.run("--", target)
    fresh.run("--until", "aggregate", "--", "all")
    after = fresh.cells()
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert len((fresh.folder / MEASUREMENTS).read_text().splitlines()) == 1 + 3
    assert "Nothing to be done" in fresh.run("--dry-run", MEASUREMENTS)


def test_second_run_is_told_who_holds_the_testbed(fresh):
    # The load is low because the maximum would take whole processors while we wait.
    fresh.configure(offered_load=1, trials={"short": {"window_s": 60, "warm_up_s": 0.1, "sample_interval_s": 60}})
    with fresh.start(MEASUREMENTS) as first:
        try:
            logs = fresh.results / "logs" / "measure"
            eventually(lambda: [*logs.rglob("*.log")], "the first run measures", 90)
            status, said = fresh.try_run(MEASUREMENTS)
        finally:
            for pid in descendants(first.pid):
                kill(pid)
            first.communicate()
    assert status != 0
    assert "locked by" in said
    assert f"a run on {TESTBED}" in said
    assert f"process {first.pid}" in said
    assert fresh.cells() == {}


def test_run_without_a_target_makes_all(fresh):
    said = fresh.run("--dry-run")
    assert planned(said) == planned(fresh.run("--dry-run", "--", "all"))
    assert "misspelt_cell" not in said


@pytest.mark.parametrize("name", ["n1/size60/rp1", "n1/size59/rep1", "n9999/size60/rep1"])
def test_misspelt_cell_is_told_as_one(fresh, name):
    status, said = fresh.try_run("--dry-run", "--", f"results/{TESTBED}/cells/{name}.json")
    assert status != 0
    assert "there is no such cell" in said or "carry frames of" in said


def test_typo_in_the_config_stops_the_run_before_anything_is_touched(fresh):
    fresh.configure(frame_size=[60])
    status, said = fresh.try_run(MEASUREMENTS)
    assert status != 0
    for word in ("config/config.yaml", "frame_size: there is no such key", "did you mean frame_sizes?"):
        assert word in said
    assert not fresh.results.exists()
    assert not fresh.runtime.exists()
