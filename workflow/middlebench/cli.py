"""The command line: one verb a rule, and what is useful without Snakemake."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from middlebench.commands import gathering, measuring, predicting, publishing, tending
from middlebench.system import surroundings
from middlebench.system.errors import MiddlebenchError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, or the one of the error's kind."""
    surroundings.prepare()
    arguments = _parser().parse_args(argv)
    try:
        arguments.verb(arguments)
    except MiddlebenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(
            f"error: {error.filename or 'a file'}: {error.strerror}; run the same command again once that is mended",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted; finished cells are safe, run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="middlebench",
        description="Measure chains of virtual middleboxes. The whole study is `snakemake --cores 1 all`; "
        "these are its steps, one by one.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for group in (measuring, gathering, publishing, predicting, tending):
        group.add(verbs)
    return parser
