"""Finished cells beyond the study: further repetitions of its points, which belong to the tables as well."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from middlebench.config.study import Study
from middlebench.model.cell import Cell, cells_on_disk
from middlebench.model.record import PROTOCOL, Settings
from middlebench.run.adaptive import planned_cells


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
