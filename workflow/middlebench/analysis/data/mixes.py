"""Mixes of frame sizes in a table: what was offered, and what arrived, which may be of another mean size."""

from __future__ import annotations

import pandas as pd

from middlebench.analysis.data.summary import summarise
from middlebench.model.mix import size_label

SIDES, UNITS = ("offered", "received"), {"mbps": "Mb/s", "kpps": "kpkt/s"}


def table_of(mixes: pd.DataFrame) -> pd.DataFrame:
    """Return what became of each mix, a row for each chain length: means over repetitions, as text.

    Where small frames are lost more often than large ones, what arrives is larger on average than what was sent.
    """
    means = summarise(mixes)
    rates = {f"{side} [{unit}]": means[f"{side}_{key}"] for side in SIDES for key, unit in UNITS.items()}
    kpps = {side: means[f"{side}_kpps"].where(means[f"{side}_kpps"] > 0) for side in SIDES}
    sizes = {f"mean size {side} [B]": means[f"{side}_mbps"] * 1e3 / 8 / kpps[side] for side in SIDES}
    return pd.DataFrame(
        {
            "mix": means["frame_mix"].map(size_label),
            "n": means["n"].map(str),
            **{name: values.map("{:.2f}".format) for name, values in rates.items()},
            **{name: values.map(lambda size: "" if pd.isna(size) else f"{size:.1f}") for name, values in sizes.items()},
        }
    )
