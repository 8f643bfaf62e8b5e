"""Testbeds stand wherever the project and the runtime folder lie."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from footprint import Footprint
from helpers import compose, settings
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.model.cell import Cell
from middlebench.testbed import site_of, stand_up
from middlebench.trials.cell import measure

ODD = "it's 100 % {odd}, é;\n$(x)"
"""What a shell, a format, a list and a locale each trip over."""


@pytest.fixture(params=["/run", "/tmp"])
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of a name that is legal and odd, below /run too, where the holder has a folder of its own."""
    if not os.access(request.param, os.W_OK):
        pytest.skip(f"{request.param} is closed to this user")
    folder = Path(tempfile.mkdtemp(prefix=f"middlebench {ODD}", dir=request.param))
    yield folder
    shutil.rmtree(folder)


def test_cell_is_measured_with_project_and_runtime_folder_at_an_odd_place(place, monkeypatch, unikernel):
    monkeypatch.setattr(qemu, "UNIKERNEL", Path(shutil.copy(unikernel, place)))
    monkeypatch.chdir(place)
    monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(place / "runtime"))
    footprint = Footprint(place / "runtime")
    options = compose(middlebox={"driver": "qemu", "accelerator": "tcg"})
    try:
        cell = Cell(testbed="odd", n=1, frame_bytes=800, repetition=1)
        measured, _ = measure(stand_up("odd", options), cell, settings(), print)
        assert measured.counts.received_packets > 0
        assert site_of("odd", options).close()
        footprint.demand_nothing_left()
    finally:
        footprint.kill_all()
