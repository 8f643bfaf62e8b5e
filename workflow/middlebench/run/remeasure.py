"""Which cells are worth measuring again: those that carry a flag, and those whose interval is widest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from middlebench.analysis.data.flags import MEANINGS, carrying
from middlebench.analysis.data.measurements import cell_of, read_measurements
from middlebench.analysis.data.summary import summarise
from middlebench.config.other_results import TABLE
from middlebench.model.cell import Cell
from middlebench.model.record import Record
from middlebench.model.record_file import read
from middlebench.run.archive import archive
from middlebench.system.errors import ConfigError, RecordError
from middlebench.system.text import suggestion


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


def archive_flagged(results: Path, flag: str, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Move all files of the cells that carry a flag to the archive; return where their records were.

    The table of measurements says which cells these are. A cell that was measured again since the table was made stays
    where it is. ``tell`` is called with a sentence about each cell that stays although it carries the flag.

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
        archive(path, results)
        moved.append(path)
    return moved


def widest_cells(results: Path, count: int) -> list[Cell]:
    """Return the next repetition of each of the ``count`` points whose interval is the widest.

    The width is that of the 95 % interval of the received throughput, over its mean. A point that was measured
    once has no interval, and comes first.

    Raises:
        RecordError: the testbed has no table of measurements.
    """
    measurements = read_measurements(results / TABLE)
    summary = summarise(measurements)
    width = (summary["received_mbps_high"] - summary["received_mbps_low"]) / summary["received_mbps"]
    order = width.fillna(float("inf")).sort_values(ascending=False, kind="stable").index[:count]
    last: dict[Cell, int] = {}
    for cell in map(cell_of, measurements.to_dict("records")):
        last[cell.point] = max(cell.repetition, last.get(cell.point, 0))
    points = (cell_of({**row, "repetition": 1}) for row in summary.loc[order].to_dict("records"))
    return [point.model_copy(update={"testbed": results.name, "repetition": last[point] + 1}) for point in points]
