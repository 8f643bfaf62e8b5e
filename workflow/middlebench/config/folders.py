"""The folder that results may lie in."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT_FOLDERS = frozenset(
    ("bench", "build", "config", "data", "docs", "envs", "notebooks", "profiles", "tests", "workflow")
)
"""Folders of the project in which no results may lie."""


def free_folder(folder: str) -> str:
    """Return the path of a folder for results in its plainest form, relative to the project where it lies in it.

    Workflow and records name files by that path: two forms of it would be two folders to them.

    Raises:
        ValueError: it is the project, or its own, or there is something else than a folder in its place.
    """
    project, place = Path.cwd(), Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow links)
    if place in (project, *project.parents):
        raise ValueError(f"{folder} is the project's own folder, or one around it; name another folder")
    within = place.relative_to(project) if place.is_relative_to(project) else None
    if within and (within.parts[0] in PROJECT_FOLDERS or within.parts[0].startswith(".")):
        raise ValueError(f"{folder} belongs to the project; name another folder")
    for each in (place, *place.parents):
        if each.exists() and not each.is_dir():
            raise ValueError(f"{each} is there and is not a folder; move it away, or name another folder")
    return str(within or place)
