"""The few lines of shell that stand between sshd and every command that we run on a host.

sshd leaves a command running when its connection goes. So each command gets a guard: the SSH channel's
standard input stays open as long as we want the command, and when it ends (we closed it, we were
killed, the connection broke, sshd ended) the guard ends the command's whole process group. Should
even that news not arrive, ``timeout`` ends the group when the command's time is over.

The remote side needs a POSIX shell and coreutils (``timeout``, ``head``, ``sleep``), nothing else.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from middlebench import LABEL
from middlebench.system.surroundings import ADMINISTRATION

CLEAN_UP_SECONDS = 5
"""How long a command may take to clean up once its standard input, which was kept open, ends."""
MARGIN_SECONDS = 2
"""How much later than we ourselves ``timeout`` gives up."""
NO_PROGRAM = 127
"""Exit status of a shell that did not find the program (POSIX)."""
LONGEST_COMMAND = 128 * 1024 - 1
"""Longest single argument that Linux takes (MAX_ARG_STRLEN less the closing zero): the login shell's ``-c``."""

GUARD = f"""
export LC_ALL=C SSH_CONNECTION="$1" PATH="$PATH:{":".join(ADMINISTRATION)}"
bytes=$2 open=$3 program=$4
shift 4
if ! command -v -- "$program" > /dev/null; then
    echo "there is no program $program" >&2
    exit {NO_PROGRAM}
fi
exec 3<&0 4>&1 5>&2 2> /dev/null
{{
    read -r guard rest < /proc/self/stat
    echo "$guard"
    [ "$bytes" = 0 ] || head -c "$bytes" <&3
    [ "$open" ] || exec > /dev/null
    read -r end <&3
    exec > /dev/null
    [ ! "$open" ] || sleep {CLEAN_UP_SECONDS}
    kill -KILL 0
}} 4>&- 5>&- | {{
    read -r guard
    (exec "$@") 3<&- >&4 2>&5 4>&- 5>&-
    status=$?
    kill -KILL "$guard"
    exit "$status"
}}
"""
"""Arguments: SSH_CONNECTION (sudo drops it), size of the standard input's text, anything to keep that open,
the program to look for, and the command.

Descriptor 3 is the channel; nothing but the text is ever sent over it, so that reading on means
waiting for its end. The left side feeds the command's standard input and closes it behind the text
(if it is to be kept open: when the channel ends), then guards. Its first line, its own process id, is for the
right side, which ends it when the command has ended; the command reads what follows. ``timeout`` has
put all of it into one process group.
"""


def guarded(
    argv: Sequence[str], *, seconds: float, stdin_bytes: int, keep_stdin_open: bool, prefix: Sequence[str], sudo: bool
) -> str:
    """Return the one line for the login shell that runs ``argv`` under the guard.

    ``seconds`` is how long it may take, ``stdin_bytes`` the size of the text for its standard input, ``prefix`` what
    comes before the command, such as words that keep it to some processors.
    """
    limit = math.ceil(seconds) + CLEAN_UP_SECONDS + MARGIN_SECONDS
    before = [
        *(("sudo", "-n", "--") if sudo else ()),
        *("timeout", "--signal=KILL", str(limit), "sh", "-c", GUARD, f"{LABEL}-guard"),
    ]
    after = [str(stdin_bytes), "open" if keep_stdin_open else "", argv[0], *prefix, *argv]
    # Expanded by the login shell: all else is quoted.
    return f'exec {shlex.join(before)} "$SSH_CONNECTION" {shlex.join(after)}'
