"""Throughput searches in words: what titles say of them, and the table that the report shows."""

from __future__ import annotations

import pandas as pd

from middlebench.analysis.data.measurements import frame_sizes
from middlebench.model.mix import size_shown


def note_of(measurements: pd.DataFrame) -> str:
    """Return what titles must say of cells whose load was searched for; empty where none was."""
    goals = measurements["goal"]
    searched = sorted(set(goals) - {""})
    if not searched:
        return ""
    return " and ".join(searched) + (" in some cells" if (goals == "").any() else "")


def table_of(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return what each search found, a row each; empty where nothing was searched for.

    Returns:
        Columns n, frame size, repetition, goal, bounds and conditional throughput in kpkt/s, the relative width
        reached in %, and the number of trials, all as text and in the order of the measurements.
    """
    searched = measurements[measurements["goal"] != ""]
    lower, upper = searched["lower_bound_kpps"], searched["upper_bound_kpps"]
    width = (1 - lower / upper) * 100
    return pd.DataFrame(
        {
            "n": searched["n"].map(str),
            "frame size [B]": frame_sizes(searched).map(size_shown).map(str),
            "repetition": searched["repetition"].map(str),
            "goal": searched["goal"],
            "lower bound [kpkt/s]": lower.map(lambda rate: "none: throughput 0" if pd.isna(rate) else f"{rate:.3f}"),
            "upper bound [kpkt/s]": upper.map(lambda rate: "none: line rate" if pd.isna(rate) else f"{rate:.3f}"),
            "width [%]": width.map(lambda percent: "" if pd.isna(percent) else f"{percent:.2f}"),
            "conditional throughput [kpkt/s]": searched["conditional_throughput_kpps"].map("{:.3f}".format),
            "trials": searched["search_trials"].map(str),
        }
    )
