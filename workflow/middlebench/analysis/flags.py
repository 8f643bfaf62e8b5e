"""What the flags of a cell mean, in words for the report's reader."""

from __future__ import annotations

import pandas as pd

EMULATED = "emulated"

MEANINGS = {
    "generator-limited": (
        "The generator offered less than 99 % of what was intended (line rate, unless the settings ask for less). "
        "The cell says what the chain passed on of that; it is not a loss of the chain."
    ),
    EMULATED: "The processor of the server was emulated in software. Compare such cells among each other only.",
}
"""Flags that a record can carry."""

UNKNOWN = "No explanation is known for this flag; see the records that carry it."


def explain(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the flags that occur, with the number of cells that carry each and its meaning.

    Returns:
        Columns flag, cells, meaning; sorted by flag; empty when no cell carries one.
    """
    flags = measurements["flags"].str.split(";").explode()
    counts = flags[flags != ""].value_counts().sort_index()
    rows = [(str(flag), int(cells), MEANINGS.get(str(flag), UNKNOWN)) for flag, cells in counts.items()]
    return pd.DataFrame(rows, columns=["flag", "cells", "meaning"])
