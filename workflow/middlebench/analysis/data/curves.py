"""What a claim is about: one value along chain length or frame size, taken from the means of the cells.

Where the generator was the limit and not the chain, a received value says only that the chain
carries at least so much; a curve knows these places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from middlebench.analysis.data.summary import summarise
from middlebench.model.frames import FULL
from middlebench.model.options import Options

Value = Literal["offered_kpps", "offered_mbps", "offered_share", "received_kpps", "received_mbps", "delivered_share"]
"""Columns of the summary, and two shares: offered_share is the raw throughput offered over the rate of the link,
delivered_share the received packet rate over the offered one."""

Axis = Literal["n", "frame_bytes"]

UNITS = {"kpps": "kpkt/s", "mbps": "Mb/s", "share": "%"}
PERCENT = 100.0


class Selection(Options):
    """Which values a claim is about."""

    value: Value
    along: Axis
    """What varies."""
    at: int | Literal["each"]
    """Where the other of the two axes stands; `each` gives one curve for every place of it."""
    among: Literal["all", "below saturation"] | tuple[int, ...] = "all"
    """Places along the curve: all, those at which the generator does not fill the link, or these."""


@dataclass(frozen=True)
class Curve:
    """One value along one axis."""

    value: Value
    along: Axis
    at: int
    """Where the other axis stands."""
    points: tuple[tuple[int, float], ...]
    """Place and value, by place."""
    cells: str = "cells"
    """What its points are, for a sentence."""
    wanted: tuple[int, ...] = ()
    """Places that were asked for by number and are not there."""
    at_generators_limit: tuple[int, ...] = ()
    """Places at which the value is no more than a lower bound, because the generator offered no more."""

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return UNITS[self.value.rsplit("_", 1)[1]]

    def place(self, place: int) -> str:
        """Return how a reader calls a place along the curve."""
        return f"{place} B" if self.along == "frame_bytes" else f"n = {place}"

    def where(self) -> str:
        """Return how a reader calls the place of the curve itself."""
        return f"n = {self.at}" if self.along == "frame_bytes" else f"{self.at} B"

    def show(self, value: float) -> str:
        """Return a value with its unit; a share as per cent."""
        return f"{value * PERCENT if self.unit == '%' else value:.4g} {self.unit}"


def cells_of(measurements: pd.DataFrame, link_bps: float | None) -> pd.DataFrame:
    """Return the means of the cells of one testbed, with the two shares, and whether the generator was the limit.

    Cells without a middlebox are controls of the instrument, and no part of what the paper speaks of. ``link_bps`` is
    the rate of the links in bits/s; None leaves every share of it unknown.
    """
    cells = summarise(measurements[measurements["n"] > 0])
    offered_share = cells["offered_raw_mbps"] * 1e6 / (link_bps or float("nan"))
    delivered_share = cells["received_kpps"] / cells["offered_kpps"].where(cells["offered_kpps"] > 0)
    return cells.assign(
        offered_share=offered_share,
        delivered_share=delivered_share,
        at_generators_limit=(delivered_share >= FULL) & (offered_share < FULL),
    )


def curves_of(selection: Selection, cells: pd.DataFrame) -> list[Curve]:
    """Return the curves that a claim is about: one, or with ``each`` one for every place of the other axis.

    Cells are as :func:`cells_of` returns them.
    """
    other = "frame_bytes" if selection.along == "n" else "n"
    places = sorted({int(place) for place in cells[other]}) if selection.at == "each" else [selection.at]
    return [_curve(selection, cells[cells[other] == place], place) for place in places]


def _curve(selection: Selection, cells: pd.DataFrame, at: int) -> Curve:
    """Return the curve through some cells that agree in the other axis."""
    along, among = selection.along, selection.among
    known = cells.dropna(subset=[selection.value]).sort_values(along)
    if among == "below saturation":
        known = known[known["offered_share"] < FULL]
    elif among != "all":
        known = known[known[along].isin(among)]
    places = [int(place) for place in known[along]]
    limited = known["at_generators_limit"] & selection.value.startswith("received")
    return Curve(
        value=selection.value,
        along=along,
        at=at,
        points=tuple(zip(places, map(float, known[selection.value]), strict=True)),
        cells="cells" if among == "all" else "cells below saturation" if isinstance(among, str) else "such cells",
        wanted=() if isinstance(among, str) else tuple(sorted(set(among) - set(places))),
        at_generators_limit=tuple(place for place, is_so in zip(places, limited, strict=True) if is_so),
    )
