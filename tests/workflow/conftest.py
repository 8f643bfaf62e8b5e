"""Projects for the tests of the workflow, before and after their sweep."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import made_once
from middlebench.run.copies import adopt_copies
from projects import MEASUREMENTS, TESTBED, Project, copy_of_the_project, live


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was run yet."""
    with live(copy_of_the_project(tmp_path / "project")) as project:
        yield project


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose sweep is finished, and nothing of it live; not to be changed."""

    def sweep(folder: Path) -> None:
        with live(copy_of_the_project(folder / "project")) as project:
            project.run(MEASUREMENTS)

    folder = made_once(tmp_path_factory, "swept", sweep)
    return Project(folder / "project", folder / "runtime")


@pytest.fixture
def finished(swept: Project, tmp_path: Path) -> Iterator[Project]:
    """A project whose sweep is finished, on a machine on which nothing is live any more."""
    shutil.copytree(swept.folder, tmp_path / "project", symlinks=True)
    adopt_copies([tmp_path / "project" / "results" / TESTBED])
    with live(Project(tmp_path / "project", tmp_path / "runtime")) as project:
        yield project
