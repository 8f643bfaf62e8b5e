"""The verb from the records to one table: aggregate."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import add_target, add_verb, target_of
from middlebench.system.errors import RecordError

if TYPE_CHECKING:
    from middlebench.commands.arguments import Verbs
    from middlebench.model.cell import Cell
    from middlebench.model.record import Record, Settings


def add(verbs: Verbs) -> None:
    """Add this verb to the command line."""
    aggregate = add_verb(verbs, "aggregate", "gather the records of a testbed in one table")
    add_target(aggregate, "the table to write, such as results/local/measurements.csv; its summary is written beside")
    aggregate.set_defaults(verb=_aggregate)


def _aggregate(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.aggregate import write_summary
    from middlebench.analysis.drift import marked
    from middlebench.analysis.measurements import from_records, write_measurements
    from middlebench.model.controls import CONTROL_BAND, ControlLog
    from middlebench.run.remeasure import finished_beyond

    target = target_of(arguments)
    study, folder, testbed = target.file.study, target.folder, target.testbed
    records = _read_all(folder, [*study.cells(testbed), *finished_beyond(study, testbed, folder)])
    _demand_current(study.settings, records, study.measuring_command)
    measured = from_records(records.values(), folder, study.measuring_command)
    band = CONTROL_BAND if study.controls == "none" else study.controls.band
    measurements = marked(measured, ControlLog(folder).controls(), band)
    write_measurements(measurements, target.path)
    write_summary(measurements, target.path.with_name("summary.csv"))


def _read_all(folder: Path, cells: Iterable[Cell]) -> dict[Path, Record]:
    """Return the records of a testbed's cells.

    Raises:
        RecordError: some cannot be read, or lie where another cell's belongs; it names all of them.
    """
    from middlebench.model import record

    records, problems = {}, []
    for cell in cells:
        path = folder / cell.path
        try:
            found = record.read(record.Record, path)
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
