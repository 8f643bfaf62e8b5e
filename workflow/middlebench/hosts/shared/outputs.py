"""What several commands print that only read: all of them in one go, for hosts on which each start takes long."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from middlebench import LABEL
from middlebench.hosts.base import Host

MARK = "\n---\n"


def outputs(host: Host, *commands: Sequence[str]) -> list[str]:
    """Return the standard output of each command, without blanks at its ends; they run one after the other.

    Raises:
        HostError: one failed; those after it did not run.
    """
    lines = [f"{shlex.join(argv)}; printf {shlex.quote(MARK)}" for argv in commands]
    script = "\n".join(("set -eu", "export LC_ALL=C", *lines))
    return [text.strip() for text in host.run(["sh", "-c", script, f"{LABEL}-read"]).stdout.split(MARK)[:-1]]
