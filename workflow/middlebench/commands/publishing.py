"""Verbs that come after the table: execute, report, crate, pack, publish and reproduce."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from middlebench.commands.arguments import STUDY_FILE, Verbs, add_target, add_verb, configured, target_of, tell
from middlebench.system.errors import ConfigError, RecordError
from middlebench.system.project import place_of


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    execute = add_verb(verbs, "execute", "execute a notebook, with nothing of the user's Jupyter")
    add_target(execute, "the executed notebook to write, such as results/local/report/figures.ipynb", _execute)
    for option, kind in (("--parameter", "text"), ("--number", "number")):
        execute.add_argument(
            option,
            action="append",
            nargs=2,
            default=[],
            metavar=("NAME", "VALUE"),
            help=f"a {kind} in place of one in its cell tagged `parameters`; may be given several times",
        )

    report = add_verb(verbs, "report", "render executed notebooks as one self-contained page")
    add_target(report, "the page to write, such as results/local/report/index.html", _report)
    report.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="executed notebooks, in order")

    crate = add_verb(verbs, "crate", "describe the results of a testbed as an RO-Crate")
    add_target(crate, "the description to write, such as results/local/ro-crate-metadata.json", _crate)
    crate.add_argument(
        "inputs", nargs="*", type=Path, metavar="FILE", help="what the results were made from, to be copied to them"
    )

    pack = add_verb(verbs, "pack", "write an RO-Crate as one file")
    pack.add_argument("--folder", required=True, type=Path, metavar="FOLDER", help="the crate")
    pack.add_argument("--output", required=True, type=Path, metavar="FILE", help="the zip file to write")
    pack.set_defaults(verb=_pack)

    publish = add_verb(verbs, "publish", "pack the results of each testbed as an archive such as Zenodo takes them")
    publish.set_defaults(verb=_publish)

    reproduce = add_verb(verbs, "reproduce", "make all tables and figures of packed results anew, and compare them")
    reproduce.add_argument("archive", type=Path, metavar="ARCHIVE", help="packed results, such as results/local.zip")
    reproduce.add_argument(
        "--results",
        type=Path,
        default=Path("results-reproduced"),
        metavar="FOLDER",
        help="the results folder to make them in (default: results-reproduced)",
    )
    reproduce.set_defaults(verb=_reproduce)


def _execute(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.report.execution import execute

    target = target_of(arguments)
    notebook = place_of(Path("notebooks", target.path.stem.partition("_")[0]).with_suffix(".ipynb"))
    place = {"dataset": target.testbed, "results": str(target.folder.parent)}
    numbers = {name: float(value) for name, value in arguments.number}
    execute(notebook, target.path, {**place, **dict(arguments.parameter), **numbers})


def _report(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.data.dataset import load_dataset
    from middlebench.analysis.report.page import render_report

    target = target_of(arguments)
    render_report(load_dataset(target.testbed, target.folder.parent), arguments.notebooks, target.path)


def _crate(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.data.dataset import load_dataset
    from middlebench.analysis.report.crate import write_crate

    target = target_of(arguments)
    dataset = load_dataset(target.testbed, target.folder.parent)
    write_crate(dataset, target.folder, arguments.inputs, target.file.study)


def _pack(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.report.crate import pack

    pack(arguments.folder, arguments.output)


def _publish(_: argparse.Namespace) -> None:
    doing, study = "publishing the results", configured()
    if missing := [key for key in ("licence", "authors") if not getattr(study, key)]:
        raise ConfigError(
            doing,
            f"{STUDY_FILE} does not say their {' and '.join(missing)}",
            "set these keys; config/README.md explains them",
        )
    archives = [Path(study.results_folder, f"{name}.zip") for name in study.testbeds]
    # Of a copy Snakemake does not know by which licence and authors it was described.
    _snakemake(doing, "--forcerun", "crate", "--", *map(str, archives))
    for archive in archives:
        size = archive.stat().st_size / 1e6
        tell(f"{archive}: {size:.1f} MB, SHA-256 {hashlib.sha256(archive.read_bytes()).hexdigest()}")
    tell("Upload it as it is; `.zenodo.json` in it has what the archive's form asks for.")


def _snakemake(doing: str, *argv: str) -> None:
    """Run Snakemake to its end.

    Raises:
        RecordError: it failed.
    """
    command = (sys.executable, "-m", "snakemake", "--cores", "1", *argv)
    if status := subprocess.run(command, check=False).returncode:
        raise RecordError(doing, f"Snakemake ended with exit status {status}", "what it says above")


def _reproduce(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.report.crate import METADATA
    from middlebench.analysis.report.crate_files import INPUTS
    from middlebench.analysis.report.reproduction import differing, unpack

    folder = unpack(arguments.archive, arguments.results)
    config = (f"results_folder={arguments.results}", f"testbeds=[{folder.name}]", "compare_with=[]")
    study, page = folder / INPUTS / "study.json", folder / "report" / "index.html"
    doing = f"reproducing {arguments.archive}"
    _snakemake(doing, "--configfile", str(study), "--config", *config, "--", str(page))
    compared, other = differing(arguments.archive, folder)
    if other:
        raise RecordError(
            doing,
            f"{len(other)} of {compared} tables and figures are not the same bytes: {', '.join(other)}",
            f"the versions that made them, which {METADATA} in the archive names",
        )
    tell(f"all {compared} tables and figures are the same, byte for byte")
