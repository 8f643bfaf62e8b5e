"""Real runs of the whole workflow, each in a copy of the project with a small study."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import cripple, descendants, disguise, eventually, kill
from middlebench.analysis.report.crate import demand_whole
from middlebench.model import record_file
from middlebench.model.deployment import Deployment
from middlebench.model.order import RunOrder
from middlebench.model.record import PROTOCOL, Record
from middlebench.run.copies import adopt_copies
from projects import CELLS, MEASUREMENTS, STUDY, TESTBED, Project, copy_of_the_project, live, planned


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was run yet."""
    with live(copy_of_the_project(tmp_path / "project")) as project:
        yield project


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose sweep is finished; not to be changed."""
    with live(copy_of_the_project(tmp_path_factory.mktemp("swept") / "project")) as project:
        project.run(MEASUREMENTS)
        yield project


@pytest.fixture
def finished(swept: Project, tmp_path: Path) -> Iterator[Project]:
    """A project whose sweep is finished, on a machine on which nothing is live any more."""
    shutil.copytree(swept.folder, tmp_path / "project", symlinks=True)
    adopt_copies([tmp_path / "project" / "results" / TESTBED])
    with live(Project(tmp_path / "project", tmp_path / "runtime")) as project:
        yield project


def test_sweep_leaves_an_attested_record_of_every_cell_and_a_row_for_each(swept):
    assert swept.cells().keys() == CELLS
    for name in CELLS:
        measured = record_file.read(Record, swept.results / "cells" / name)
        assert f"cells/{name}" == measured.cell.path
        assert measured.cell.testbed == TESTBED
        assert measured.protocol == PROTOCOL
        assert measured.counts.received_packets > 0
        assert measured.attestation.probes_returned == measured.attestation.probes_sent > 0
        assert len(measured.attestation.fingerprint) == 64
    assert len((swept.folder / MEASUREMENTS).read_text().splitlines()) == 1 + len(CELLS)


def test_cells_are_measured_in_the_random_order_of_their_seed(swept):
    order = RunOrder(
        (TESTBED,),
        (("chain",), ("forward",), tuple(STUDY["chain_lengths"]), tuple(STUDY["frame_sizes"])),
        blocks=1,
        seed=1,
    )
    measured = [record_file.read(Record, swept.results / "cells" / name) for name in CELLS]
    measured.sort(key=lambda each: each.started_at)
    assert [each.cell for each in measured] == order.cells(TESTBED)
    assert [each.place.position for each in measured] == [1, 2, 3, 4]
    assert len({each.session for each in measured}) == 1


def test_chains_are_deployed_once_each(swept):
    deployments = sorted(path.name for path in (swept.results / "deployments").iterdir())
    assert deployments == ["n1.json", "n2.json"]
    for n in (1, 2):
        of_cells = {
            record_file.read(Record, swept.results / "cells" / name).attestation.fingerprint
            for name in CELLS
            if name.startswith(f"n{n}/")
        }
        deployed = record_file.read(Deployment, swept.results / "deployments" / f"n{n}.json").fingerprint
        assert of_cells == {deployed}


def test_cell_asked_for_by_name_is_the_only_one_measured(fresh):
    outside_of_the_grid = "n3/size100/rep1.json"
    fresh.run(f"results/{TESTBED}/cells/{outside_of_the_grid}")
    assert fresh.cells().keys() == {outside_of_the_grid}
    assert record_file.read(Record, fresh.results / "cells" / outside_of_the_grid).place is None
    assert [path.name for path in (fresh.results / "deployments").iterdir()] == ["n3.json"]


def test_killed_sweep_resumes_without_measuring_a_finished_cell_again(fresh):
    fresh.configure(trials={"short": {"window_s": 1, "warm_up_s": 0.1}})
    with fresh.start(MEASUREMENTS) as sweep:
        eventually(
            lambda: fresh.cells() and fresh.footprint.named("trafgen"), "the sweep is within its second cell", 90
        )
        for pid in descendants(sweep.pid):
            kill(pid)
        sweep.communicate()
    eventually(lambda: not fresh.footprint.named("trafgen"), "the generator ended")
    before = fresh.cells()
    assert before.keys() < CELLS

    fresh.run(MEASUREMENTS)
    after = fresh.cells()
    assert {name: after[name] for name in before} == before
    assert after.keys() == CELLS
    for name in CELLS:
        record_file.read(Record, fresh.results / "cells" / name)

    namespaces = fresh.footprint.namespaces()
    fresh.down()
    fresh.footprint.demand_nothing_left(namespaces)


def test_deleted_record_is_measured_again_and_no_other(finished):
    before = finished.cells()
    (finished.results / "cells" / "n2" / "size800" / "rep1.json").unlink()
    finished.run("--until", "aggregate", "--", "all")
    after = finished.cells()
    assert after.keys() == CELLS
    # A copy's files get one time when a run first sees them: what is in them tells which were measured again.
    assert {name for name in CELLS if after[name][0] != before[name][0]} == {"n2/size800/rep1.json"}


def test_command_in_the_table_measures_its_cell_again_and_no_other(finished):
    with (finished.folder / MEASUREMENTS).open() as file:
        rows = list(csv.DictReader(file))
    said = finished.run("--dry-run", *shlex.split(rows[-1]["command"])[1:])
    assert {rule: count for rule, count in planned(said).items() if rule != "total"} == {"measure": 1}
    assert "(n = {n}, {frame_bytes} B)".format(**rows[-1]) in said


def test_record_of_other_settings_never_reaches_the_table(finished):
    path = finished.results / "cells" / "n2" / "size800" / "rep1.json"
    found = record_file.read(Record, path)
    longer = found.settings.model_copy(update={"window_s": 0.3})
    record_file.write(found.model_copy(update={"settings": longer}), path)
    status, said = finished.try_run("--forcerun", "aggregate", "--allowed-rules", "aggregate", "--", MEASUREMENTS)
    assert status != 0
    assert "1 were measured with other settings than the config's" in said
    assert "n2/size800/rep1.json" in said


def test_change_of_a_comment_measures_nothing_again(finished):
    for name in (
        "Snakefile",
        "workflow/Snakefile",
        "workflow/rules/measure.smk",
        "workflow/rules/deploy.smk",
        "workflow/middlebench/trials/trial.py",
        "workflow/middlebench/generators/trafgen/agent.py",
        f"config/testbeds/{TESTBED}.yaml",
        "config/config.yaml",
    ):
        path = finished.folder / name
        path.write_text(path.read_text() + "\n# a comment\n")
    said = finished.run("--dry-run", "--", *[f"results/{TESTBED}/cells/{name}" for name in CELLS], MEASUREMENTS)
    assert planned(said) == {}
    assert "Nothing to be done" in said


@pytest.mark.timeout(900)  # all notebooks of two datasets
def test_finished_sweep_is_published_and_then_there_is_nothing_to_do(finished):
    shutil.rmtree(finished.folder / "data/publications/cnf-testbed")  # its report is made by the same rules
    finished.run("--cores", "2", "--", "all")
    for dataset in (TESTBED, "maksic"):
        page = (finished.folder / "results" / dataset / "report" / "index.html").read_text()
        assert page.lstrip().lower().startswith("<!doctype html>")
    assert "Nothing to be done" in finished.run("--dry-run", "--", "all")

    demand_whole(finished.results)
    finished.run("--report", "report.html")
    report = (finished.folder / "report.html").read_text()
    for name in ("the whole report, one page", "fig5.svg", "table2.csv", "measurements.csv", "claims_maksic.csv"):
        assert name in report


def test_more_repetitions_of_the_widest_intervals_reach_the_tables_and_stay(fresh):
    fresh.configure(chain_lengths=[1], repetitions=2)
    fresh.run(MEASUREMENTS)
    before = fresh.cells()
    (target,) = fresh.middlebench("repeat", "--cells", "1").split()
    assert target.endswith("rep3.json")
    fresh.run("--", target)
    fresh.run("--until", "aggregate", "--", "all")
    after = fresh.cells()
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert len((fresh.folder / MEASUREMENTS).read_text().splitlines()) == 1 + 5
    assert "Nothing to be done" in fresh.run("--dry-run", MEASUREMENTS)


@pytest.mark.parametrize(
    ("name", "text", "jobs"),
    [
        ("config/config.yaml", "\nrepetitions: 2\n", {"measure": 4}),
        ("config/config.yaml", "\nseed: 2\n", {}),
        ("config/config.yaml", "\noffered_load: 5\n", {"measure": 4}),
        ("workflow/middlebench/model/record.py", '\nPROTOCOL = "next"\n', {"measure": 4}),
    ],
    ids=["another repetition", "another order", "another load", "another protocol"],
)
def test_change_that_matters_measures_what_it_concerns(finished, name, text, jobs):
    with (finished.folder / name).open("a") as file:
        file.write(text)
    said = finished.run("--dry-run", "--until", "measure", "--", "all")
    assert {rule: count for rule, count in planned(said).items() if rule != "total"} == jobs


def test_second_run_is_told_who_holds_the_testbed(fresh):
    fresh.configure(trials={"short": {"window_s": 60, "warm_up_s": 0.1, "sample_interval_s": 60}})
    with fresh.start(MEASUREMENTS) as first:
        try:
            eventually(lambda: fresh.footprint.named("trafgen"), "the first run measures", 90)
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


@pytest.mark.parametrize("name", ["n1/size60/rp1", "n1/size59/rep1", "n9999/size60/rep1", "size60/n1/rep1"])
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
