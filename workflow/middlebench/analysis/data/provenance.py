"""Where a value comes from: the addresses of the parts of a report that hold its records.

Pure text. They are relative to the folder of a testbed's report and of its figures, which
lie side by side, so that the same link is right in both.
"""

from __future__ import annotations

import pandas as pd

from middlebench.analysis.data.measurements import frame_sizes
from middlebench.analysis.data.publications import is_published
from middlebench.model.mix import FrameSize

PAGE = "../report/index.html"
"""A testbed's own report, from its report or its figures."""


def cell_anchor(testbed: str, n: int, frame_bytes: FrameSize) -> str:
    """Return where a page shows the repetitions of a cell, or a published value."""
    return f"{testbed if is_published(testbed) else 'cell'}-n{n}-size{frame_bytes}"


def pair_anchor(reference: str, n: int, frame_bytes: FrameSize) -> str:
    """Return where a page shows a cell beside that of another testbed."""
    return f"beside-{reference}-n{n}-size{frame_bytes}"


def deployment_anchor(n: int) -> str:
    """Return where a page shows the deployment of a chain."""
    return f"deployment-n{n}"


def own_name(data: pd.DataFrame) -> str:
    """Return the testbed that measurements or a summary are of; empty when there is no cell."""
    return str(data["testbed"].iloc[0]) if len(data) else ""


def cell_address(testbed: str, own: str, n: int, frame_bytes: FrameSize) -> str:
    """Return the address of a testbed's cell, from the report or a figure of testbed ``own``.

    Each report shows its own testbed's cells and the published ones.
    """
    page = PAGE if testbed == own or is_published(testbed) else f"../../{testbed}/report/index.html"
    return f"{page}#{cell_anchor(testbed, n, frame_bytes)}"


def cell_addresses(cells: pd.DataFrame, own: str) -> list[str]:
    """Return the address of each cell of a summary, from the report or a figure of testbed ``own``."""
    places = zip(cells["testbed"], cells["n"], frame_sizes(cells), strict=True)
    return [cell_address(testbed, own, int(n), size) for testbed, n, size in places]
