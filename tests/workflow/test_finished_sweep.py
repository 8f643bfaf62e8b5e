"""What a run does to a sweep that is finished: it measures what it must, and nothing else."""

from __future__ import annotations

import csv
import shlex

import pytest
from middlebench.model import record_file
from middlebench.model.deployment import Deployment
from middlebench.model.order import RunOrder
from middlebench.model.record import PROTOCOL, Record
from projects import CELLS, MEASUREMENTS, STUDY, TESTBED, planned


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
