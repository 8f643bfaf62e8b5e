"""Where the project's files lie: in the working folder, or, where another workflow uses this one, elsewhere."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
"""The folder that holds this library with all that belongs to it: notebooks, publications, the unikernel's source."""

OWN = "config"
"""The folder of which the working folder may have its own."""


def place_of(path: str | Path) -> Path:
    """Return where a file or folder of the project is: by ``path`` where the project is the working folder.

    What the working folder has of the configuration comes first.
    """
    path = Path(path)
    own = path.parts[:1] == (OWN,) and path.exists()
    return path if own or Path.cwd() == PROJECT else PROJECT / path


def path_in_project(path: Path) -> Path:
    """Return by which path the project has the file at ``path``, which :func:`place_of` returned."""
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
