"""Records that others take the place of: they are moved aside, never overwritten.

``results/<testbed>/superseded/<environment>/`` has the same folders as the testbed's results; the moment
at which a record was made is part of its file's name there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.system.errors import RecordError

if TYPE_CHECKING:
    from snakemake.persistence import FileBackupMixin

FOLDER = "superseded"
UNKNOWN = "unknown"


def set_aside(record: Path, results: Path) -> list[Path]:
    """Move a record, and what lies beside it of the same name, out of the way; return where it is now.

    Args:
        record: the record's file, such as ``results/local/cells/n1/size60/rep1.json``; nothing happens without it.
        results: the testbed's results folder.

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
            f"moving {record} aside, which is to be made anew",
            str(error),
            f"see that {results / FOLDER} can be written, then run the same command again",
        ) from error
    return moved


def set_aside_what_is_made_anew(persistence: FileBackupMixin, results: Path) -> None:
    """Have Snakemake move outputs that it marks ``update`` aside before their jobs, instead of copying them.

    Snakemake 9.27 puts its copy back when the job fails, and notes it as made by that job: an old record
    would pass as the new one ever after. A copy that a killed run left could come back in the same way, at
    any time. What was moved aside is missing until it is made anew, whatever ends the job or the run.

    Args:
        persistence: where Snakemake notes what it made.
        results: the folder of all testbeds' results.
    """
    from snakemake.exceptions import WorkflowError  # the jobs, which do not need it, start some hundred times

    def move(path: Path) -> None:
        try:
            set_aside(path, results / path.relative_to(results).parts[0])
        except RecordError as error:
            raise WorkflowError(str(error)) from None

    def restores_nothing(_: Path) -> bool:
        return False

    persistence.backup_output = move
    persistence.restore_output = restores_nothing


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
