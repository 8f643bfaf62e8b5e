"""Ctrl-C at a terminal goes to Snakemake and its jobs at once, as often as it is pressed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from helpers import eventually
from middlebench.system.locks import holder_of
from middlebench.system.processes import ancestors
from projects import MEASUREMENTS, copy_of_the_project, live

LONG = {"trials": {"short": {"window_s": 60, "warm_up_s": 0.1, "sample_interval_s": 1}}}


def interrupt(process: subprocess.Popen[str], times: int) -> str:
    """Send the signal to all that runs at the terminal of a process; return what that had said when it ended."""
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)  # as fast as a finger
    return process.communicate()[0]


def test_impatient_interrupts_end_what_runs_without_a_traceback(tmp_path: Path):
    with live(copy_of_the_project(tmp_path / "project")) as project:
        project.configure(**LONG)
        with project.start("--", MEASUREMENTS, session=True) as process:
            logs = project.results / "logs"
            try:
                eventually(
                    lambda: [*logs.glob("measure/**/*.log")] and project.footprint.named("trafgen"), "traffic runs", 120
                )
                job = holder_of(project.runtime / "trial.lock")["pid"]
                standing = Path(f"/proc/{ancestors(job)[0]}/cmdline").read_text("utf-8").split("\0")
                said = interrupt(process, times=5)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        assert "middlebench.commands.standing" in standing, "the job has a Python that stood ready"
        assert process.returncode != 0
        assert project.footprint.named("trafgen") == []
        texts = [said, *(path.read_text(encoding="utf-8") for path in logs.rglob("*.log"))]
        assert [text for text in texts if "Traceback" in text] == []
        assert "finished cells are safe" in said


def test_interrupt_while_the_rules_are_read_is_no_traceback(tmp_path: Path):
    project = copy_of_the_project(tmp_path / "project")
    with (project.folder / "Snakefile").open("a", encoding="utf-8") as file:
        file.write("print('rules are read', flush=True)\nimport time\ntime.sleep(60)\n")
    with project.start("--", MEASUREMENTS, session=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "rules are read" in line)
        said = interrupt(process, times=1)
    assert process.returncode == 130
    assert "Traceback" not in said
