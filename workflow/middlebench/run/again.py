"""Sets cells that carry a flag aside, so that the next run measures them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from middlebench.analysis.flags import carrying
from middlebench.analysis.measurements import read_measurements
from middlebench.errors import RecordError
from middlebench.record import Record, read
from middlebench.run.superseded import set_aside


def set_flagged_aside(results: Path, flag: str, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Move all files of the cells that carry a flag out of the way; return where their records were.

    The table of measurements says which cells these are. A cell that was measured again since the
    table was made stays where it is.

    Args:
        results: the testbed's results folder.
        flag: such as ``drift``.
        tell: called with a sentence about each cell that stays although it carries the flag.

    Raises:
        RecordError: there is no table, or a record cannot be read.
        OSError: a file cannot be moved.
    """
    measurements = read_measurements(results / "measurements.csv")
    moved = []
    for row in measurements[carrying(measurements, flag)].itertuples():
        path = results / str(row.record)
        try:
            known = read(Record, path).started_at == row.started_at
        except RecordError:
            if path.exists():
                raise
            known = False
        if not known:
            tell(f"{path}: not the one in the table any more, left as it is")
            continue
        set_aside(path, results)
        moved.append(path)
    return moved
