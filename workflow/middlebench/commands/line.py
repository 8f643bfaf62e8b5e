"""What the command line says: one verb per rule, and verbs for use without Snakemake."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from middlebench.commands import gathering, lab, measuring, predicting, publishing, tending
from middlebench.system import surroundings
from middlebench.system.errors import MiddlebenchError
from middlebench.system.handover import TERMINAL
from middlebench.system.interrupts import heed_one_interrupt


def run(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, or the one of the error's kind."""
    surroundings.prepare()
    heed_one_interrupt()
    arguments = parser().parse_args(argv)
    try:
        arguments.verb(arguments)
    except MiddlebenchError as error:
        _complain(f"error: {error}")
        return error.exit_status
    except OSError as error:
        where = error.filename or "writing a file"
        _complain(f"error: {where}: {error.strerror}; correct that, and run the same command again")
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; finished cells are safe, run the same command again to go on")
        return 130
    return 0


def _complain(text: str) -> None:
    """Say why we end: on standard error, a job's log; where the disk is full, on the terminal of the run instead."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.write(int(os.environ.get(TERMINAL, "")), f"{text}\n".encode())


@functools.cache
def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    whole = argparse.ArgumentParser(
        prog="middlebench",
        description="Measure chains of virtual middleboxes. The whole study is `snakemake --cores 1 all`; "
        "these are its steps, one by one.",
    )
    whole.add_argument("--version", action="version", version=f"middlebench {version('middlebench')}")
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    for group in (measuring, gathering, publishing, predicting, tending, lab):
        group.add(verbs)
    return whole
