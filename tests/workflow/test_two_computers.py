"""Real runs of the whole workflow on two computers over SSH, by the same rules as everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from footprint import descendants, kill
from helpers import eventually
from middlebench.model import record_file
from middlebench.model.controls import ControlLog
from middlebench.model.environment import recall
from middlebench.model.provision import Provision
from middlebench.model.record import Record
from projects import MEASUREMENTS, Project, copy_of_the_project
from ssh_server import make_key, needs_sshd
from two_computers import TwoComputers, two_computers

pytestmark = needs_sshd

SLOW = {"frame_sizes": [60], "trials": {"short": {"window_s": 1, "warm_up_s": 0.1}}}
"""Trials that last long enough to be met in their middle."""
CELLS = {"n1/size60/rep1.json", "n2/size60/rep1.json"}


@pytest.fixture(scope="module")
def computers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoComputers]:
    with two_computers(tmp_path_factory.mktemp("computers")) as computers:
        yield computers


@pytest.fixture
def project(computers: TwoComputers, tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was run yet; what it leaves on the computers is gone after ``down``."""
    project = copy_of_the_project(tmp_path / "project", computers.composition)
    project.configure(**SLOW)
    project.runtime.mkdir(mode=0o700)
    try:
        yield project
        project.down()
        assert computers.remains() == ""
        project.footprint.demand_nothing_left()
    finally:
        project.footprint.kill_all()


def await_second_cell(project: Project, computers: TwoComputers) -> None:
    def within_it() -> bool:
        measuring = bool(project.cells()) and bool(project.footprint.running("middlebench measure"))
        return measuring and computers.generating()

    eventually(within_it, "the sweep is within its second cell", 240)


def demand_whole(project: Project) -> None:
    """Demand an attested record of every cell, measured on both computers, and a row for each."""
    assert project.cells().keys() == CELLS
    for name in CELLS:
        measured = record_file.read(Record, project.results / "cells" / name)
        assert 0 < measured.counts.trial_received_packets <= measured.counts.trial_sent_packets
        assert measured.attestation.probes_returned == measured.attestation.probes_sent > 0
        assert len(measured.hops) == measured.cell.n + 1
        assert "the server's own" in measured.components.switch
    assert len((project.folder / MEASUREMENTS).read_text().splitlines()) == 1 + len(CELLS)


def test_sweep_over_ssh_survives_a_kill_a_restarted_switch_and_a_lost_connection_and_measures_no_finished_cell_again(
    project: Project, computers: TwoComputers
) -> None:
    with project.start(MEASUREMENTS) as sweep:
        await_second_cell(project, computers)
        for pid in descendants(sweep.pid):
            kill(pid)
        sweep.communicate()
    eventually(lambda: not computers.generating(), "the generator ended")
    before = project.cells()
    assert before.keys() < CELLS
    computers.restart_switch()

    with project.start(MEASUREMENTS) as sweep:
        await_second_cell(project, computers)
        computers.cut(computers.test_computer)
        said, _ = sweep.communicate()
    assert sweep.returncode != 0
    assert "the connection was lost" in said
    assert "what to try" in said
    assert project.cells() == before
    eventually(lambda: not computers.generating(), "the generator ended")

    project.run(MEASUREMENTS)
    assert {name: project.cells()[name] for name in before} == before
    demand_whole(project)
    fingerprints = {name: fingerprint(project, name) for name in CELLS}
    assert not {fingerprints.pop(name) for name in before} & set(fingerprints.values())
    provision = record_file.read(Provision, project.results / "provision.json")
    assert provision.options["site"]["driver"] == "ssh"


def fingerprint(project: Project, name: str) -> str:
    return record_file.read(Record, project.results / "cells" / name).attestation.fingerprint


NEWER_TRAFGEN = """#!/bin/sh
[ "$1" != --version ] || { echo "trafgen 99"; exit 0; }
exec /run/trafgen.real "$@"
"""


def test_cells_of_a_changed_computer_are_kept_apart_and_a_second_run_touches_nothing(
    project: Project, computers: TwoComputers
) -> None:
    one, new = "n1/size60/rep1.json", "n1/size800/rep1.json"
    project.configure(chain_lengths=[1], frame_sizes=[60], controls={"frame_sizes": [60]})
    project.run(MEASUREMENTS)
    first = project.cells()
    demand_controls(project)
    touched = computers.touched()
    assert "Nothing to be done" in project.run(MEASUREMENTS)
    assert computers.touched() == touched
    assert project.cells() == first

    changed = {"chain_lengths": [1], "frame_sizes": [60, 800]}
    with computers.replaced(computers.test_computer, "trafgen", NEWER_TRAFGEN):
        project.configure(**changed)
        status, said = project.try_run(MEASUREMENTS)
        assert status != 0
        assert "1 finished cell would be mixed with them" in said
        assert "test computer: trafgen" in said
        assert "→ trafgen 99" in said
        assert computers.touched() == touched
        project.configure(**changed, on_environment_change="reuse")
        project.run(MEASUREMENTS)
        assert project.cells()[one] == first[one]
        assert environment(project, one) != environment(project, new)
        assert recall(environment(project, new), project.results).limits
    project.configure(**changed, on_environment_change="remeasure")
    project.run(MEASUREMENTS)
    assert project.cells()[one] == first[one]
    assert environment(project, one) == environment(project, new)
    assert list(project.results.glob(f"archive/*/cells/{Path(new).parent}/*.json"))


def environment(project: Project, name: str) -> str:
    return record_file.read(Record, project.results / "cells" / name).environment


def demand_controls(project: Project) -> None:
    """Demand that the generator alone was measured over the test computer's third cable, and a bridge alone."""
    controls = ControlLog(project.results).controls()
    assert {control.kind for control in controls} == {"back-to-back", "switch-only"}
    for control in controls:
        assert 0 < control.counts.received_packets <= control.counts.trial_sent_packets


def test_a_computer_that_is_off_ends_the_run_before_anything(project: Project, computers: TwoComputers) -> None:
    with computers.off(computers.server):
        status, said = project.try_run(MEASUREMENTS)
    assert status != 0
    assert "connecting to server (root@" in said
    assert "what to try: is it on" in said
    assert not (project.results / "provision.json").exists()
    assert computers.on(computers.test_computer, "cat /run/mbench/testbed 2> /dev/null || :") == ""


def test_changed_host_key_stops_everything_before_anything_is_touched(
    project: Project, computers: TwoComputers
) -> None:
    server, known = computers.server, computers.home.known_hosts
    make_key(server.folder / "another_key")
    another = (server.folder / "another_key.pub").read_text().split()[1]
    before = known.read_text()
    known.write_text(before.replace(server.host_key.split()[1], another))
    try:
        status, said = project.try_run(MEASUREMENTS)
    finally:
        known.write_text(before)
    assert status != 0
    assert "its host key has CHANGED" in said
    assert not (project.results / "provision.json").exists()
    for each in (computers.test_computer, computers.server):
        assert computers.on(each, "cat /run/mbench/testbed 2> /dev/null || :") == ""
    assert computers.remains() == ""
