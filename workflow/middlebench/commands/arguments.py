"""Arguments that several verbs take, and how verbs say what they are at."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from middlebench.config.messages import complaints
from middlebench.config.study import Controls
from middlebench.model.options import Options
from middlebench.model.record import Place, Settings

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

NONE = "none"
"""Stands for JSON that is not given, where a rule always gives some."""


class Grid(Options):
    """The cells of a sweep, without extra repetitions."""

    chain_lengths: tuple[int, ...]
    frame_sizes: tuple[int, ...]
    repetitions: int


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


def add_provisioned(parser: argparse.ArgumentParser) -> None:
    """Take what is known of a testbed that was provisioned."""
    parser.add_argument("--provision", required=True, type=Path, metavar="FILE", help="the testbed's provision record")
    parser.add_argument(
        "--environment",
        type=Path,
        metavar="FILE",
        help="what the run saw of the environment when it began (default: that it is the provision record's still)",
    )


def add_settings(
    parser: argparse.ArgumentParser, help_: str = "how cells are measured", *, required: bool = True
) -> None:
    """Take how cells are measured."""
    parser.add_argument(
        "--settings",
        type=_reader_of(Settings),
        required=required,
        metavar="JSON",
        help=f'{help_}, such as {{"window_s": 1, "warm_up_s": 1, "sample_s": 1, "offered_load": "maximum"}}',
    )


def add_controls(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Take when and with what the instrument is measured."""
    parser.add_argument(
        "--controls",
        type=_reader_of(Controls),
        required=required,
        metavar="JSON",
        help='when and with which frames the instrument is measured, such as {"every": 48, "frame_sizes": [60]}; '
        "the records lie beside the provision record, in the folder `controls`",
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """Take a cell's place in the order of the run."""
    parser.add_argument(
        "--place",
        type=_reader_of(Place),
        metavar="JSON",
        help='in the order of the run, such as {"seed": 1, "block": 1, "position": 17}',
    )


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Take the grid of the sweep."""
    parser.add_argument(
        "--grid",
        type=_reader_of(Grid),
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


def _reader_of(model: type[BaseModel]) -> Callable[[str], BaseModel | None]:
    """Return what reads such values from JSON; a mistake in them is one of the command line."""

    def read(text: str) -> BaseModel | None:
        if text == NONE:
            return None
        try:
            values = json.loads(text)
            return model.model_validate(values)
        except json.JSONDecodeError as error:
            raise argparse.ArgumentTypeError(f"this is no JSON ({error}): {text}") from error
        except ValidationError as error:
            said = complaints(model, values, error) if isinstance(values, dict) else ["keys and values are wanted"]
            raise argparse.ArgumentTypeError("; ".join(said)) from error

    return read
