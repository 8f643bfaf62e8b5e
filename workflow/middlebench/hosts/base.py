"""What every host can do: run a command to its end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from middlebench.deadline import Deadline
from middlebench.errors import HostError

COMMAND_SECONDS = 30.0
"""How long a command may take unless its caller knows better."""


@dataclass(frozen=True)
class CommandResult:
    """A command that ended by itself."""

    host: str
    argv: tuple[str, ...]
    status: int
    """Exit status; negative when a signal ended the command."""
    stdout: str
    stderr: str

    @property
    def command(self) -> str:
        """The command as one would type it, shortened where it carries a whole script."""
        return shlex.join(word if len(word) <= 200 else f"{word[:80]}…" for word in self.argv)


class Host(Protocol):
    """A computer, or what stands for one, on which commands run."""

    @property
    def name(self) -> str:
        """What messages and records call this host."""

    @property
    def cpus(self) -> tuple[int, ...]:
        """Processors that commands on this host are kept to; empty when they are not kept to any."""

    @property
    def python(self) -> str:
        """The Python interpreter of this host, for scripts that need the standard library only."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        lifeline: bool = False,
        deadline: Deadline | None = None,
        cancel: Event | None = None,
        check: bool = True,
    ) -> CommandResult:
        """Run a command to its end and return what it left. No shell takes part.

        Args:
            argv: the program and its arguments.
            stdin: text for its standard input, which is closed behind it.
            lifeline: keep standard input open while the command runs, so that the command reads
                its end only when we end: how a command learns that its caller is gone.
            deadline: when to give up and kill the command's whole process group
                (default: :data:`COMMAND_SECONDS` from now).
            cancel: ends the command early when another thread sets it: with ``lifeline`` by closing that,
                otherwise as the deadline does.
            check: whether an exit status other than 0 is an error.

        Raises:
            HostError: the program is missing, failed (with ``check``), overran the deadline, or was cancelled.
        """


def checked(result: CommandResult, *, check: bool) -> CommandResult:
    """Return ``result``, or raise :class:`HostError` where ``check`` is set and it failed."""
    if check and result.status != 0:
        raise HostError(
            f"running {result.argv[0]} on {result.host}", f"it ended with status {result.status}", result=result
        )
    return result
