"""Another workflow uses this one as a module: from a local path, or a git URL, from which single files come."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT
from projects import planned

SNAKEFILE = """
onstart:
    print("a handler of their own")

module middlebench:
    snakefile: {snakefile!r}
    config: config["chains"]

use rule * from middlebench exclude all

rule everything:
    default_target: True
    input: "chains/local/ro-crate-metadata.json", "chains/maksic/report/index.html"
"""
CONFIG = """
chains: {testbeds: [local], chain_lengths: [1, 2], frame_sizes: [60, 800], trial: quick, results_folder: chains,
         trials: {quick: {window_s: 1, warm_up_s: 1}}}
"""


def git_url(folder: Path) -> str:
    """Return the URL of the rules in a repository that holds what Snakemake fetches, and nothing else."""
    for name in ("workflow/Snakefile", "workflow/rules", "workflow/report", "envs"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(PROJECT / name, folder / name)
    me = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
    for argv in (("init", "--quiet"), ("add", "."), (*me, "commit", "--quiet", "--message", "rules"), ("tag", "v1")):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return f"git+file://{folder}/workflow/Snakefile@v1"


@pytest.fixture
def run(tmp_path):
    """Return what runs Snakemake in a folder that has a Snakefile and a config of its own, and nothing of ours."""
    folder = tmp_path / "my workflow"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)

    def run(snakefile: str, *argv: str) -> str:
        (folder / "Snakefile").write_text(SNAKEFILE.format(snakefile=snakefile))
        command = ["-m", "snakemake", "--cores", "2", "--configfile", "config.yaml", *argv]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=os.environ
            | {
                "PYTHONPATH": str(PROJECT / "workflow"),
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
                "MIDDLEBENCH_RUNTIME": str(tmp_path / "runtime"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_module_of_a_local_path_plans_the_whole_sweep(run):
    jobs = planned(run(str(PROJECT / "workflow" / "Snakefile"), "--dry-run"))
    assert {rule: jobs[rule] for rule in ("measure", "deploy", "close", "build_image", "crate", "report")} == {
        **{"measure": 4, "deploy": 2, "close": 1, "build_image": 1, "crate": 1, "report": 2}
    }


def test_module_of_a_git_url_builds_the_image_and_a_table_of_a_publication(run, tmp_path):
    table, image = "chains/maksic/tables/table1.csv", "build/unikernel/unikernel.elf"
    said = run(git_url(tmp_path / "repository"), "--", table, image)
    assert "a handler of their own" in said
    folder = tmp_path / "my workflow"
    assert (folder / image).stat().st_size == 65536
    assert len((folder / table).read_text().splitlines()) == 1 + 16
    assert (folder / "chains" / "study.json").exists()
