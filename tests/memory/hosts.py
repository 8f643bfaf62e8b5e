"""A host in memory: each program is a Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from middlebench.hosts.base import Host, Output
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError


@dataclass(frozen=True)
class Answer:
    """What a program leaves when it ends."""

    stdout: str = ""
    stderr: str = ""
    status: int = 0


Program = Callable[[Sequence[str], str], Answer]
"""Takes its arguments (the first is its name) and the text of its standard input."""


class MemoryHost(Host):
    """A host whose programs are functions.

    Args:
        name: what messages and records call this host.
        programs: by name; any other one is missing on the host.
        cpus: processors that it says its commands are kept to.
        timeout_factor: as of every host.
    """

    def __init__(
        self,
        name: str,
        programs: Mapping[str, Program] | None = None,
        cpus: Sequence[int] = (0,),
        timeout_factor: float = 1.0,
    ) -> None:
        super().__init__(name, cpus, timeout_factor)
        self.programs = dict(programs or {})
        self.commands: list[tuple[str, ...]] = []
        """Every command that was run, the first one first."""
        self.lost = False
        """Whether the host cannot be reached any more."""

    @property
    def python(self) -> str:
        """The name of the interpreter, as of every host."""
        return "python3"

    def _execute(
        self, argv: Sequence[str], data: bytes, deadline: Deadline, *, keep_stdin_open: bool, cancel: Event | None
    ) -> tuple[int, Output]:
        del deadline, keep_stdin_open, cancel  # every program ends at once
        self.commands.append(tuple(argv))
        if self.lost:
            raise HostError(f"running {argv[0]} on {self.name}", "the connection was lost")
        if argv[0] not in self.programs:
            raise HostError(f"running {argv[0]} on {self.name}", f"there is no program {argv[0]!r}")
        answer = self.programs[argv[0]](argv, data.decode())
        return answer.status, Output(answer.stdout.encode(), answer.stderr.encode())
