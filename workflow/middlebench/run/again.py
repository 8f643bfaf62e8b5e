"""Sets cells that carry a flag aside, so that the next run measures them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from middlebench.analysis.flags import MEANINGS, carrying
from middlebench.analysis.measurements import read_measurements
from middlebench.model.record import Record, read
from middlebench.run.archive import set_aside
from middlebench.system.errors import ConfigError, RecordError
from middlebench.system.text import suggestion

TABLE = "measurements.csv"


def testbeds_measured(results_folder: Path) -> list[str]:
    """Return the names of the testbeds of which a results folder has a table of measurements.

    Raises:
        RecordError: there are none.
    """
    if names := sorted(path.parent.name for path in results_folder.glob(f"*/{TABLE}")):
        return names
    raise RecordError(
        f"looking for the measurements of testbeds in {results_folder}",
        f"none has a table ({TABLE}) there",
        "`snakemake --cores 1 -- all` makes it; `--results FOLDER` names another folder",
    )


def set_flagged_aside(results: Path, flag: str, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Move all files of the cells that carry a flag out of the way; return where their records were.

    The table of measurements says which cells these are. A cell that was measured again since the
    table was made stays where it is.

    Args:
        results: the testbed's results folder.
        flag: such as ``drift``.
        tell: called with a sentence about each cell that stays although it carries the flag.

    Raises:
        ConfigError: there is no such flag.
        RecordError: there is no table, a record cannot be read, or a file cannot be moved.
    """
    if flag not in MEANINGS:
        raise ConfigError(
            f"looking for cells of {results} that carry the flag {flag}",
            "there is no such flag",
            f"name one of {', '.join(MEANINGS)}{suggestion(flag, MEANINGS)}",
        )
    measurements = read_measurements(results / TABLE)
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
