"""Results that were copied or unpacked here: the times of their files mean nothing to Snakemake.

Snakemake would measure all cells again, because a copy's provision record may be younger than its cells. A
hidden file notes which folder the results were made in; in any other folder, all files get one and the same time,
which is now: nothing that they were made from is younger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

ORIGIN = ".made-here"


def adopt_copies(folders: Iterable[Path]) -> list[Path]:
    """Give all files of results that were made elsewhere one time; return these folders.

    Those without a provision record are passed over.

    Raises:
        OSError: a file's time cannot be set.
    """
    copied = [folder for folder in folders if is_copy(folder)]
    now = time.time()
    for folder in copied:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                os.utime(path, (now, now))
        note_origin(folder)
    return copied


def is_copy(folder: Path) -> bool:
    """Return whether a folder has a testbed's results that were made elsewhere."""
    return (folder / "provision.json").is_file() and not _made_here(folder)


def note_origin(folder: Path) -> None:
    """Note that results are made in this folder: a copy of it is another one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ORIGIN).write_text(_identity(folder), encoding="utf-8")


def _made_here(folder: Path) -> bool:
    try:
        return (folder / ORIGIN).read_text(encoding="utf-8") == _identity(folder)
    except OSError:
        return False


def _identity(folder: Path) -> str:
    status = folder.stat()
    return f"{status.st_dev} {status.st_ino}\n"
