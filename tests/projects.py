"""Copies of the project with a small study, in which tests run the whole workflow for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from footprint import Footprint
from helpers import PROJECT, composition
from middlebench.sites.namespaces import MIDDLEBOX_SERVER
from middlebench.sites.shared.holder import enter

TESTBED = "tests"
STUDY = {
    "testbeds": [TESTBED],
    "chain_lengths": [1, 2],
    "frame_sizes": [60, 800],
    "trial": "short",
    "trials": {"short": {"window_s": 0.2, "warm_up_s": 0.1, "sample_interval_s": 0.2}},
    "controls": "none",
}
CELLS = {f"n{n}/size{size}/rep1.json" for n in (1, 2) for size in (60, 800)}
MEASUREMENTS = f"results/{TESTBED}/measurements.csv"
DISTURBANCE = """
table netdev disturbance {
    chain uplink {
        type filter hook egress device eth1 priority 0;
        limit rate over 700/second drop
    }
}
"""
"""Lets a tenth of the frames pass that leave the server at the line rate."""
BAND = 0.7
"""Wider than what other work on this machine takes from a control, narrower than what the disturbance takes."""


@dataclass(frozen=True)
class Project:
    """A copy of the project, with a runtime folder of its own."""

    folder: Path
    runtime: Path

    @property
    def footprint(self) -> Footprint:
        return Footprint(self.runtime)

    @property
    def results(self) -> Path:
        return self.folder / "results" / TESTBED

    def configure(self, **changes: Any) -> None:
        """Write the study, with some of its values changed."""
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump(STUDY | changes))

    def start(self, *argv: str, session: bool = False) -> subprocess.Popen[str]:
        """Start Snakemake on one core, as a user does; with ``session`` apart from us, as at a terminal of its own."""
        environment = os.environ | {
            "PYTHONPATH": str(self.folder / "workflow"),
            "MIDDLEBENCH_RUNTIME": str(self.runtime),
            "XDG_CACHE_HOME": str(self.folder / ".cache"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", *argv],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=session,
            text=True,
        )

    def try_run(self, *argv: str) -> tuple[int, str]:
        """Run Snakemake to its end; return its exit status and what it said."""
        with self.start(*argv) as process:
            said, _ = process.communicate()
        return process.returncode, said

    def run(self, *argv: str) -> str:
        """Run Snakemake, which must succeed, and return what it said."""
        status, said = self.try_run(*argv)
        assert status == 0, said
        return said

    def down(self) -> None:
        """Run ``middlebench down``."""
        self.middlebench("down", TESTBED)

    def middlebench(self, *argv: str) -> str:
        """Run one of the program's verbs, which must succeed; return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "middlebench", *argv],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "workflow"), "MIDDLEBENCH_RUNTIME": str(self.runtime)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def cells(self) -> dict[str, tuple[bytes, int]]:
        """Return every cell's record by its path: what is in it, and when it was written."""
        folder = self.results / "cells"
        return {
            str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(folder.glob("**/*.json"))
        }


@contextmanager
def lossy_uplink(footprint: Footprint) -> Iterator[None]:
    """Have most of the frames lost that leave the server, which nothing of how the testbed was set up shows."""
    inside = enter(footprint.holder(), MIDDLEBOX_SERVER)
    subprocess.run([*inside, "nft", "-f", "-"], input=DISTURBANCE, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*inside, "nft", "delete", "table", "netdev", "disturbance"], check=True)


@contextmanager
def live(project: Project) -> Iterator[Project]:
    """Take the project's testbed down in the end, and demand that nothing of it is left."""
    try:
        yield project
        project.down()
        project.footprint.demand_nothing_left()
    finally:
        project.footprint.kill_all()


def copy_of_the_project(folder: Path, testbed: Mapping[str, Any] | None = None) -> Project:
    """Copy what is, or would be, under version control; its testbed is of namespaces unless another is given."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    compiled = (str(path.relative_to(PROJECT)) for path in PROJECT.glob("workflow/**/*.pyc"))
    for name in filter(None, [*listed.split("\0"), *compiled]):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    project = Project(folder, runtime=folder.with_name(f"{folder.name}-runtime"))
    project.configure()
    (folder / "config" / "testbeds" / f"{TESTBED}.yaml").write_text(yaml.safe_dump(dict(testbed or composition())))
    return project


def planned(said: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry run announced."""
    rows = [line.split() for line in said.partition("Job stats:")[2].partition("\n\n")[0].splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
