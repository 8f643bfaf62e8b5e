"""A cell: one point of the sweep. Its axes are declared here; path, label and place in the order follow from them.

To add an axis, add a line to :data:`AXES`, a field of the same name to :class:`Cell`, a column of that name to the
measurements (``analysis/data/measurements.py``), and the key that lists its values to the study (``config/study.py``).
What the axis means to the testbed is the business of the trial (``trials/``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, ValidationError

from middlebench.model.functions.function import FORWARD
from middlebench.model.functions.specification import CHAIN_PATTERN
from middlebench.model.mix import PATTERN as MIX_PATTERN
from middlebench.model.mix import size_label
from middlebench.model.options import Options
from middlebench.model.plan import CHAIN, Topology
from middlebench.model.topologies import TOPOLOGIES

LONGEST_CHAIN = 1000
"""The longest chain that the config allows, and the most middleboxes of any topology."""


@dataclass(frozen=True)
class Axis:
    """One dimension of the sweep, beside the repetition."""

    field: str
    """Name of the value in a cell, in a record and in every table."""
    study_key: str
    """Key of the config that lists the values."""
    folder: str
    """The folder of one value, as a format; it is also what an anchor in the report is made of."""
    pattern: str
    """Regular expression of a value as it is written in a folder's name."""
    label: Callable[[Any], str]
    """Says one value in words."""
    deployed: bool = True
    """Whether another value needs another deployment."""
    default: Any = None
    """The value whose folder is left out of paths; None where none is."""

    def folder_of(self, value: object) -> str:
        """Return the name of the folder of a value; empty for the default value."""
        return "" if self.default is not None and value == self.default else self.folder.format(value)


AXES = (
    Axis("topology", "topologies", "topology-{}", "|".join(TOPOLOGIES), str, default=CHAIN),
    Axis("function", "functions", "function-{}", CHAIN_PATTERN, str, default=FORWARD),
    Axis("n", "chain_lengths", "n{}", r"0|[1-9]\d*", "n = {}".format),
    Axis("frame_bytes", "frame_sizes", "size{}", rf"[1-9]\d*|{MIX_PATTERN}", size_label, deployed=False),
)
"""All axes, from the outermost folder to the innermost."""

DEPLOYED_AXES = tuple(axis for axis in AXES if axis.deployed)


def _pattern(axes: Sequence[Axis], named: bool) -> str:
    """Return the regular expression of the folders of ``axes``, each with its slash."""
    parts = []
    for axis in axes:
        value = f"(?P<{axis.field}>{axis.pattern})" if named else f"(?:{axis.pattern})"
        folder = axis.folder.format(value)
        parts.append(f"(?:{folder}/)?" if axis.default is not None else f"{folder}/")
    return "".join(parts)


CELL_PATTERN = _pattern(AXES, named=False) + r"rep[1-9]\d*"
"""Regular expression of a cell's path below the folder `cells`, without its suffix: ``n4/size800/rep1``."""
DEPLOYMENT_PATTERN = _pattern(DEPLOYED_AXES, named=False).removesuffix("/")
"""Regular expression of a deployment's path below the folder `deployments`, without its suffix: ``n4``."""

_CELL = re.compile(_pattern(AXES, named=True) + r"rep(?P<repetition>[1-9]\d*)")
_DEPLOYMENT = re.compile(_pattern(DEPLOYED_AXES, named=True).removesuffix("/"))


