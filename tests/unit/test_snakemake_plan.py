"""All that we ask of Snakemake beside its documented interface, asked of the installed one on a small workflow."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from middlebench.run.jobs import Job
from middlebench.run.snakemake_plan import WRITTEN_FOR

SNAKEFILE = """
import dataclasses, json, threading
from pathlib import Path
from middlebench.run.snakemake_plan import (
    is_main, limit_resource, outputs_to_come, planned_jobs, runs_jobs_here, start_jobs_at_once, tells_plan
)
from snakemake.logging import logger

limit_resource(workflow, "bench", 1)
if is_main(workflow) and runs_jobs_here(workflow):
    with Path("mains").open("a") as mains:
        mains.write("one\\n")

def note(record):
    if tells_plan(record):
        jobs = [dataclasses.asdict(job) for job in planned_jobs(workflow)]
        Path("plan.json").write_text(json.dumps({"jobs": jobs, "to_come": sorted(outputs_to_come(workflow))}))
    return True

logger.addFilter(note)

onstart:
    start_jobs_at_once(workflow)

onsuccess:
    timers = [each.name for each in threading.enumerate() if isinstance(each, threading.Timer)]
    Path("timers").write_text(" ".join(timers))

rule all:
    input: "end/1.txt", "end/2.txt", "with_word.txt", "forced.txt"

rule begin:
    input: "source.txt"
    output: "begin.txt"
    shell: "sleep 0.1; touch {output}"

# Two at once would meet in the folder.
rule end:
    input: "begin.txt"
    output: "end/{number}.txt"
    priority: lambda wildcards: 10 * int(wildcards.number)
    resources: bench=1
    shell: "mkdir busy && sleep 0.2 && rmdir busy && touch {output}"

rule with_word:
    output: "with_word.txt"
    params: word=config["word"]
    shell: "touch {output}"

rule forced:
    output: "forced.txt"
    shell: "touch {output}"
"""


def plan_of(folder, word, *argv):
    """Run the workflow; return the jobs that were planned by their first output, and what was to come."""
    (folder / "plan.json").unlink(missing_ok=True)
    command = ["-m", "snakemake", "--cores", "2", "--config", f"word={word}", *argv]
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"Snakemake {version('snakemake')}; written for {WRITTEN_FOR}:\n{done.stderr}"
    found = json.loads((folder / "plan.json").read_text())
    jobs = [Job(**each) for each in found["jobs"]]
    return {job.outputs[0]: job for job in jobs if job.outputs}, found["to_come"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "source.txt").touch()
    return tmp_path


def test_plan_of_the_installed_snakemake_is_read_with_its_reasons(folder):
    jobs, to_come = plan_of(folder, "one")
    assert to_come == ["begin.txt", "end/1.txt", "end/2.txt", "forced.txt", "with_word.txt"]
    assert {path: (job.rule, job.runs, job.wildcards) for path, job in jobs.items()} == {
        "begin.txt": ("begin", True, {}),
        "end/1.txt": ("end", True, {"number": "1"}),
        "end/2.txt": ("end", True, {"number": "2"}),
        "forced.txt": ("forced", True, {}),
        "with_word.txt": ("with_word", True, {}),
    }
    assert jobs["end/2.txt"].priority == 20
    assert jobs["begin.txt"].seconds is None

    jobs, to_come = plan_of(folder, "one")
    assert to_come == []
    assert not any(job.runs for job in jobs.values())
    assert jobs["begin.txt"].seconds > 0

    (folder / "source.txt").write_text("changed")
    jobs, _ = plan_of(folder, "two", "--forcerun", "forced")
    with_word = jobs["with_word.txt"]
    assert (list(with_word.params_before), list(with_word.params_now)) == (["'one'"], ["'two'"])
    assert list(jobs["begin.txt"].newer) == ["source.txt"]
    assert list(jobs["end/1.txt"].renewed) == ["begin.txt"]
    assert [path for path, job in jobs.items() if job.forced] == ["forced.txt"]

    assert (folder / "mains").read_text() == "one\n" * 3
    assert (folder / "timers").read_text() == "", "nothing has Snakemake look for jobs by the second"
