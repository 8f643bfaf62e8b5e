"""What a command left when it ended."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


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