class Cell(Options):
    """One point of the sweep."""

    testbed: str
    n: Annotated[int, Field(ge=0, le=LONGEST_CHAIN)]
    """Chain length: number of middleboxes, in other topologies too."""
    frame_bytes: Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=f"^{MIX_PATTERN}$")]
    """Frame size without FCS, or the name of a mix of sizes."""
    function: Annotated[str, Field(pattern=f"^(?:{CHAIN_PATTERN})$")] = FORWARD
    """What the middleboxes do: one function for all, or several that are cycled along the chain, as in
    `filter-rules=64+nat`."""
    topology: Topology = CHAIN
    """How the middleboxes are joined."""
    repetition: Annotated[int, Field(ge=1, le=100_000)] = 1

    @classmethod
    def of_key(cls, testbed: str, key: str) -> Cell | None:
        """Return the cell of a path below the folder `cells`, such as ``n4/size800/rep1``; None if it is no cell's."""
        found = _CELL.fullmatch(key)
        if found is None:
            return None
        try:
            cell = cls.model_validate({"testbed": testbed, **_values(found)})
        except ValidationError:  # such as a chain that is too long
            return None
        return cell if cell.key == key else None

    @property
    def key(self) -> str:
        """The cell's path below the folder `cells`, without a suffix: ``n4/size800/rep1``."""
        return "/".join([*_folders(AXES, self), f"rep{self.repetition}"])

    @property
    def path(self) -> str:
        """Path of the record below the testbed's results."""
        return f"cells/{self.key}.json"

    @property
    def raw_path(self) -> str:
        """Path of what the generator's tools printed, below the testbed's results."""
        return f"cells/{self.key}.generator.txt"

    @property
    def deployment_key(self) -> str:
        """Path of the deployment below the folder `deployments`, without a suffix: ``n4``."""
        return "/".join(_folders(DEPLOYED_AXES, self))

    @property
    def deployment_path(self) -> str:
        """Path of the deployment's record below the testbed's results."""
        return f"deployments/{self.deployment_key}.json"

    @property
    def point(self) -> Cell:
        """The same cell in its first repetition: what all repetitions have in common."""
        return self if self.repetition == 1 else self.model_copy(update={"repetition": 1})

    @property
    def anchor(self) -> str:
        """What a link to this cell's point ends with in the report: ``n4-size800``."""
        return "-".join(_folders(AXES, self))

    @property
    def label(self) -> str:
        """The cell in words: ``n = 4, 800 B``; the repetition too where it is not the first."""
        words = [axis.label(getattr(self, axis.field)) for axis in AXES if getattr(self, axis.field) != axis.default]
        return ", ".join([*words, *([f"repetition {self.repetition}"] if self.repetition > 1 else [])])


def deployment_values(key: str) -> dict[str, Any] | None:
    """Return the values of the deployed axes in a deployment's path, such as ``n4``; None if it is no deployment's."""
    found = _DEPLOYMENT.fullmatch(key)
    return None if found is None else _values(found)


def cells_of(testbed: str, values: Mapping[str, Sequence[Any]], repetitions: int) -> list[Cell]:
    """Return all cells of a grid.

    An axis that ``values`` do not have is at its default.
    """
    points = itertools.product(*(values.get(axis.field, (axis.default,)) for axis in AXES))
    fields = [axis.field for axis in AXES]
    return [
        Cell(testbed=testbed, repetition=repetition, **dict(zip(fields, point, strict=True)))
        for point in points
        for repetition in range(1, repetitions + 1)
    ]


def cells_on_disk(results: Path) -> list[Cell]:
    """Return the cells that have a file where a record belongs.

    ``results`` is the testbed's results folder, named after the testbed.
    """
    folder = results / "cells"
    keys = (PurePosixPath(path.relative_to(folder)).with_suffix("") for path in sorted(folder.glob("**/rep*.json")))
    return [cell for key in keys if (cell := Cell.of_key(results.name, str(key)))]


def _values(found: re.Match[str]) -> dict[str, Any]:
    defaults = {axis.field: axis.default for axis in AXES}
    return {
        field: (int(value) if value.isdecimal() else value) if value is not None else defaults[field]
        for field, value in found.groupdict().items()
    }


def _folders(axes: Sequence[Axis], cell: Cell) -> list[str]:
    return [folder for axis in axes if (folder := axis.folder_of(getattr(cell, axis.field)))]
