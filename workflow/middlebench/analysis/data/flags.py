"""What the flags of a cell mean, in words for the report's reader."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from middlebench.model.record import GENERATOR_LIMITED, LINKS_COSTLY, SERVER_SHARED, UNCONFIRMED, WINDOW_TOO_SHORT

EMULATED = "emulated"
DRIFT = "drift"
ONE_SIDED = "controls-on-one-side"

MEANINGS = {
    GENERATOR_LIMITED: (
        "The generator offered less than 99 % of what was intended (line rate, unless the settings ask for less). "
        "The cell says what the chain passed on of that; it is not a loss of the chain. Of a throughput search it says "
        "that the upper bound is a load that could not be offered."
    ),
    UNCONFIRMED: (
        "The generator counts what it sends by itself, and less than 99 % of that reached the server's port. Either "
        "the rest was lost on the first link, or it never left: some netmap drivers count frames that they drop."
    ),
    LINKS_COSTLY: (
        "More than a tenth of the server's processor time went to playing its network cards: to frames on the emulated "
        "links, most of them lost in front of the chain. A real server would have had it for the chain."
    ),
    SERVER_SHARED: (
        "Programs that are not the testbed's took more than a tenth of the server's processor time: the chain had only "
        "the rest. End them, and `middlebench archive --flag server-shared` has the next run measure such cells again."
    ),
    WINDOW_TOO_SHORT: (
        "More than twice as many frames came through in the whole trial as the rate of the window explains: the chain "
        "was still filling, or emptied its queues long after. Raise `warm_up_s` and `window_s`."
    ),
    "no-lower-bound": (
        "The smallest load of the throughput search already loses more than its goal allows: the throughput is 0. "
        "The counts are of a trial at that load."
    ),
    EMULATED: "The processor of the server was emulated in software. Compare such cells among each other only.",
    DRIFT: (
        "A control next to the cell in time, before or after it, lies further from the median of its kind than the "
        "band allows (10 %, the spread from which pyperf calls a measurement unstable, unless the config says "
        "otherwise): the instrument was not the same. `make remeasure` archives such cells and measures them again."
    ),
    ONE_SIDED: (
        "The run in which the cell was measured has controls only before it or only after it, as one has that was "
        "interrupted: drift on the other side would not have been seen. Controls of other runs do not count."
    ),
}
"""Flags that a row of the measurements can carry: those of its record, and what is known only beside other rows."""

UNKNOWN = "No explanation is known for this flag; see the records that carry it."


def carrying(measurements: pd.DataFrame, flag: str) -> pd.Series[bool]:
    """Return of each cell whether it carries a flag."""
    return measurements["flags"].str.split(";").map(lambda flags: flag in flags).astype(bool)


def adding(measurements: pd.DataFrame, flag: str, cells: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the measurements with a flag added to some of the cells."""
    flags = measurements["flags"]
    added = flags.where(flags == "", flags + ";") + flag
    return measurements.assign(flags=flags.mask(cells, added))


def explain(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the flags that occur, with the number of cells that carry each and its meaning.

    Returns:
        Columns flag, cells, meaning; sorted by flag; empty when no cell carries one.
    """
    flags = measurements["flags"].str.split(";").explode()
    counts = flags[flags != ""].value_counts().sort_index()
    rows = [(str(flag), int(cells), MEANINGS.get(str(flag), UNKNOWN)) for flag, cells in counts.items()]
    return pd.DataFrame(rows, columns=["flag", "cells", "meaning"])
