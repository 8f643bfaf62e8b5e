"""A disturbance in the middle of a sweep is seen by the controls, stops it, and is undone by one command."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from helpers import composition, eventually
from middlebench.analysis.data.flags import DRIFT, carrying
from middlebench.analysis.data.measurements import read_measurements
from middlebench.model import record_file
from middlebench.model.controls import ControlLog
from middlebench.model.record import Record
from projects import BAND, MEASUREMENTS, TESTBED, Project, copy_of_the_project, live, lossy_uplink

RATE_MBPS = 5.0
"""So little that no other work on this machine makes a control lose frames: only the disturbance does."""
MOST_SECONDS = 240
"""For three cells and their controls, on a machine that has ten times as much to do as it can."""


def started_at(project: Project, name: str) -> datetime:
    return datetime.fromisoformat(record_file.read(Record, project.results / "cells" / name).started_at)


def marked(project: Project) -> set[str]:
    measurements = read_measurements(project.folder / MEASUREMENTS)
    return {str(Path(path).relative_to("cells")) for path in measurements["record"][carrying(measurements, DRIFT)]}


@pytest.mark.timeout(900)
def test_disturbance_stops_the_sweep_and_marks_the_cells_it_touched_which_measured_again_are_clean(tmp_path):
    with live(copy_of_the_project(tmp_path / "project", composition(rate_mbps=RATE_MBPS))) as project:
        project.configure(
            chain_lengths=[1],
            frame_sizes=[60],
            repetitions=6,
            controls={"every": 2, "band": BAND, "frame_sizes": [60], "if_drifting": "stop"},
            trials={"short": {"window_s": 0.8, "warm_up_s": 0.2, "sample_interval_s": 0.8}},
        )
        with project.start(MEASUREMENTS) as sweep:
            eventually(lambda: len(project.cells()) >= 3, "three of six cells are measured", MOST_SECONDS)
            with lossy_uplink(project.footprint):
                began = datetime.now(UTC)
                said, _ = sweep.communicate()
                ended = datetime.now(UTC)
        assert sweep.returncode != 0
        assert f"middlebench release {TESTBED}" in said
        measured = project.cells()
        assert 3 < len(measured) < 6

        project.middlebench("release")
        project.run(MEASUREMENTS)
        before = project.cells()
        assert len(before) == 6
        assert measured.items() <= before.items()
        touched = {name for name in before if began < started_at(project, name) < ended}
        disturbed = marked(project)
        assert touched
        assert touched <= disturbed < before.keys()

        project.middlebench("archive", "--flag", DRIFT)
        assert project.cells().keys() == before.keys() - disturbed
        controls = len(ControlLog(project.results).controls())
        project.run("--until", "aggregate", "--", "all")
        assert len(ControlLog(project.results).controls()) > controls
        assert not marked(project)
        after = project.cells()
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] != before[name]} == disturbed
        archived = {path.read_bytes() for path in (project.results / "archive").glob("**/rep*.json")}
        assert {before[name][0] for name in disturbed} <= archived
