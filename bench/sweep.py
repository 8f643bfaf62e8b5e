"""What a sweep takes beside its traffic: a small one of the local testbed, timed by the records that it leaves."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from figure import Figure
from middlebench.config.testbed import TestbedOptions
from middlebench.system.errors import MiddlebenchError

LENGTHS, SIZES = (1, 2, 4), (60, 200, 400, 600, 800, 1000, 1200, 1500)
WARM_UP_S, WINDOW_S = 1.0, 1.0
TARGET = 1.2
"""Seconds of the whole, a second of what it is for: a cell's traffic, removing one chain and deploying the next."""


def measure_sweep(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the period of cells over their traffic's time, and that of deployments over what deploying takes."""
    del options, rounds  # a run of the workflow chooses for itself, and has cells enough
    with tempfile.TemporaryDirectory(prefix="middlebench-sweep-") as folder:
        run_sweep(Path(folder), "local", SIZES)
        written = sorted(Path(folder).glob("local/[cd]*s/**/*.json"), key=lambda path: path.stat().st_mtime_ns)
        cells, deployments = [], []
        for before, path in itertools.pairwise(written):
            period = (path.stat().st_mtime_ns - before.stat().st_mtime_ns) / 1e9
            record = json.loads(path.read_bytes())
            if "cell" not in record:
                deployments.append(period / (record["removing_s"] + record["total_s"]))
            elif path.parts[-3] == before.parts[-3]:  # of the same chain
                cells.append(period / (WARM_UP_S + WINDOW_S))
        say(f"sweep: periods over traffic {_texts(cells)}; over deploying {_texts(deployments)}")
    return [
        Figure(f"period of {name}", statistics.median(ratios), TARGET, " ×", False, {"ratios": ratios})
        for name, ratios in (("cells over their traffic", cells), ("deployments over deploying", deployments))
    ]


def run_sweep(results: Path, testbed: str, sizes: Sequence[int]) -> None:
    """Run the workflow to the table of a testbed's measurements.

    Raises:
        MiddlebenchError: it failed.
    """
    config = {
        **{"testbeds": [testbed], "chain_lengths": LENGTHS, "frame_sizes": sizes, "controls": "none"},
        **{"trial": "bench", "trials": {"bench": {"warm_up_s": WARM_UP_S, "window_s": WINDOW_S}}},
        "results_folder": str(results),
    }
    words = [f"{key}={json.dumps(value)}" for key, value in config.items()]
    target = str(results / testbed / "measurements.csv")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--config", *words, "--", target],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise MiddlebenchError("running a sweep", done.stderr.strip()[-500:], "see what it says")


def _texts(ratios: list[float]) -> str:
    return " ".join(f"{ratio:.2f}" for ratio in ratios)
