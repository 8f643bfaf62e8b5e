"""Arguments that several verbs take, and how verbs say what they are at."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

NONE = "none"
"""Stands for a value that is not given, where a rule always gives one."""


def tell(message: str) -> None:
    """Say how the work goes on."""
    print(message, file=sys.stderr, flush=True)


def add_testbed_folder(parser: argparse.ArgumentParser) -> None:
    """Take the folder of the testbeds."""
    parser.add_argument(
        "--testbed-folder",
        type=Path,
        default=Path(os.environ.get("MIDDLEBENCH_TESTBEDS", "config/testbeds")),
        metavar="FOLDER",
        help="where testbeds are composed (default: config/testbeds)",
    )


def add_provision_record(parser: argparse.ArgumentParser) -> None:
    """Take the provision record."""
    parser.add_argument("--provision", required=True, type=Path, metavar="FILE", help="the testbed's provision record")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Take how cells are measured."""
    parser.add_argument(
        "--settings",
        required=True,
        metavar="JSON",
        help='such as {"window_s": 1, "warm_up_s": 1, "sample_s": 1, "offered_load": "maximum"}',
    )


def add_controls(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Take when and with what the instrument is measured."""
    parser.add_argument(
        "--controls",
        required=required,
        default=NONE,
        metavar="JSON",
        help='when and with which frames the instrument is measured, such as {"every": 48, "frame_sizes": [60]}; '
        "the records lie beside the provision record, in the folder `controls`",
    )


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Take what the run saw of the environment."""
    parser.add_argument(
        "--environment",
        type=Path,
        metavar="FILE",
        help="what the run saw of the environment when it began (default: that it is the provision record's still)",
    )


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Take the grid of the sweep."""
    parser.add_argument(
        "--grid",
        required=True,
        metavar="JSON",
        help='such as {"chain_lengths": [1, 2], "frame_sizes": [60], "repetitions": 1}',
    )


def add_chain_length(parser: argparse.ArgumentParser) -> None:
    """Take a chain length."""
    parser.add_argument(
        "--chain-length", required=True, type=int, metavar="N", help="number of middleboxes; 0: a bridge alone"
    )


def add_output(parser: argparse.ArgumentParser, help_: str) -> None:
    """Take the file to write."""
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help=help_)
