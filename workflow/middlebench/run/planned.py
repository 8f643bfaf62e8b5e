"""The cells that a testbed's tables hold: all of the grid, or those that an adaptive sweep chose, and others finished.

An adaptive sweep keeps its choice one file a batch: ``batches/1.json``, ``batches/2.json``, … lie in the testbed's
results; one without cells ends the sweep.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from middlebench.config.study import Study
from middlebench.model.cell import Cell, cells_on_disk
from middlebench.model.options import Options
from middlebench.model.record import PROTOCOL, Settings
from middlebench.model.record_file import read

FOLDER = "batches"


class Batch(Options):
    """The cells that are measured next."""

    format: Literal["middlebench-batch/1"] = "middlebench-batch/1"
    cells: tuple[Cell, ...]
    """Each in its first repetition; none once the sweep is at its end."""
    reason: str
    """Why these, or why none."""


def path_of(folder: Path, number: int) -> Path:
    """Return where a batch lies, counted from 1."""
    return folder / FOLDER / f"{number}.json"


def chosen(file_of: Callable[[int], Path], before: int | None = None) -> list[Cell]:
    """Return the points of an adaptive sweep's batches, up to the one that ends it.

    ``file_of`` returns the file of a batch, once it is there; ``before`` is the batch before which to stop.

    Raises:
        RecordError: a batch cannot be read.
    """
    points: list[Cell] = []
    number = 1
    while before is None or number < before:
        batch = read(Batch, file_of(number))
        if not batch.cells:
            break
        points += batch.cells
        number += 1
    return points


def planned_cells(study: Study, testbed: str, folder: Path) -> list[Cell]:
    """Return the cells that a study plans on a testbed: all of the grid, or those that an adaptive sweep chose.

    Raises:
        RecordError: a batch of the sweep is missing or cannot be read.
    """
    if study.sweep == "grid":
        return study.cells(testbed)
    return repeated(chosen(lambda number: path_of(folder, number)), study.repetitions)


def repeated(points: list[Cell], repetitions: int) -> list[Cell]:
    """Return all repetitions of some points."""
    return [
        point.model_copy(update={"repetition": repetition})
        for point in points
        for repetition in range(1, repetitions + 1)
    ]


def finished_beyond(study: Study, testbed: str, results: Path) -> list[Cell]:
    """Return the finished repetitions of planned points that the study itself does not plan.

    They belong to the tables as well, as far as they were measured with the settings of now.
    """
    planned = set(planned_cells(study, testbed, results))
    points = {cell.point for cell in planned}
    settings = study.settings
    found = []
    for cell in cells_on_disk(results):
        if cell.point not in points or cell in planned:
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads((results / cell.path).read_bytes())
            if values["protocol"] == PROTOCOL and Settings.model_validate(values["settings"]) == settings:
                found.append(cell)
    return found
