"""Nothing of the user's profile gets into what is published: the same bytes with a hostile one as with none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers import PROJECT
from middlebench.analysis.report.crate_files import commit_of
from middlebench.config.checks import check_study
from middlebench.config.plain_yaml import read_yaml
from middlebench.config.study_file import write_study
from sweeps import write_results

NOTEBOOKS, MADE = ("figures", "tables"), ("figures/*.*", "tables/*.*", "report/*.ipynb")
"""Notebooks, and what they make: themselves too, with their results."""


EXECUTE = """
import sys
from middlebench.cli import main
sys.exit(max(main(["execute", target]) for target in sys.argv[1:]))
"""
"""As the rules do, but by one process: most of its time it would import the same again."""


def publish(results: Path, environment: Mapping[str, str], umask: int = 0o022) -> dict[str, bytes]:
    """Execute notebooks and return the files that they made, without the path that they lie under."""
    write_results(results)
    study, _ = check_study(read_yaml(PROJECT / "config/config.yaml"), "config/config.yaml")
    write_study("a session", study, {}, results)
    (results / "made/report").mkdir(exist_ok=True)  # by Snakemake else
    targets = [str(results / f"made/report/{notebook}.ipynb") for notebook in NOTEBOOKS]
    command = [sys.executable, "-c", EXECUTE, *targets]
    subprocess.run(command, cwd=PROJECT, env=environment, umask=umask, check=True, capture_output=True)
    made = [path for pattern in MADE for path in (results / "made").glob(pattern)]
    return {path.name: path.read_bytes().replace(os.fsencode(results), b"") for path in made}


def hostile_profile(home: Path) -> dict[str, str]:
    """Write settings that would change every figure, or end every notebook; return the environment that has them."""
    files = {
        ".config/matplotlib/matplotlibrc": "text.usetex: True\nfont.size: 31\nfigure.facecolor: black\n"
        "lines.linewidth: 9\naxes.prop_cycle: cycler(color=['r'])\nsavefig.bbox: tight\npath.sketch: 3, 100, 2\n",
        ".ipython/profile_default/startup/00.py": "raise SystemExit('a start-up file of the user')",
        ".ipython/profile_default/ipython_config.py": "c.InteractiveShellApp.exec_lines = ['import matplotlib', "
        "'matplotlib.rcParams.update({\"font.size\": 31})', 'show = None']",
        "startup.py": "raise SystemExit('a start-up file of the user')",
        "kernels/kernels/python3/kernel.json": '{"argv": ["false"], "display_name": "broken", "language": "python"}',
        "kernels/kernels/middlebench/kernel.json": '{"argv": ["false"], "display_name": "x", "language": "python"}',
        ".local/share/jupyter/kernels/python3/kernel.json": '{"argv": ["false"], "display_name": "x"}',
        ".jupyter/jupyter_config.json": '{"KernelSpecManager": {"allowed_kernelspecs": ["none"]}}',
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "JUPYTER_PATH": str(home / "kernels"),
        "PYTHONSTARTUP": str(home / "startup.py"),
        "MPLBACKEND": "module://nowhere",
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "TZ": "Asia/Kolkata",
        "GIT_DIR": str(home),
        "COLUMNS": "20",
    }


def test_tables_figures_and_notebooks_are_the_same_bytes_with_any_profile(tmp_path):
    path = {"PYTHONPATH": str(PROJECT / "workflow")}
    plain = publish(tmp_path / "plain", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | path)
    hostile = publish(tmp_path / "hostile", hostile_profile(tmp_path / "home") | path, umask=0o077)
    assert len(plain) > 30
    assert {name for name in plain if hostile.get(name) != plain[name]} == set()
    assert not list((tmp_path / "home" / ".ipython").rglob("history.sqlite")), "it was written to the user's home"


def git(*argv: str) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    subprocess.run(["git", *argv], env=os.environ | identity, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    git("init", str(folder))
    git("-C", str(folder), "commit", "--allow-empty", "--message", "first")
    return folder


def test_commit_is_that_of_the_projects_own_repository_only(repository, tmp_path, monkeypatch):
    assert len(commit_of(repository)) == 40
    (repository / "unpacked").mkdir()
    assert commit_of(repository / "unpacked") == ""
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert commit_of(tmp_path) == ""
    git("init", str(tmp_path / "other"))
    assert commit_of(tmp_path / "other") == ""
