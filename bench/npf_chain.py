"""What a sweep takes beside its traffic, against NPF on the same cells, in turns; a section of docs/performance.md.

NPF (Network Performance Framework, T. Barbette; `envs/npf.lock`) runs the script ``chain.npf`` beside this file, in
namespaces of its own, and all roles of it on this machine: a chain is set up for its first cell, and floods as long as
ours count.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from figure import Figure
from isolated import run_isolated
from middlebench.config.testbed import TestbedOptions
from middlebench.system.errors import MiddlebenchError
from page import write_section
from sweep import LENGTHS, WARM_UP_S, WINDOW_S, run_sweep

TESTBED = "netns"
SIZES = (60, 400, 800, 1500)
CELLS = len(LENGTHS) * len(SIZES)
TRAFFIC_S = WARM_UP_S + WINDOW_S
MOST_ROUNDS = 3
"""Each takes a minute and a half."""
TARGET = 1.2
"""Our seconds from cell to cell, a second of NPF's."""
SCRIPT = Path(__file__).with_name("chain.npf")
NPF = Path("build/npf/bin/npf")
NPF_SECONDS = 600.0
LEAST_PACKETS = 100
"""Of a cell of NPF's: with fewer, what the chain carried was no flood."""
OWN_RUN = 'mount -t tmpfs none /run && exec "$@"'
"""Named network namespaces are files in /run/netns (ip-netns(8))."""


def measure_npf(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return our time from cell to cell as a multiple of NPF's, and write the section."""
    del options  # the testbed chooses for itself
    periods: dict[str, list[float]] = {"NPF": [], TESTBED: []}
    wholes: dict[str, list[float]] = {"NPF": [], TESTBED: []}
    for number in range(min(rounds, MOST_ROUNDS)):
        for name, run in (("NPF", _npf), (TESTBED, _ours)):
            with tempfile.TemporaryDirectory(prefix="middlebench-npf-") as folder:
                begin = time.monotonic()
                ended = run(Path(folder))
                wholes[name].append(time.monotonic() - begin)
            if len(ended) != CELLS:
                raise MiddlebenchError(f"measuring {name}", f"{len(ended)} of {CELLS} cells were measured")
            periods[name].append((max(ended) - min(ended)) / (CELLS - 1))
            say(f"npf, round {number + 1}: {name}: {periods[name][-1]:.2f} s a cell, {wholes[name][-1]:.1f} s in all")
    write_section("Time beside the traffic", section(periods, wholes))
    ratio = statistics.median(ours / theirs for theirs, ours in zip(*periods.values(), strict=True))
    values = {"s from cell to cell": periods, "s in all": wholes}
    return [Figure(f"time a cell of {TESTBED} against NPF's", ratio, TARGET, " ×", False, values)]


def section(periods: Mapping[str, Sequence[float]], wholes: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the lines of the page's section."""
    middle = {name: (statistics.median(found), statistics.median(wholes[name])) for name, found in periods.items()}
    lengths = ", ".join(map(str, LENGTHS))
    return [
        f"A sweep of {CELLS} cells, n = {lengths}, with {TRAFFIC_S:g} s of traffic each (medians of the rounds).",
        "From cell to cell: from the end of the first to the end of the last, and so with the chains that are set up",
        "between them. In all: from the command's start to its end.",
        "",
        "| | from cell to cell | over the traffic | in all |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {one:.2f} s | {one / TRAFFIC_S:.2f} × | {whole:.0f} s |"
            for name, (one, whole) in middle.items()
        ),
        "",
        "NPF floods a chain of namespaces with Linux bridges, without a switch, and reads the receiver's counter.",
        f"Ours, `{TESTBED}`, joins them by Open vSwitch, whose ports it first chooses by measuring; for each cell",
        "frames are proven to pass every hop, before and after, and every port is counted.",
    ]


def _ours(folder: Path) -> list[float]:
    """Return when each cell's record was written."""
    run_sweep(folder, TESTBED, SIZES)
    return [path.stat().st_mtime for path in folder.glob(f"{TESTBED}/cells/**/*.json")]


def _npf(folder: Path) -> list[float]:
    """Return when each cell's script ended."""
    table = folder / "cells.csv"
    values = {"N": LENGTHS, "BYTES": SIZES, "WARM_UP": (WARM_UP_S,), "WINDOW": (WINDOW_S,)}
    variables = [f"{name}={{{','.join(map(str, each))}}}" for name, each in values.items()]
    command = [str(NPF.absolute()), "local", "--test", str(SCRIPT.absolute()), "--no-graph", "--csv", str(table)]
    said = run_isolated(
        "measuring NPF", ["sh", "-c", OWN_RUN, "sh", *command, "--variables", *variables], NPF_SECONDS, folder
    )
    if not table.exists():
        raise MiddlebenchError("measuring NPF", f"it wrote no table: {said[-500:]}", "see what it says")
    cells = pd.read_csv(table)
    return list(cells["y_ENDED"][cells["y_PACKETS"] >= LEAST_PACKETS])
