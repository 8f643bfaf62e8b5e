"""What figures of any kind write: the axes, and what a dataset was measured on."""

from __future__ import annotations

import re

import pandas as pd

from middlebench.analysis.data.flags import EMULATED
from middlebench.analysis.data.publications import are_published
from middlebench.analysis.data.summary import PAPER_SIZE, named, repetitions_of, summarise

SIZE_AXIS = "frame size without FCS [B]"

LENGTH_AXIS = "chain length [middleboxes]"
NEAREST = f" (nearest to {PAPER_SIZE} B)"

HASH = re.compile(r"\s*\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b")
"""A part of a description that tells two builds apart, and nothing to a reader of a legend."""


def short_name(component: str) -> str:
    """Return a component's description up to its first comma, without hashes; that it is emulated is kept.

    What a title's second line has room for, a legend has not.
    """
    parts = []
    for whole in component.split(" / "):
        kind, *details = (part.strip() for part in HASH.sub("", whole).split(","))
        emulated = [EMULATED for part in details if part.startswith(EMULATED)]
        parts.append(", ".join([kind, *emulated[:1]]))
    return " / ".join(dict.fromkeys(parts))


def origin_of(measurements: pd.DataFrame, of_repetitions: str = "mean") -> str:
    """Return what a figure's values were measured on and how, for its subtitle.

    ``of_repetitions`` says what each value is of the repetitions of its cell.
    """
    if measurements.empty:
        return "no cell measured"
    parts = [
        f"{'published' if are_published(measurements) else 'testbed'} {named(measurements['testbed'])}",
        named(measurements["middlebox"]),
        named(measurements["switch"]),
    ]
    if pd.notna(window_s := measurements["window_s"].median()):
        parts.append(f"{window_s:.3g} s windows")
    if (measurements["repetition"] > 1).any():
        parts.append(f"{of_repetitions} of {repetitions_of(summarise(measurements))} repetitions")
    return " · ".join(parts)
