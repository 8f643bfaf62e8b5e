"""A disturbance in the middle of a sweep is seen by the controls, and undone by one command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from helpers import eventually
from middlebench.analysis.data.flags import DRIFT, carrying
from middlebench.analysis.data.measurements import read_measurements
from middlebench.model import record_file
from middlebench.model.controls import ControlLog
from middlebench.model.record import Record
from middlebench.sites.namespaces import partition
from projects import MEASUREMENTS, Project, copy_of_the_project, live

HOGS_A_PROCESSOR = 8
"""They leave a ninth of each processor to the server: far outside of a band that bears a busy machine's noise."""
HOG_SECONDS = 120
MOST_ROUNDS = 3
"""How often cells are measured again: on a busy machine others disturb them as well. On an idle one, one is enough."""
BAND = 0.5


@contextmanager
def processor_hogs() -> Iterator[None]:
    """Burn the middlebox server's processors, for two minutes at the most.

    Each hog has a session of its own: the kernel may share processors out by session (sched(7), autogroup).
    """
    _, server_cpus = partition(sorted(os.sched_getaffinity(0)))
    burn = ["timeout", str(HOG_SECONDS), "taskset", "--cpu-list"]
    hogs = [
        subprocess.Popen([*burn, str(cpu), "sh", "-c", "while :; do :; done"], start_new_session=True)
        for cpu in server_cpus
        for _ in range(HOGS_A_PROCESSOR)
    ]
    try:
        yield
    finally:
        for hog in hogs:
            hog.terminate()
        for hog in hogs:
            hog.wait()


def started_at(project: Project, name: str) -> datetime:
    return datetime.fromisoformat(record_file.read(Record, project.results / "cells" / name).started_at)


def marked(project: Project) -> set[str]:
    measurements = read_measurements(project.folder / MEASUREMENTS)
    return {str(Path(path).relative_to("cells")) for path in measurements["record"][carrying(measurements, DRIFT)]}


def test_processor_hog_marks_the_cells_it_touched_and_measured_again_they_are_clean(tmp_path):
    with live(copy_of_the_project(tmp_path / "project")) as project:
        project.configure(
            chain_lengths=[1],
            repetitions=6,
            controls={"every": 2, "band": BAND},
            trials={"short": {"window_s": 0.4, "warm_up_s": 0.2, "sample_interval_s": 0.4}},
        )
        with project.start(MEASUREMENTS) as sweep:
            eventually(lambda: len(project.cells()) >= 5, "five of twelve cells are measured", 120)
            with processor_hogs():
                began = datetime.now(UTC)
                eventually(lambda: len(project.cells()) >= 8, "three more cells are measured", HOG_SECONDS)
                ended = datetime.now(UTC)
            said, _ = sweep.communicate()
        assert sweep.returncode == 0, said

        before = project.cells()
        in_time = sorted(before, key=lambda name: started_at(project, name))
        touched = {name for name in in_time if began < started_at(project, name) < ended}
        disturbed = marked(project)
        assert touched
        assert touched <= disturbed

        again = set()
        for _ in range(MOST_ROUNDS):
            again |= disturbed
            project.middlebench("archive", "--flag", DRIFT)
            assert project.cells().keys() == before.keys() - disturbed
            controls = len(ControlLog(project.results).controls())
            project.run("--until", "aggregate", "--", "all")
            assert len(ControlLog(project.results).controls()) > controls
            if not (disturbed := marked(project)):
                break
        assert not disturbed
        after = project.cells()
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] != before[name]} == again
        aside = {path.read_bytes() for path in (project.results / "archive").glob("**/rep*.json")}
        assert {before[name][0] for name in again} <= aside
