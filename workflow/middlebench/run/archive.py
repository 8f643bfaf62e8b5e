"""The archive: where an old record goes before its cell is measured again. Nothing is overwritten.

``results/<testbed>/archive/<environment>/`` has the same folders as the testbed's results; the moment at
which a record was made is part of its file's name there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from middlebench.system.errors import RecordError

FOLDER = "archive"
UNKNOWN = "unknown"
RECORDS = ("cells", "deployments", "controls", "provision.json")
"""What is archived, below the results of a testbed."""


def archive(record: Path, results: Path) -> list[Path]:
    """Move a record, and what lies beside it of the same name, to the archive; return where it is now.

    Nothing happens where there is no such record.

    Raises:
        RecordError: a file cannot be moved.
    """
    if not record.exists():
        return []
    moved = []
    try:
        environment, moment = _origin(record)
        place = record.parent.relative_to(results) if record.is_relative_to(results) else Path()
        folder = results / FOLDER / environment / place
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(record.parent.glob(f"{record.stem}.*")):
            target = folder / f"{record.stem}.{moment}{file.name.removeprefix(record.stem)}"
            moved.append(file.replace(target))
    except OSError as error:
        raise RecordError(
            f"moving {record}, which is to be made again, to the archive",
            str(error),
            f"see that {results / FOLDER} can be written, then run the same command again",
        ) from error
    return moved


def archive_outputs(outputs: Iterable[str], results: Path) -> None:
    """Move the records among the outputs of jobs that are about to run to the archive.

    So a record is missing from the moment at which it is to be made again until it is made, whatever ends the
    job or the run: an old record is never mistaken for a new one.

    Raises:
        RecordError: a file cannot be moved.
    """
    for path in map(Path, outputs):
        if path.suffix == ".json" and path.is_relative_to(results):
            folder, *below = path.relative_to(results).parts
            if below and below[0] in RECORDS:
                archive(path, results / folder)


def _origin(record: Path) -> tuple[str, str]:
    """Return the environment and the moment in which a record was made, as parts of a file's name."""
    try:
        values = json.loads(record.read_bytes())
        environment, moment = str(values.get("environment", UNKNOWN)), values.get("started_at")
    except (ValueError, AttributeError):  # not a record: kept all the same
        environment, moment = UNKNOWN, None
    moment = moment or datetime.fromtimestamp(record.stat().st_mtime, UTC).isoformat(timespec="microseconds")
    return (
        environment if environment.isalnum() else UNKNOWN,
        "".join(letter for letter in str(moment).partition("+")[0] if letter.isalnum()),
    )
