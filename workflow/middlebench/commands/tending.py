"""Verbs beside the workflow: down, set-aside and schema."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import add_testbed_folder, tell
from middlebench.system.errors import MiddlebenchError

if TYPE_CHECKING:
    from middlebench.commands.arguments import Verbs

STUDY_FILE = Path("config/config.yaml")


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    down = verbs.add_parser("down", help="remove all that is ours from testbeds, whatever state they are in")
    down.add_argument("testbeds", nargs="*", metavar="TESTBED", help="(default: all that were used)")
    add_testbed_folder(down)
    down.set_defaults(verb=_down)

    aside = verbs.add_parser("set-aside", help="move cells that carry a flag, so that the next run measures them again")
    aside.add_argument("testbeds", nargs="*", metavar="TESTBED", help="(default: all that have a table)")
    aside.add_argument("--flag", default="drift", metavar="FLAG", help="(default: drift)")
    aside.add_argument("--results", type=Path, metavar="FOLDER", help="(default: the config's `results_folder`)")
    add_testbed_folder(aside)
    aside.set_defaults(verb=_set_aside)

    schema = verbs.add_parser("schema", help="write the config's JSON schema and its documentation")
    schema.add_argument(
        "--folder", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: .)"
    )
    schema.set_defaults(verb=_schema)


def _down(arguments: argparse.Namespace) -> None:
    from middlebench.config import study as config
    from middlebench.testbed import site_of

    names = arguments.testbeds or sorted(path.stem for path in arguments.testbed_folder.glob("*.yaml"))
    failures = []
    for name in names:
        try:
            site = site_of(name, config.load_testbed(name, arguments.testbed_folder))
            if not arguments.testbeds and not site.trial_lease.exists():
                tell(f"{name}: not used since this machine started (`middlebench down {name}` looks all the same)")
                continue
            removed = site.close()
        except MiddlebenchError as error:  # the others are taken down all the same
            failures.append(error)
            tell(f"{name}: {error}")
        else:
            tell(f"{name}: {'taken down' if removed else 'nothing of ours is there'}")
    if failures:
        raise failures[0]


def _set_aside(arguments: argparse.Namespace) -> None:
    from middlebench.config import study as config
    from middlebench.run.again import set_flagged_aside, testbeds_measured
    from middlebench.system.locks import lease
    from middlebench.testbed import site_of

    folder = arguments.testbed_folder
    results = arguments.results or _results_folder(folder)
    for name in arguments.testbeds or testbeds_measured(results):
        site = site_of(name, config.load_testbed(name, folder))
        with lease(site.run_lease, f"setting cells of {name} aside"):
            moved = set_flagged_aside(results / name, arguments.flag, tell)
        tell(f"{name}: {len(moved)} cells set aside; `snakemake --cores 1 -- all` measures them again")


def _results_folder(testbed_folder: Path) -> Path:
    """Return the folder of all results that the config names."""
    from middlebench.config import study as config

    study, _ = config.check_study(config.read_yaml(STUDY_FILE), str(STUDY_FILE), testbed_folder)
    return Path(study.results_folder)


def _schema(arguments: argparse.Namespace) -> None:
    from middlebench.config import documentation

    documentation.write(arguments.folder)
