"""Runs on one testbed over time: where the level of what it delivers changes, and what changed with it.

Every cell is taken relative to its own mean over the runs, so that cells of all sizes speak for a run together. Runs
are put into groups of one level each by the minimum message length (FD.io CSIT's ``jumpavg``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jumpavg
import numpy as np
import pandas as pd

from middlebench.model.environment import Environment, differences

LEAST_CHANGE = 0.05
"""Relative change of a level that a reader is told: smaller ones come and go with the machine's other work."""


@dataclass(frozen=True)
class LevelChange:
    """From one run to the next, chains of one length deliver more or less."""

    n: int
    before: Any
    """The last run at the old level, as :func:`runs_of` returns it."""
    after: Any
    """The first one at the new."""
    factor: float
    """The new level over the old one."""


def runs_of(measurements: pd.DataFrame, n: int) -> list[Any]:
    """Return the runs that measured chains of a length, the oldest first, with cells that several measured.

    Returns:
        Tuples of the names session; began (when its first cell of this length was measured, ISO 8601, UTC); environment
        (id of that of its first cell); and levels (rate of each cell over its geometric mean over the runs).
    """
    known = measurements[(measurements["n"] == n) & (measurements["received_kpps"] > 0)]
    cells = known.assign(log_rate=np.log(known["received_kpps"]), run=known["session"] + known["environment"])
    means = cells.groupby(["frame_bytes", "run"])["log_rate"].mean().unstack("run")
    shared = means[means.notna().sum(axis=1) > 1].mean(axis=1)
    cells = cells[cells["frame_bytes"].isin(shared.index)]
    runs = cells.assign(level=np.exp(cells["log_rate"] - cells["frame_bytes"].map(shared))).groupby("run")
    table = runs.agg(
        session=("session", "first"),
        began=("started_at", "min"),
        environment=("environment", "first"),
        levels=("level", list),
    )
    return list(table.sort_values("began", kind="stable").itertuples(index=False))


def level_changes(measurements: pd.DataFrame, least: float = LEAST_CHANGE) -> list[LevelChange]:
    """Return where the level of a chain length changes from one run to the next by at least so much, in order of time.

    The measurements are of one testbed, by one procedure, from all of its runs.
    """
    found = []
    for n in sorted({int(n) for n in measurements["n"]}):
        runs = runs_of(measurements, n)
        groups = _groups(runs)
        for (old, last), (new, _) in pairwise(groups):
            factor = new / old
            if abs(factor - 1) >= least:
                found.append(LevelChange(n, runs[last], runs[last + 1], factor))
    return sorted(found, key=lambda change: (change.after.began, change.n))


def _groups(runs: Sequence[Any]) -> list[tuple[float, int]]:
    """Return the level of each group of runs, and the place of its last run."""
    if not runs:
        return []
    classified: Any = jumpavg.classify([run.levels for run in runs])
    groups, last = [], -1
    for group in classified:
        last += len(group.run_list)
        groups.append((float(group.stats.avg), last))
    return groups


def describe(change: LevelChange, environments: Mapping[str, Environment]) -> str:
    """Return a change of level in a sentence, with what changed in the environment at that point."""
    moved = f"n = {change.n}: {change.factor - 1:+.0%} from {change.after.began} on".replace("%", " %")
    then, now = (environments.get(run.environment) for run in (change.before, change.after))
    if change.before.environment == change.after.environment:
        why = "the environment is the same"
    elif then is None or now is None:
        why = "the environment is another one, and not described here"
    else:
        why = "; ".join(differences(then, now)) or "the environment is the same"
    return f"{moved} (before: {change.before.began}): {why}"
