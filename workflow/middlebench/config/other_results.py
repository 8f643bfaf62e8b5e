"""Results of others to compare with: the names that they go by here, and the files that they are read from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

TABLE = "measurements.csv"


def names_of(paths: Sequence[str], taken: Iterable[str]) -> dict[str, str]:
    """Return the paths to compare with, each under a name for files: its own, with its folder's where that is taken."""
    names: dict[str, str] = {}
    used = set(taken)
    for path in paths:
        parts = [_slug(part) for part in Path(path).absolute().with_suffix("").parts if _slug(part)] or ["other"]
        choices = ("-".join(parts[-many:]) for many in range(1, len(parts) + 1))
        name = next((each for each in choices if each not in used), f"{parts[-1]}-{len(used)}")
        used.add(name)
        names[name] = path
    return names


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")


def file_of(path: str) -> str:
    """Return the file that results at a path are read from: the zip file itself, or the table in the folder."""
    return path if path.endswith(".zip") else str(Path(path, TABLE))
