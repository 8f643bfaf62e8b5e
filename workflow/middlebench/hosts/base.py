"""What every host can do: run a command to its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from middlebench.system.command_result import CommandResult
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

COMMAND_SECONDS = 30.0
"""How long a command may take unless its caller knows better."""

SCRIPT_OPTIONS = ("-I", "-S", "-c")
"""How a host's Python runs a script of ours: apart from the user's settings and from what is installed."""

Ports = tuple[str, str]
"""Two ports of a host, in the direction of travel: the sending and the receiving one, or the chain's start and end."""


@dataclass
class Output:
    """What a command has printed so far, as bytes: a tool may print what is not UTF-8."""

    stdout: bytes | bytearray = b""
    stderr: bytes | bytearray = b""


class Host(ABC):
    """A computer, or what stands for one, on which commands run.

    Args:
        name: what messages and records call this host.
        cpus: processors to keep commands to; empty for no restriction.
        timeout_factor: by what every deadline is multiplied; more than 1 for a host slower than ordinary hardware.
    """

    def __init__(self, name: str, cpus: Sequence[int] = (), timeout_factor: float = 1.0) -> None:
        self.name = name
        self.cpus = tuple(cpus)
        self.timeout_factor = timeout_factor

    @property
    @abstractmethod
    def python(self) -> str:
        """The Python interpreter of this host, for scripts that need the standard library only."""

    def script(self, text: str, *words: str) -> list[str]:
        """Return the command that runs a script by this host's Python."""
        return [self.python, *SCRIPT_OPTIONS, text, *words]

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        keep_stdin_open: bool = False,
        deadline: Deadline | None = None,
        cancel: Event | None = None,
        check: bool = True,
    ) -> CommandResult:
        """Run a command to its end and return what it left. No shell takes part.

        Args:
            argv: the program and its arguments.
            stdin: text for its standard input, which is closed behind it.
            keep_stdin_open: keep standard input open while the command runs, so that the command reads
                its end only when we end: how a command learns that its caller is gone.
            deadline: when to give up and kill the command's whole process group
                (default: :data:`COMMAND_SECONDS` from now). A slow host's factor applies to it.
            cancel: ends the command early when another thread sets it: with ``keep_stdin_open`` by closing that,
                otherwise as the deadline does.
            check: whether an exit status other than 0 is an error.

        Raises:
            HostError: the program is missing, failed (with ``check``), overran the deadline, or was cancelled.
        """
        stretched = (deadline or Deadline(COMMAND_SECONDS)).stretched(self.timeout_factor)
        status, output = self._execute(argv, stdin.encode(), stretched, keep_stdin_open=keep_stdin_open, cancel=cancel)
        result = self._result(argv, status, output)
        if check and status != 0:
            raise HostError(f"running {argv[0]} on {self.name}", f"it ended with status {status}", result=result)
        return result

    @abstractmethod
    def _execute(
        self, argv: Sequence[str], data: bytes, deadline: Deadline, *, keep_stdin_open: bool, cancel: Event | None
    ) -> tuple[int, Output]:
        """Run a command to its end, as :meth:`run` does; return its status and its output."""

    @property
    def _affinity(self) -> tuple[str, ...]:
        """Words before a command that keep it to this host's processors."""
        return ("taskset", "--cpu-list", ",".join(map(str, self.cpus))) if self.cpus else ()

    def _result(self, argv: Sequence[str], status: int, output: Output) -> CommandResult:
        return CommandResult(
            host=self.name,
            argv=tuple(argv),
            status=status,
            stdout=output.stdout.decode(errors="replace"),
            stderr=output.stderr.decode(errors="replace"),
        )
