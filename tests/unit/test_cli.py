import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT
from middlebench.cli import TERMINAL

FULL = Path("/dev/full")
"""A device on which every write ends as on a full disk."""


def pack(folder: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a verb that fails, since the folder is no crate."""
    command = [sys.executable, "-m", "middlebench", "pack", "--folder", str(folder), "--output", str(folder / "x.zip")]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow"), TERMINAL: "1"}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, **options)


def test_reason_of_a_failure_goes_to_the_log_alone(tmp_path):
    done = pack(tmp_path, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (9, b"")
    assert str(tmp_path) in done.stderr.decode()


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_reason_of_a_failure_reaches_the_terminal_where_the_log_cannot_be_written(tmp_path):
    with FULL.open("wb") as log:
        done = pack(tmp_path, stderr=log)
    assert done.returncode == 9
    assert str(tmp_path) in done.stdout.decode()
