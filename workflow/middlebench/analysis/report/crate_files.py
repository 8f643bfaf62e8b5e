"""Which files a crate holds, and what each is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from middlebench.analysis.report.citation import CFF, ZENODO, cff, zenodo
from middlebench.system.project import PROJECT

CITATIONS = {CFF: cff, ZENODO: zenodo}
"""How to cite the results, by the names of the files: there where the study names authors."""

INPUTS = "inputs"
"""Folder, within the results of a testbed, of copies of what the sweep was made from."""

WORKFLOW = "workflow/Snakefile"
"""The workflow itself, by its path in the project."""

CAPTIONS = PROJECT / "workflow" / "report"

FORMATS = {
    "cff": "application/yaml",
    "csv": "text/csv",
    "html": "text/html",
    "ipynb": "application/x-ipynb+json",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "smk": "text/plain",
    "Snakefile": "text/plain",
    "tex": "application/x-tex",
    "txt": "text/plain",
    "yaml": "application/yaml",
}
"""Media types by the ending of a file's name, or by the name of a file without one."""

WORDS = {
    "report/index.html": "The report: everything that was found, on one page that needs nothing but itself",
    "report/*.ipynb": "The notebook behind a part of the report, executed",
    "figures/*": "",
    "tables/*": "",
    "measurements.csv": "",
    "summary.csv": "",
    "law.json": "The law that the throughput follows: parameters, errors, knees and what predictions rest on",
    "provision.json": "What the testbed is, and what was chosen where its configuration leaves the choice",
    "environments/*.json": "The two computers and the versions of all that takes part",
    "deployments/n*.json": "What it took to deploy one chain from nothing",
    "controls/*.json": "A control: what the generator or the switch only can do",
    f"{INPUTS}/**/*": "A copy of what the sweep was made from",
}
"""What is in the folder beside the cells; without words, a file has the caption of the workflow's report."""


def is_ours(path: Path, folder: Path) -> bool:
    """Return whether a file is one that the workflow makes: no link, nothing hidden, of a kind that we write.

    What else lies among the results (an editor's backup, a spreadsheet's lock, notes) is left alone and left out.
    """
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not path.is_symlink() and not hidden and ending_of(path) in FORMATS


def ending_of(path: Path) -> str:
    """Return the key of a file in :data:`FORMATS`, as far as it has one."""
    return path.suffix.removeprefix(".") or path.name


def caption_of(stem: str) -> str:
    """Return the caption of a figure or table in the workflow's report: that of its first word for a comparison."""
    named = [CAPTIONS / f"{name}.rst" for name in (stem, stem.partition("_")[0])]
    found = [path.read_text(encoding="utf-8") for path in named if path.exists()]
    return " ".join(found[0].split()) if found else stem


def commit_of(project: Path) -> str:
    """Return the commit of a project's folder, with a mark if files differ from it.

    It is empty where the folder is not itself a repository's: neither that of an enclosing repository
    nor what the user's ``GIT_DIR`` names is ours.
    """
    if not (project / ".git").exists():
        return ""
    command = ["git", "-C", str(project), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
