"""Records that others took the place of: they are moved aside, never overwritten.

``results/<testbed>/superseded/<environment>/`` has the same folders as the testbed's results; the moment
at which a cell was measured is part of its file's name there.
"""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = "superseded"
UNKNOWN = "unknown"


def set_aside(record: Path, results: Path) -> list[Path]:
    """Move a record, and what lies beside it of the same name, out of the way; return where it is now.

    Args:
        record: the record's file, such as ``results/local/cells/n1/size60/rep1.json``; nothing happens without it.
        results: the testbed's results folder.
    """
    if not record.exists():
        return []
    environment, moment = _origin(record)
    place = record.parent.relative_to(results) if record.is_relative_to(results) else Path()
    folder = results / FOLDER / environment / place
    folder.mkdir(parents=True, exist_ok=True)
    moved = []
    for file in sorted(record.parent.glob(f"{record.stem}.*")):
        target = folder / f"{record.stem}.{moment}{file.name.removeprefix(record.stem)}"
        moved.append(file.replace(target))
    return moved


def _origin(record: Path) -> tuple[str, str]:
    """Return the environment and the moment in which a record was measured, as parts of a file's name."""
    try:
        values = json.loads(record.read_bytes())
        environment, moment = str(values["environment"] or UNKNOWN), str(values["started_at"])
    except (ValueError, KeyError, TypeError):  # not a record, or one of an earlier version: kept all the same
        environment, moment = UNKNOWN, str(record.stat().st_mtime_ns)
    return environment, "".join(letter for letter in moment.partition("+")[0] if letter.isalnum())
