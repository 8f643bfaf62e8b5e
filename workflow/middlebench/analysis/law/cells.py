"""The cells that a law is fitted to, as arrays, and how they are drawn again for intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from middlebench.analysis.law.terms import Numbers
from middlebench.model.frames import FULL

Offered = tuple[tuple[int, float], ...]
"""Frame sizes in bytes, ascending, and the rate in kpkt/s that was offered at each; empty when unknown."""

LEAST_SCATTER = 1e-4
"""Repetitions that agree better than this say nothing of how well a cell is known."""


@dataclass(frozen=True)
class Spread:
    """How cells of one chain length scatter from repetition to repetition."""

    deviation: float
    """Standard deviation of the logarithm of one repetition's rate."""
    freedom: int
    """Degrees of freedom that it is known by."""
    repetitions: float
    """Of a cell, on average."""

    @property
    def of_mean(self) -> float:
        """Standard deviation of the logarithm of a cell's mean."""
        return self.deviation / sqrt(self.repetitions)


@dataclass(frozen=True)
class Cells:
    """Measured cells of one kind of chain, each by its mean over repetitions."""

    n: Numbers
    """Chain lengths, from 1."""
    size: Numbers
    """Frame sizes in bytes."""
    kpps: Numbers
    """Received rates in kpkt/s, none of them 0."""
    offered: Offered
    repetitions: tuple[Numbers, ...]
    """Each cell's received rates by repetition, in kpkt/s."""
    silent: tuple[tuple[int, int], ...] = ()
    """Cells (n, frame size) in which nothing was received: the logarithm knows no place for them."""

    @cached_property
    def log_us(self) -> Numbers:
        """The logarithm of the time per delivered frame in µs."""
        return np.log(1e3 / self.kpps)

    @cached_property
    def offered_us(self) -> Numbers:
        """The time per offered frame in µs; 0 where it is unknown."""
        return offered_us(self.offered, self.size)

    @property
    def chains(self) -> Numbers:
        """The distinct chain lengths."""
        return np.unique(self.n)

    @property
    def sizes(self) -> Numbers:
        """The distinct frame sizes."""
        return np.unique(self.size)

    def spreads(self) -> dict[int, Spread]:
        """Return how repetitions scatter by chain length, pooled over its cells: a cell alone has too few of them.

        Chains whose cells were measured once each are not in it.
        """
        found = {}
        for n in self.chains:
            logs = [np.log(values[values > 0]) for values in self.where(self.n == n).repetitions]
            several = [values for values in logs if len(values) > 1]
            if several:
                freedom = sum(len(values) - 1 for values in several)
                variance = sum(float(((values - values.mean()) ** 2).sum()) for values in several) / freedom
                count = float(np.mean([len(values) for values in several]))
                found[int(n)] = Spread(max(sqrt(variance), LEAST_SCATTER), freedom, count)
        return found

    def where(self, mask: NDArray[np.bool_]) -> Cells:
        """Return some of the cells."""
        return self._at(np.flatnonzero(mask))

    def drawn(self, generator: np.random.Generator) -> Cells:
        """Return as many cells drawn with replacement, each with repetitions drawn with replacement."""
        drawn = self._at(generator.integers(0, len(self.n), len(self.n)))
        if all(len(values) == 1 for values in drawn.repetitions):
            return drawn
        means = np.array(
            [values[generator.integers(0, len(values), len(values))].mean() for values in drawn.repetitions]
        )
        return replace(drawn, kpps=np.where(means > 0, means, drawn.kpps))

    def _at(self, places: NDArray[np.intp]) -> Cells:
        repetitions = tuple(self.repetitions[place] for place in places)
        return Cells(self.n[places], self.size[places], self.kpps[places], self.offered, repetitions)


def offered_us(offered: Offered, size: Numbers) -> Numbers:
    """Return the time per offered frame in µs at sizes in bytes, between known ones in proportion; else 0."""
    if not offered:
        return np.zeros_like(size)
    sizes, rates = zip(*offered, strict=True)
    return np.interp(size, sizes, 1e3 / np.asarray(rates), left=0.0, right=0.0)


def cells_of(measurements: pd.DataFrame, link_bps: float | None = None) -> Cells:
    """Return the cells of measurements of one kind of chain; the switch only (n = 0) is none of them.

    What was offered at a size is the median over chains: a longer chain may hold the sender up. It counts as unknown
    where it filled the link, which is then for the law to find, and where a throughput search chose it. ``link_bps`` is
    the line rate of the links in bits/s, if it is known.
    """
    chains = measurements[(measurements["n"] > 0) & measurements["received_kpps"].notna()]
    groups = chains.groupby(["n", "frame_bytes"])["received_kpps"]
    rates = {(int(str(n)), int(str(size))): values.to_numpy(dtype=float) for (n, size), values in groups}
    heard = {cell: values for cell, values in rates.items() if values.max() > 0}
    filled = FULL * link_bps / 1e6 if link_bps else np.inf
    free = chains[(chains["goal"] == "") & (chains["offered_kpps"] > 0) & (chains["offered_raw_mbps"] < filled)]
    return Cells(
        n=np.array([n for n, _ in heard], dtype=float),
        size=np.array([size for _, size in heard], dtype=float),
        kpps=np.array([values.mean() for values in heard.values()], dtype=float),
        offered=tuple(
            (int(str(size)), float(rate)) for size, rate in free.groupby("frame_bytes")["offered_kpps"].median().items()
        ),
        repetitions=tuple(heard.values()),
        silent=tuple(cell for cell in rates if cell not in heard),
    )
