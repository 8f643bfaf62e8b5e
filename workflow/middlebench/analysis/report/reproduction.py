"""Packed results made anew: from their records, every table and figure, and whether they are the same bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pydantic import ValidationError

from middlebench.analysis.report.crate import METADATA
from middlebench.model.provision import Provision
from middlebench.system.errors import RecordError

PROVISION = "provision.json"

MADE = ("figures/", "tables/", "report/", "measurements.csv", "summary.csv", "law.json", METADATA)
"""What is made of the records, and so is not unpacked."""

COMPARED = ("figures/", "tables/", "summary.csv", "law.json")
"""Of that, what does not say where it was made."""


def unpack(archive: Path, results: Path) -> Path:
    """Unpack the records of packed results, and what they were measured by, into a results folder.

    Returns:
        The folder of their testbed there.

    Raises:
        RecordError: it is no archive of results, or the testbed has results there.
    """
    doing = f"unpacking {archive}"
    try:
        with zipfile.ZipFile(archive) as packed:
            folder = results / Provision.model_validate_json(packed.read(PROVISION)).testbed
            if folder.exists():
                raise RecordError(doing, f"{folder} is there already", "remove it, or name another --results folder")
            packed.extractall(folder, [name for name in packed.namelist() if not name.startswith(MADE)])
    except (zipfile.BadZipFile, KeyError, ValidationError) as error:
        raise RecordError(
            doing, f"it is no packed results ({error})", "`results/NAME.zip` is what is packed"
        ) from error
    return folder


def differing(archive: Path, folder: Path) -> tuple[int, list[str]]:
    """Return how many files of packed results were compared, and those that differ in a folder or are missing there."""
    with zipfile.ZipFile(archive) as packed:
        names = [name for name in packed.namelist() if name.startswith(COMPARED)]
        other = [
            name for name in names if not (folder / name).is_file() or (folder / name).read_bytes() != packed.read(name)
        ]
    return len(names), other
