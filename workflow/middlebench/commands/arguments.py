"""Arguments that several verbs take, and how verbs report progress."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from middlebench.config.study import Study
    from middlebench.config.study_file import Target

STUDY_FILE = Path("config/config.yaml")

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What verbs are added to."""


def tell(message: str) -> None:
    """Report progress to the user."""
    print(message, file=sys.stderr, flush=True)


def add_verb(verbs: Verbs, name: str, what: str) -> argparse.ArgumentParser:
    """Add a verb whose help, and whose line in the list of verbs, say what it does."""
    return verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")


def add_target(parser: argparse.ArgumentParser, help_: str, verb: Callable[[argparse.Namespace], None]) -> None:
    """Take the path of what a verb is to make, and the study that it belongs to."""
    parser.set_defaults(verb=verb)
    parser.add_argument("target", type=Path, metavar="PATH", help=help_)
    parser.add_argument(
        "--study",
        type=Path,
        metavar="FILE",
        help="the study as the last run checked it (default: study.json in the results folder that PATH lies in)",
    )


def target_of(arguments: argparse.Namespace) -> Target:
    """Return what the path on the command line stands for.

    Raises:
        ConfigError: it is no file of the study.
        RecordError: the study's file is damaged.
    """
    from middlebench.config import study_file

    return study_file.target_of(arguments.target, arguments.study)


def configured(testbed_folder: Path = Path("config/testbeds")) -> Study:
    """Return the study that the config asks for.

    Raises:
        ConfigError: something in it is impossible.
    """
    from middlebench.config.checks import check_study
    from middlebench.config.plain_yaml import read_yaml

    return check_study(read_yaml(STUDY_FILE), str(STUDY_FILE), testbed_folder)[0]


def add_testbed_folder(parser: argparse.ArgumentParser) -> None:
    """Take the folder of the testbeds."""
    parser.add_argument(
        "--testbed-folder",
        type=Path,
        default=Path(os.environ.get("MIDDLEBENCH_TESTBEDS", "config/testbeds")),
        metavar="FOLDER",
        help="where testbeds are composed (default: config/testbeds)",
    )
