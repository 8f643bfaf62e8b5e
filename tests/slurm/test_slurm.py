"""Two testbeds are swept at once on a cluster; cancelled and killed in the middle, the sweep goes on where it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import NODES, Cluster
from footprint import Footprint, descendants, kill
from helpers import composition, eventually
from middlebench.model import record_file
from middlebench.model.quarantine import quarantine_of
from middlebench.model.record import Record
from projects import BAND, CELLS, Project, copy_of_the_project, lossy_uplink

TABLES = [f"results/{name}/measurements.csv" for name in NODES]
LIMIT_SECONDS = 600.0
RATE_MBPS = 5.0
"""So little that no other work on this machine, the other testbed's least of all, makes a control lose frames."""


class Sweep:
    """A project with a testbed a node, and its runs on the cluster."""

    def __init__(self, project: Project, nodes: Cluster) -> None:
        self.project = project
        self.nodes = nodes

    def configure(self, **changes: Any) -> None:
        self.project.configure(**{"testbeds": list(NODES), "controls": {"every": 100, "if_drifting": "stop"}} | changes)

    def results(self, testbed: str) -> Path:
        return self.project.folder / "results" / testbed

    @contextmanager
    def start(self) -> Iterator[subprocess.Popen[str]]:
        """Start a run of both testbeds; kill what is left of it in the end."""
        profile = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5")
        with self.project.start(*profile, "--", *TABLES) as process:
            try:
                yield process
            finally:
                for pid in descendants(process.pid):
                    kill(pid)

    def run(self) -> tuple[int, str]:
        with self.start() as process:
            said, _ = process.communicate()
        return process.returncode, said

    def cells(self, testbed: str) -> dict[str, bytes]:
        """Return every cell's record by its path; not its time, which Snakemake sets when a job has ended."""
        folder = self.results(testbed) / "cells"
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("**/*.json"))}

    def all_cells(self) -> dict[tuple[str, str], bytes]:
        return {(testbed, name): found for testbed in NODES for name, found in self.cells(testbed).items()}

    def running(self, node: str) -> list[str]:
        """Return the numbers of the jobs that run on a node."""
        return self.nodes.run("squeue", "--noheader", "--states=RUNNING", "--format=%i", f"--nodelist={node}").split()

    def spans(self, testbed: str) -> list[tuple[datetime, datetime]]:
        """Return from when to when each cell's traffic ran at the least, in order, as the records say."""
        spans = []
        for path in (self.results(testbed) / "cells").glob("**/*.json"):
            found = record_file.read(Record, path)
            began = datetime.fromisoformat(found.started_at)
            traffic_s = found.settings.warm_up_s + found.settings.window_s
            spans.append((began, began + timedelta(seconds=traffic_s)))
        return sorted(spans)


@pytest.fixture
def sweep(tmp_path: Path, nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="`make test-slurm` installs the executor")
    for name, value in nodes.environment.items():
        monkeypatch.setenv(name, value)
    project = copy_of_the_project(tmp_path / "project")
    for name in NODES:
        file = project.folder / "config" / "testbeds" / f"{name}.yaml"
        file.write_text(yaml.safe_dump(composition(rate_mbps=RATE_MBPS) | {"description": f"node {name}"}))
    yield Sweep(project, nodes)
    nodes.stop()
    for node in NODES:
        Footprint(nodes.runtime(node)).kill_all()


def test_two_testbeds_are_swept_at_once_and_the_sweep_survives_what_ends_its_jobs_or_itself(sweep):
    sweep.configure(chain_lengths=[1])
    with sweep.start() as run:  # an allocation is cancelled: the other testbed goes on
        eventually(lambda: all(map(sweep.running, NODES)), "jobs run on both nodes at once", LIMIT_SECONDS)
        eventually(lambda: sweep.cells("one"), "a cell of `one` is finished", LIMIT_SECONDS)
        seen = sweep.cells("one")
        sweep.nodes.run("scancel", *sweep.running("one"))
        said, _ = run.communicate()
    assert run.returncode != 0, said
    assert sweep.cells("one") == seen
    assert len(seen) == 1
    assert len(sweep.cells("two")) == 2

    sweep.configure()
    first = sweep.all_cells()
    with sweep.start() as run:  # Snakemake is killed, and its jobs then cancelled
        eventually(lambda: len(sweep.all_cells()) > len(first), "one more cell is finished", LIMIT_SECONDS)
        seen = sweep.all_cells()
    sweep.nodes.run("scancel", f"--user={os.getuid()}")
    eventually(lambda: not sweep.nodes.run("squeue", "--noheader"), "no job is left", LIMIT_SECONDS)
    second = sweep.all_cells()
    assert first.items() <= seen.items() <= second.items()
    assert len(sweep.cells("one")) < len(CELLS)

    sweep.configure(repetitions=3, controls={"every": 1, "band": BAND, "frame_sizes": [60], "if_drifting": "stop"})
    with sweep.start() as run:  # one testbed is disturbed: it waits in quarantine, the other one is finished
        eventually(lambda: len(sweep.cells("one")) > len(CELLS), "`one` is measured again", LIMIT_SECONDS)
        with lossy_uplink(Footprint(sweep.nodes.runtime("one"))):
            said, _ = run.communicate()
    assert run.returncode != 0, said
    assert "middlebench release one" in said
    third = sweep.all_cells()
    assert second.items() <= third.items()
    assert quarantine_of(sweep.results("one")) is not None
    assert quarantine_of(sweep.results("two")) is None
    assert len(sweep.cells("two")) == 3 * len(CELLS)
    assert len(sweep.cells("one")) < 3 * len(CELLS)

    sweep.project.middlebench("release")
    status, said = sweep.run()
    assert status == 0, said
    assert third.items() <= sweep.all_cells().items()
    for node in NODES:
        assert len((sweep.results(node) / "measurements.csv").read_text().splitlines()) == 1 + 3 * len(CELLS)
        spans = sweep.spans(node)
        assert all(ended <= began for (_, ended), (began, _) in pairwise(spans)), spans
