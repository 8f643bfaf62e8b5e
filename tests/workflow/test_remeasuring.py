"""Cells of another environment, and cells that are measured again: nothing is mixed, and nothing lost."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager

import pytest
from footprint import descendants, kill
from helpers import cripple, disguise, eventually
from projects import MEASUREMENTS, TESTBED, Project, planned


@pytest.fixture
def elsewhere(finished, monkeypatch):
    """A finished project, and a context in which its generator is of another version."""
    disguise("trafgen", "trafgen 99", finished.folder / "bin")

    @contextmanager
    def context():
        with monkeypatch.context() as patch:
            patch.setenv("PATH", str(finished.folder / "bin"), prepend=os.pathsep)
            yield finished

    return context


def test_cells_of_two_environments_are_not_mixed_unless_somebody_chose_to(elsewhere):
    with elsewhere() as project:
        before = project.cells()
        project.configure(frame_sizes=[60, 100, 800])
        assert planned(project.run("--dry-run", "--until", "measure", "--", "all"))["measure"] == 2
        status, said = project.try_run(MEASUREMENTS)
        assert status != 0
        assert "4 finished cells would be mixed with them" in said
        assert "→ trafgen 99" in said
        assert "on_environment_change=reuse" in said
        status, said = project.try_run(f"results/{TESTBED}/cells/n1/size100/rep1.json")
        assert status != 0
        assert "measuring 1 cell on tests: 4 finished cells would be mixed with them" in said
        assert project.cells() == before


def test_reused_cells_stay_and_only_those_of_another_environment_are_remeasured(elsewhere):
    with elsewhere() as project:
        before = project.cells()
        project.configure(on_environment_change="reuse")
        project.run("--", f"results/{TESTBED}/cells/n1/size100/rep1.json")
        after = project.cells()
        assert {name: after[name] for name in before} == before
        environments = {json.loads(content)["environment"] for content, _ in after.values()}
        assert len(environments) == 2
        assert {path.stem for path in (project.results / "environments").iterdir()} == environments
    project.configure(on_environment_change="remeasure", frame_sizes=[60, 100, 800], chain_lengths=[1])
    said = project.run("--dry-run", "--until", "measure", "--", "all")
    assert planned(said)["measure"] == 1
    assert "1  other environment: test computer: trafgen 99 → trafgen" in said


def test_remeasured_cell_leaves_its_record_of_before_in_archive(elsewhere):
    name = "n1/size60/rep1.json"
    with elsewhere() as project:
        before, _ = project.cells()[name]
        project.configure(on_environment_change="remeasure")
        said = project.run("--dry-run", "--until", "measure", "--", "all")
        assert planned(said)["measure"] == 4
        assert "4  other environment: test computer: trafgen" in said
        project.run("--", f"results/{TESTBED}/cells/{name}")
        then, now = (json.loads(content) for content in (before, project.cells()[name][0]))
        assert then["environment"] != now["environment"]
        (kept,) = project.results.glob(f"archive/{then['environment']}/cells/n1/size60/*.json")
        assert kept.read_bytes() == before


def other_protocol(project: Project) -> None:
    with (project.folder / "workflow/middlebench/model/record.py").open("a") as file:
        file.write('\nPROTOCOL = "next"\n')


def nothing(_: Project) -> None:
    """Change nothing: the cell is measured again because that was asked for."""


AGAIN = "n1/size60/rep1.json"


def kept(project: Project, name: str = AGAIN) -> list[bytes]:
    """Return the records of a cell that others took the place of."""
    folder, _, stem = f"cells/{name}".removesuffix(".json").rpartition("/")
    return [path.read_bytes() for path in project.results.glob(f"archive/*/{folder}/{stem}.*.json")]


@pytest.mark.parametrize(
    ("change", "argv"),
    [(other_protocol, ()), (nothing, ("--force",))],
    ids=["another protocol", "asked for"],
)
def test_cell_that_could_not_be_measured_again_is_no_finished_cell(finished, monkeypatch, change, argv):
    target = f"results/{TESTBED}/cells/{AGAIN}"
    before, _ = finished.cells()[AGAIN]
    change(finished)
    cripple("trafgen", finished.folder / "bin")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(finished.folder / "bin"), prepend=os.pathsep)
        status, said = finished.try_run(*argv, "--", target)
    finished.down()
    assert status != 0
    assert "Error in rule measure" in said
    assert kept(finished) == [before]

    assert planned(finished.run("--dry-run", "--", target))["measure"] == 1


def test_cell_of_a_run_that_was_killed_while_it_measured_again_is_no_finished_cell(finished):
    target = f"results/{TESTBED}/cells/{AGAIN}"
    before, _ = finished.cells()[AGAIN]
    finished.configure(trials={"short": {"window_s": 60, "warm_up_s": 0.1, "sample_interval_s": 60}})
    with finished.start("--", target) as run:
        eventually(
            lambda: kept(finished) == [before] and finished.footprint.named("trafgen"),
            "the old record is safe while the cell is being measured again",
        )
        for pid in descendants(run.pid):
            kill(pid)
        run.communicate()
    assert kept(finished) == [before]
    finished.configure()
    finished.run("--", target)
    assert finished.cells()[AGAIN][0] != before
    assert kept(finished) == [before]


def test_deployment_and_provision_made_anew_leave_their_records_of_before(finished):
    names = ("deployments/n1.json", "provision.json")
    before = {(finished.results / name).read_bytes() for name in names}
    targets = [f"results/{TESTBED}/{name}" for name in names]
    finished.run("--forcerun", "provision", "deploy", "--", *targets)
    assert all((finished.results / name).exists() for name in names)
    assert {path.read_bytes() for path in finished.results.glob("archive/**/*.json")} == before
