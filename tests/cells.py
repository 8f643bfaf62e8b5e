"""Cells on a testbed of this machine, as tests measure them: by the library, or by a process of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers import settings
from middlebench.config.study import Study
from middlebench.config.study_file import write_study
from middlebench.model import record_file
from middlebench.model.cell import Cell
from middlebench.model.provision import Provision
from middlebench.model.record import Record
from middlebench.switches.private_openvswitch import FOLDER
from middlebench.testbed import Testbed
from middlebench.trials.cell import measure

PACED = {"offered_load": 1.0}
"""1000 packets/s, which any machine carries without loss."""


def measure_cell(
    testbed: Testbed, n: int, frame_bytes: int = 800, tell: Callable[[str], None] = print, **changes: Any
) -> Record:
    """Measure a chain of n in a short trial, with some of its settings changed."""
    cell = Cell(testbed=testbed.name, n=n, frame_bytes=frame_bytes, repetition=1)
    return measure(testbed, cell, settings(**changes), tell)[0]


def on_server(testbed: Testbed, *argv: str) -> str:
    """Do something by hand on the middlebox server, and return what it said."""
    return testbed.hosts.middlebox_server.run(["env", f"OVS_RUNDIR={FOLDER}", *argv]).stdout


CELL = Cell(testbed="tests", n=1, frame_bytes=800)


def cell_command(folder: Path, testbed: Testbed, **changes: float) -> list[str]:
    """Return the command that measures a cell of chain(1), and writes its record into the results ``folder``."""
    found = Provision(
        testbed=testbed.name,
        description="",
        options=testbed.options.model_dump(mode="json"),
        components=testbed.components(),
        choices=(),
        environment="",
    )
    record_file.write(found, folder / testbed.name / "provision.json")
    trial = settings(**changes).model_dump(include={"window_s", "warm_up_s", "sample_interval_s"})
    study = Study(
        testbeds=(testbed.name,),
        chain_lengths=(1,),
        frame_sizes=(800,),
        trial="short",
        trials={"short": trial},
        controls="none",
    )
    write_study("a session", study, {testbed.name: testbed.options}, folder)
    return [sys.executable, "-m", "middlebench", "measure", str(folder / testbed.name / CELL.path)]
