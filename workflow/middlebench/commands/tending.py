"""Verbs that no rule of the workflow calls: down, archive, release, repeat and schema."""

from __future__ import annotations

import argparse
from pathlib import Path

from middlebench.commands.arguments import Verbs, add_testbed_folder, add_verb, configured, tell
from middlebench.system.errors import MiddlebenchError
from middlebench.system.files import write_text
from middlebench.system.project import place_of

END_SECONDS = 10.0
"""How long a job has to end by itself before `down` kills it."""


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    down = add_verb(verbs, "down", "remove all that this program created on testbeds, whatever their state")
    down.add_argument("testbeds", nargs="*", metavar="TESTBED", help="(default: all that were used)")
    add_testbed_folder(down)
    down.set_defaults(verb=_down)

    archive = add_verb(verbs, "archive", "archive cells that carry a flag, so that the next run remeasures them")
    _add_measured(archive)
    archive.add_argument("--flag", default="drift", metavar="FLAG", help="(default: drift)")
    archive.set_defaults(verb=_archive)

    release = add_verb(verbs, "release", "end the quarantine of testbeds whose controls drifted")
    _add_measured(release, "all that are in one")
    release.set_defaults(verb=_release)

    repeat = add_verb(verbs, "repeat", "name the next repetition of the cells whose interval is widest")
    _add_measured(repeat)
    repeat.add_argument("--cells", type=_count, default=10, metavar="K", help="how many of each testbed (default: 10)")
    repeat.set_defaults(verb=_repeat)

    schema = add_verb(verbs, "schema", "write the config's JSON schema and its documentation")
    schema.add_argument(
        "--folder", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: .)"
    )
    schema.set_defaults(verb=_schema)


def _down(arguments: argparse.Namespace) -> None:
    from middlebench.config.testbed import load_testbed
    from middlebench.system.locks import lock_ended
    from middlebench.testbed import site_of

    names = arguments.testbeds or sorted(path.stem for path in place_of(arguments.testbed_folder).glob("*.yaml"))
    failures = []
    for name in names:
        try:
            options = load_testbed(name, arguments.testbed_folder)
            site = site_of(name, options)
            if not arguments.testbeds and not site.trial_lock.exists():
                tell(f"{name}: not used since this machine started (`middlebench down {name}` checks it nevertheless)")
                continue
            if other := site.occupied_by():
                if arguments.testbeds or other in names:
                    tell(f"{name}: nothing to remove ({other} stands there)")
                    continue
                site, name = site_of(other, options), other  # noqa: PLW2901  # a testbed whose file is gone
            with lock_ended(site.trial_lock, f"taking {name} down", wait_s=END_SECONDS, tell=tell):
                removed = site.close()
        except MiddlebenchError as error:  # the others are taken down all the same
            failures.append(error)
            tell(f"{name}: {error}")
        else:
            tell(f"{name}: {'taken down' if removed else 'nothing to remove'}")
    if failures:
        raise failures[0]


def _add_measured(parser: argparse.ArgumentParser, default: str = "all that have a table") -> None:
    """Take testbeds that have results."""
    parser.add_argument("testbeds", nargs="*", metavar="TESTBED", help=f"(default: {default})")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="(default: the config's `results_folder`)")
    add_testbed_folder(parser)


def _count(text: str) -> int:
    """Return a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of 1 or more is wanted, not {text!r}")
    return int(text)


def _archive(arguments: argparse.Namespace) -> None:
    from middlebench.config.testbed import load_testbed
    from middlebench.run.remeasure import archive_flagged
    from middlebench.system.locks import lock
    from middlebench.testbed import site_of

    for results in _measured(arguments):
        site = site_of(results.name, load_testbed(results.name, arguments.testbed_folder))
        with lock(site.run_lock, f"archiving cells of {results.name}"):
            moved = archive_flagged(results, arguments.flag, tell)
        tell(f"{results.name}: {len(moved)} cells archived; `snakemake --cores 1 -- all` measures them again")


def _release(arguments: argparse.Namespace) -> None:
    from middlebench.model.quarantine import FILE
    from middlebench.run.archive import archive

    results = arguments.results or Path(configured(arguments.testbed_folder).results_folder)
    for name in arguments.testbeds or sorted(path.parent.name for path in results.glob(f"*/{FILE}")):
        moved = archive(results / name / FILE, results / name)
        tell(f"{name}: {'released; the next run begins with controls' if moved else 'in no quarantine'}")


def _repeat(arguments: argparse.Namespace) -> None:
    from middlebench.run.remeasure import widest_cells

    for results in _measured(arguments):
        for cell in widest_cells(results, arguments.cells):
            print(results / cell.path)


def _measured(arguments: argparse.Namespace) -> list[Path]:
    """Return the results folders of the testbeds on the command line, or of all that have a table."""
    from middlebench.run.remeasure import testbeds_measured

    results = arguments.results or Path(configured(arguments.testbed_folder).results_folder)
    return [results / name for name in arguments.testbeds or testbeds_measured(results)]


def _schema(arguments: argparse.Namespace) -> None:
    from middlebench.config import documentation

    for path, text in documentation.files().items():
        write_text(arguments.folder / path, text)
