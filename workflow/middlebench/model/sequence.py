"""The order in which a testbed's cells and controls were measured: a number each, whatever the clock says.

A clock may be stepped, and files may be copied: which control is the nearest to a cell, and whether the next one is
due, is told by these numbers.
"""

from __future__ import annotations

import re
from pathlib import Path

from middlebench.system.files import write_text

NUMBER = re.compile(r'^ *"sequence": ([1-9][0-9]*),?$', re.MULTILINE)
"""How a record holds its number."""


class Sequence:
    """Numbers of one testbed's measurements, from 1.

    Only who has the testbed's lock may ask for the next one.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._file = results / "controls" / "sequence"

    @property
    def last(self) -> int:
        """The last number that was given; 0 where none was.

        It is noted in a file. Where that is gone, as in a folder that was put together by hand, the records tell.
        """
        try:
            return int(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return max(map(_number, self._records()), default=0)

    def next(self) -> int:
        """Return the next number, and note it."""
        number = self.last + 1
        write_text(self._file, f"{number}\n")
        return number

    def _records(self) -> list[Path]:
        return [*self._results.glob("controls/*.json"), *self._results.glob("cells/**/*.json")]


def _number(record: Path) -> int:
    """Return the number in a record; 0 where there is none."""
    try:
        found = NUMBER.search(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    return int(found[1]) if found else 0
