"""What a run is told before it begins, from what is on disk and from the config."""

import pytest
from middlebench.config.study import Study
from middlebench.model.cell import Cell
from middlebench.model.controls import ControlLog, ControlSet
from middlebench.model.record_file import write
from middlebench.run.jobs import Finished, Job, Past
from middlebench.run.plan import plan_run
from middlebench.run.preflight import read_finished, undecided
from sweeps import ENVIRONMENT, control, environment, record, write_results

STUDY = Study(
    testbeds=("made",),
    chain_lengths=(1,),
    frame_sizes=(800,),
    repetitions=2,
    trial="quick",
    trials={"quick": {"window_s": 1, "warm_up_s": 1}},
)


def cell(repetition):
    return Cell(testbed="made", n=1, frame_bytes=800, repetition=repetition)


def test_refusal_says_what_changed_and_the_three_choices():
    there = {cell(k): Past(environment(kernel="6.2"), STUDY.settings, 3.0) for k in (1, 2)}
    jobs = [
        Job("measure", {"testbed": "made", "cell": cell(k).key}, ("a record",), runs=cell(k) not in there)
        for k in (1, 2, 3)
    ]
    (plan,) = plan_run(jobs, {"made": Finished(there)}, {"made": ENVIRONMENT}, STUDY).testbeds
    assert plan.mixes
    text = str(undecided(plan, STUDY))
    assert "measuring 1 cell on made" in text
    assert "2 finished cells would be mixed with them" in text
    assert "middlebox server: kernel 6.2 → 6.1" in text
    for choice in ("`stop`", "on_environment_change=remeasure`", "on_environment_change=reuse`"):
        assert choice in text
    assert "all 2 take some 6 s" in text


def test_cells_deployments_and_the_last_whole_set_of_controls_are_found_on_disk(tmp_path):
    write_results(tmp_path, cells=[record(repetition=k) for k in (1, 2)])
    results = tmp_path / "made"
    assert read_finished(results).control_overhead_s is None
    log = ControlLog(results)
    names = tuple(log.add(control(kind)) for kind in ("back-to-back", "switch-only"))
    write(ControlSet(controls=names), results / "controls" / "closing.json")
    found = read_finished(results, lambda path: 7.0 if path.endswith("closing.json") else None)
    assert found.cells.keys() == {cell(1), cell(2)}
    assert found.deployment_s == {1: 0.75}
    assert (found.control_kinds, found.control_overhead_s) == (2, pytest.approx(7.0 - 2 * 0.6))


def test_set_of_controls_that_cannot_be_read_is_not_known(tmp_path):
    write(ControlSet(controls=("gone.json",)), tmp_path / "controls" / "closing.json")
    assert read_finished(tmp_path).control_overhead_s is None
