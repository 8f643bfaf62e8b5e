"""One error type per layer; every message says what was being done, what happened and what to try."""

from __future__ import annotations

from middlebench.system.command_result import CommandResult

LAST_LINES = 12


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """Return the last ``count`` non-empty lines of ``text``, indented for a message."""
    lines = [line for line in text.splitlines() if line.strip()][-count:]
    return "\n".join(f"    {line}" for line in lines)


class MiddlebenchError(Exception):
    """Anything that stops a run for a reason that the user can act on.

    Args:
        doing: what was being done, and to what ("adding port x to bridge y on host z").
        happened: what happened instead.
        advice: what to try next; empty when nothing is known to help.
        result: the command that failed, if one did.
    """

    exit_status = 1
    """Exit status of the command line when this error ends it."""

    def __init__(self, doing: str, happened: str, advice: str = "", result: CommandResult | None = None) -> None:
        super().__init__(doing, happened, advice)
        self.doing = doing
        self.happened = happened
        self.advice = advice
        self.result = result

    def __str__(self) -> str:
        parts = [f"{self.doing}: {self.happened}"]
        if self.result is not None:
            parts.append(f"  host {self.result.host}, exit status {self.result.status}: {self.result.command}")
            for stream, text in (("stderr", self.result.stderr), ("stdout", self.result.stdout)):
                if text.strip():
                    parts.append(f"  end of {stream}:\n{last_lines(text)}")
        if self.advice:
            parts.append(f"  what to try: {self.advice}")
        return "\n".join(parts)


class ConfigError(MiddlebenchError):
    """The configuration asks for something impossible."""

    exit_status = 2


class HostError(MiddlebenchError):
    """A host cannot be reached, or a command on it failed."""

    exit_status = 3


class SwitchError(MiddlebenchError):
    """The switch did not become what the plan says."""

    exit_status = 4


class MiddleboxError(MiddlebenchError):
    """A middlebox did not start, does not forward, or ended."""

    exit_status = 5


class GeneratorError(MiddlebenchError):
    """Traffic could not be generated or counted."""

    exit_status = 6


class LockError(MiddlebenchError):
    """Another process has locked the testbed."""

    exit_status = 7


class TrialError(MiddlebenchError):
    """A trial ran but is not valid: it leaves no record."""

    exit_status = 8


class RecordError(MiddlebenchError):
    """A file on disk is not the record that it should be."""

    exit_status = 9


class DriftError(MiddlebenchError):
    """A testbed is in quarantine, because its controls drifted."""

    exit_status = 10
