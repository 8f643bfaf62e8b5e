"""Packed results made anew: from their records, every table and figure, and whether they are the same bytes."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from middlebench.analysis.report.crate import CHECKSUMS, METADATA, PREVIEW
from middlebench.analysis.report.crate_files import CITATIONS, INPUTS
from middlebench.config.study import Study
from middlebench.model.provision import Provision
from middlebench.system.errors import RecordError

PROVISION = "provision.json"

MADE = (
    "figures/",
    "tables/",
    "report/",
    "measurements.csv",
    "summary.csv",
    "law.json",
    METADATA,
    PREVIEW,
    CHECKSUMS,
    *CITATIONS,
)
"""What is made of the records, and so is not unpacked."""

COMPARED = ("figures/", "tables/", "summary.csv", "law.json")
"""Of that, what does not say where it was made."""


def unpack(archive: Path, results: Path) -> Path:
    """Unpack the records of packed results, and what they were measured by, into a results folder.

    Returns:
        The folder of their testbed there.

    Raises:
        RecordError: it is no archive of results, a file in it is damaged, or the testbed has results there.
    """
    doing = f"unpacking {archive}"
    try:
        with zipfile.ZipFile(archive) as packed:
            _demand_intact(packed, doing)
            folder = results / Provision.model_validate_json(packed.read(PROVISION)).testbed
            if folder.exists():
                raise RecordError(doing, f"{folder} is there already", "remove it, or name another --results folder")
            packed.extractall(folder, [name for name in packed.namelist() if not name.startswith(MADE)])
    except (zipfile.BadZipFile, KeyError, ValidationError) as error:
        raise RecordError(
            doing, f"it is no packed results ({error})", "`results/NAME.zip` is what is packed"
        ) from error
    return folder


def _demand_intact(packed: zipfile.ZipFile, doing: str) -> None:
    """Demand that all files are those that were packed, if their checksums are there: older archives have none."""
    if CHECKSUMS not in packed.namelist():
        return
    lines = packed.read(CHECKSUMS).decode().splitlines()
    noted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {name: hashlib.sha256(packed.read(name)).hexdigest() for name in packed.namelist() if name != CHECKSUMS}
    if wrong := sorted(name for name in noted | found if noted.get(name) != found.get(name)):
        raise RecordError(
            doing,
            f"{len(wrong)} files are not those that were packed, such as {wrong[0]}",
            "get the archive again, from where it was published",
        )


def differing(archive: Path, folder: Path) -> tuple[int, list[str]]:
    """Return how many files of packed results were compared, and those that differ in a folder or are missing there.

    What lays these results beside those of other testbeds, which are not packed with them, is not compared.
    """
    study = Study.model_validate_json((folder / INPUTS / "study.json").read_bytes())
    beside = tuple(f"_{name}" for name in {*study.testbeds, *study.others} - {folder.name})
    with zipfile.ZipFile(archive) as packed:
        names = [
            name
            for name in packed.namelist()
            if name.startswith(COMPARED) and not PurePosixPath(name).stem.endswith(beside)
        ]
        other = [
            name for name in names if not (folder / name).is_file() or (folder / name).read_bytes() != packed.read(name)
        ]
    return len(names), other
