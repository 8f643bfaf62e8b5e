"""The command line: where a Python stands ready for the jobs of this run, it does the work; else this one does.

Nothing else is imported before that is known: a job would wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from middlebench.system.handover import JOBS, hand_over


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, or the one of the error's kind."""
    if argv is None and JOBS in os.environ and (status := hand_over(os.environ[JOBS])) is not None:
        return status
    from middlebench.commands.line import run

    return run(argv)
