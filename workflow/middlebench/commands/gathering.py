"""Verbs from the records to one table, and from there to the next cells: aggregate and choose-cells."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import Verbs, add_target, add_verb, target_of, tell
from middlebench.system.errors import RecordError
from middlebench.system.text import plural

if TYPE_CHECKING:
    from middlebench.model.cell import Cell
    from middlebench.model.record import Record, Settings


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    aggregate = add_verb(verbs, "aggregate", "gather the records of a testbed in one table")
    add_target(
        aggregate, "the table to write, such as results/local/measurements.csv; summary.csv beside it", _aggregate
    )

    choose = add_verb(verbs, "choose-cells", "choose the cells that an adaptive sweep measures next")
    add_target(choose, "the list of cells to write, such as results/local/batches/2.json", _choose_cells)


def _aggregate(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.data.drift import marked
    from middlebench.analysis.data.measurements import from_records, write_measurements
    from middlebench.analysis.data.summary import write_summary
    from middlebench.model.controls import CONTROL_BAND, ControlLog
    from middlebench.run.planned import finished_beyond, planned_cells

    target = target_of(arguments)
    study, folder, testbed = target.file.study, target.folder, target.testbed
    records = _read_all(folder, [*planned_cells(study, testbed, folder), *finished_beyond(study, testbed, folder)])
    _demand_current(study.settings, records, study.measuring_command)
    measured = from_records(records.values(), folder, study.measuring_command)
    band = CONTROL_BAND if study.controls == "none" else study.controls.band
    measurements = marked(measured, ControlLog(folder).controls(), band)
    write_measurements(measurements, target.path)
    write_summary(measurements, target.path.with_name("summary.csv"))


def _choose_cells(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.data.dataset import only
    from middlebench.analysis.data.measurements import from_records
    from middlebench.analysis.law.adaptive import next_points
    from middlebench.model.mix import is_mix
    from middlebench.model.record_file import write
    from middlebench.run.planned import Batch, chosen, path_of, repeated

    target = target_of(arguments)
    study, folder, testbed = target.file.study, target.folder, target.testbed
    points = chosen(lambda number: path_of(folder, number), before=int(target.path.stem))
    records = _read_all(folder, repeated(points, study.repetitions)).values()
    grid = study.cells(testbed)
    places, reason = next_points(
        [(cell.n, cell.frame_bytes) for cell in grid if not is_mix(cell.frame_bytes)],
        from_records(records, folder),
        study.certainty,
        only(record.link_bps for record in records),
    )
    cells = tuple(grid[0].point.model_copy(update={"n": n, "frame_bytes": size}) for n, size in places)
    write(Batch(cells=cells, reason=reason), target.path)
    tell(f"{testbed}: {plural(len(cells), 'point')} to measure next: {reason}")


def _read_all(folder: Path, cells: Iterable[Cell]) -> dict[Path, Record]:
    """Return the records of a testbed's cells."""
    from middlebench.model import record_file
    from middlebench.model.record import Record

    records, problems = {}, []
    for cell in cells:
        path = folder / cell.path
        try:
            found = record_file.read(Record, path)
        except RecordError as error:
            problems.append(f"{path}: {error.happened}")
            continue
        if found.cell != cell:
            problems.append(f"{path}: it is the record of {found.cell.label} on {found.cell.testbed}")
        records[path] = found
    if problems:
        raise RecordError(
            f"gathering the records of {folder.name}",
            "\n  ".join((f"{len(problems)} cannot be used:", *problems)),
            "remove them to have their cells measured again",
        )
    return records


def _demand_current(wanted: Settings, records: Mapping[Path, Record], command: str) -> None:
    """Refuse records that were measured in another way.

    Snakemake takes a record for a current one when somebody copied it there, or its notes were removed.
    """
    from middlebench.model.record import PROTOCOL

    others = [str(path) for path, found in records.items() if found.settings != wanted or found.protocol != PROTOCOL]
    if others:
        raise RecordError(
            f"gathering the records of {len(records)} cells",
            f"{len(others)} were measured with other settings than the config's, or by another protocol than "
            f"{PROTOCOL}; the first one is {others[0]}",
            f"measure them again: {command} {' '.join(others[:3])}" + (" …" if len(others) > 3 else ""),
        )
