"""Verbs from the records to one table: allocate and aggregate."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import add_grid, add_output, add_settings, tell
from middlebench.model.controls import CONTROL_BAND
from middlebench.model.order import CellName, ExtraCells
from middlebench.system.errors import RecordError

if TYPE_CHECKING:
    from middlebench.commands.arguments import Grid, Verbs
    from middlebench.model.record import Record, Settings

CELL_FILE = re.compile(r"/n(\d+)/size(\d+)/rep(\d+)\.json$")


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    allocate = verbs.add_parser("allocate", help="give extra repetitions to the cells that are known least")
    allocate.add_argument("--folder", required=True, type=Path, metavar="FOLDER", help="the testbed's results")
    add_grid(allocate)
    allocate.add_argument("--budget", required=True, type=int, metavar="K", help="extra repetitions in all")
    add_settings(allocate)
    allocate.add_argument(
        "--mix-environments", action="store_true", help="let cells of all environments say how much is known"
    )
    add_output(allocate, "the list of extra cells to write")
    allocate.set_defaults(verb=_allocate)

    aggregate = verbs.add_parser("aggregate", help="gather the records of a testbed in one table")
    aggregate.add_argument("--folder", required=True, type=Path, metavar="FOLDER", help="the testbed's results")
    add_grid(aggregate)
    aggregate.add_argument(
        "--band",
        type=float,
        default=CONTROL_BAND,
        metavar="SHARE",
        help="how far a control may lie from the median of its kind, over that (default: %(default)s)",
    )
    aggregate.add_argument(
        "--extra", nargs="*", type=Path, default=[], metavar="FILE", help="the extra repetitions that were given away"
    )
    add_settings(aggregate, "what every record must have been measured with, by the protocol of now", required=False)
    aggregate.add_argument("--summary", type=Path, metavar="FILE", help="where to write the means over repetitions")
    aggregate.add_argument(
        "--command", default="", metavar="TEXT", help="what measures a cell again, up to the path of its record"
    )
    add_output(aggregate, "the table to write, as CSV")
    aggregate.set_defaults(verb=_aggregate)


def _cells_of(grid: Grid) -> list[CellName]:
    """Return the planned cells of a grid."""
    repetitions = range(1, grid.repetitions + 1)
    return [CellName(*cell) for cell in itertools.product(grid.chain_lengths, grid.frame_sizes, repetitions)]


def _finished_beyond(grid: Grid, budget: int, folder: Path) -> list[CellName]:
    """Return the cells of a grid that are finished though it does not plan them: up to so many repetitions more."""
    points = set(itertools.product(grid.chain_lengths, grid.frame_sizes))
    beyond = range(grid.repetitions + 1, grid.repetitions + budget + 1)
    found = (CELL_FILE.search(path.as_posix()) for path in folder.glob("cells/n*/size*/rep*.json"))
    there = sorted(CellName(*map(int, match.groups())) for match in found if match)
    return [cell for cell in there if (cell.n, cell.frame_bytes) in points and cell.repetition in beyond]


def _allocate(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.allocation import comparable, extra_cells
    from middlebench.analysis.measurements import from_records
    from middlebench.model import record
    from middlebench.system.text import plural

    grid, wanted, repetitions = arguments.grid, arguments.settings, arguments.grid.repetitions
    cells_there = [*_cells_of(grid), *_finished_beyond(grid, arguments.budget, arguments.folder)]
    found = _read_all(arguments.folder, cells_there).values()
    measurements = from_records([each for each in found if _is_current(each, wanted)], arguments.folder)
    if not arguments.mix_environments:
        measurements = comparable(measurements, repetitions)
    cells = extra_cells(measurements, repetitions, arguments.budget)
    names = zip(measurements["n"], measurements["frame_bytes"], measurements["repetition"], strict=True)
    if left_out := sum(k > repetitions and (n, size, k) not in cells for n, size, k in names):
        tell(f"{plural(left_out, 'finished extra repetition')} more than asked for: out of the tables, kept on disk")
    record.write(ExtraCells(cells=tuple(cells)), arguments.output)


def _aggregate(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.aggregate import write_summary
    from middlebench.analysis.drift import marked
    from middlebench.analysis.measurements import from_records, write_measurements
    from middlebench.model import record
    from middlebench.model.controls import ControlLog

    cells = _cells_of(arguments.grid)
    cells += [cell for file in arguments.extra for cell in record.read(ExtraCells, file).cells]
    records = _read_all(arguments.folder, cells)
    if arguments.settings:
        _demand_current(arguments.settings, records, arguments.command)
    measured = from_records(records.values(), arguments.folder, arguments.command)
    measurements = marked(measured, ControlLog(arguments.folder).controls(), arguments.band)
    write_measurements(measurements, arguments.output)
    if arguments.summary:
        write_summary(measurements, arguments.summary)


def _read_all(folder: Path, cells: Iterable[CellName]) -> dict[Path, Record]:
    """Return the records of a testbed's cells.

    Raises:
        RecordError: some cannot be read, or lie where another cell's belongs; it names all of them.
    """
    from middlebench.analysis.measurements import record_path
    from middlebench.model import record

    records, problems = {}, []
    for cell in cells:
        path = folder / record_path(*cell)
        try:
            found = record.read(record.Record, path)
        except RecordError as error:
            problems.append(f"{path}: {error.happened}")
            continue
        if found.cell != record.Cell(testbed=folder.name, **cell._asdict()):
            there = f"n = {found.cell.n}, {found.cell.frame_bytes} B, repetition {found.cell.repetition}"
            problems.append(f"{path}: it is the record of {there} on {found.cell.testbed}")
        records[path] = found
    if problems:
        raise RecordError(
            f"gathering the records of {folder.name}",
            "\n  ".join((f"{len(problems)} cannot be used:", *problems)),
            "remove them to have their cells measured anew",
        )
    return records


def _is_current(found: Record, wanted: Settings) -> bool:
    """Return whether a record was measured with these settings, by the protocol of now."""
    from middlebench.model.record import PROTOCOL

    return found.settings == wanted and found.protocol in ("", PROTOCOL)  # nobody knows that of the oldest records


def _demand_current(wanted: Settings, records: Mapping[Path, Record], command: str) -> None:
    """Refuse records that were measured in another way.

    Snakemake takes a record for a current one when somebody copied it there, or its notes were removed.
    """
    from middlebench.model.record import PROTOCOL

    if others := [str(path) for path, found in records.items() if not _is_current(found, wanted)]:
        raise RecordError(
            f"gathering the records of {len(records)} cells",
            f"{len(others)} were measured with other settings than the config's, or by another protocol than "
            f"{PROTOCOL}; the first one is {others[0]}",
            f"measure them again: {command} {' '.join(others[:3])}" + (" …" if len(others) > 3 else ""),
        )
