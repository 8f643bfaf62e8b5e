"""The protocol of middleboxes: create those of a plan, identify, read, watch and remove them.

A driver is a file or folder beside this one that has ``Options`` derived from :class:`MiddleboxOptions`: a config names
it by that file's name (:mod:`middlebench.config.drivers`), and the tests in ``tests/contract`` by a line in their list.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from middlebench.driver_options import ServerDriverOptions
from middlebench.hosts.base import Host
from middlebench.model.functions.function import FORWARD, Function
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.reading import MiddleboxReading


@dataclass(frozen=True)
class Start:
    """What it took to start one middlebox, and what it occupies."""

    name: str
    ready_s: float | None
    """Seconds from its start until it reported that it forwards; None where it cannot report it."""
    resident_kib: int | None
    """Resident memory in KiB once it forwards; None where it has no memory of its own."""
    private_kib: int | None
    """The part of it that is not shared, in KiB."""


@dataclass
class Watch:
    """Tells at once when a middlebox ended."""

    fired: threading.Event
    """Set as soon as one did."""
    problem: str = ""
    """Which one, and the end of what it printed."""

    def fire(self, problem: str) -> None:
        """Tell what happened."""
        self.problem = problem
        self.fired.set()


@contextmanager
def watching(wait: Callable[[threading.Event], str]) -> Iterator[Watch]:
    """Wait for the end of a middlebox in a thread of its own, for as long as the context lasts.

    Args:
        wait: returns which middlebox ended and why; or nothing, soon after its argument is set. An error of it
            fires the watch as well: a watch that does not work must not pass for one in which nothing ended.
            Nobody waits for the end of the thread, which takes a while.
    """
    watch, stop = Watch(fired=threading.Event()), threading.Event()

    def look() -> None:
        try:
            problem = wait(stop)
        except Exception as error:
            problem = f"the middleboxes cannot be watched: {error}"
        if problem and not stop.is_set():
            watch.fire(problem)

    threading.Thread(target=look, name="watch middleboxes", daemon=True).start()
    try:
        yield watch
    finally:
        stop.set()


class MiddleboxOptions(ServerDriverOptions):
    """What every middlebox driver's options have."""

    def offers(self, function: Function) -> bool:
        """Whether a middlebox of this kind can do this to frames."""
        return function.name == FORWARD

    def images(self) -> dict[str, str]:
        """Return the files on the middlebox server that middleboxes boot from, by name."""
        return {}

    def build(self, host: Host, mtu: int, kind: PortKind) -> Middleboxes:
        """Return the middleboxes on ``host``, with ports of a kind that it takes, for IP packets of ``mtu`` bytes."""
        raise NotImplementedError


class Middleboxes(Protocol):
    """All middleboxes of a chain, on the middlebox server."""

    def check(self, plan: Plan) -> None:
        """Demand that what the functions and wires of ``plan`` need is there; nothing is changed.

        Raises:
            MiddleboxError: something is missing; it is named.
        """

    def create(self, plan: Plan) -> Mapping[str, str]:
        """Make every middlebox of ``plan`` with its two ports on the server, and its wires; bridges exist already.

        Returns:
            The sockets by which ports are handed to the switch that are no network interfaces (vhost-user), by port.

        Raises:
            MiddleboxError: one could not be created; it is named.
        """

    def wait_until_ready(self, plan: Plan) -> list[Start]:
        """Wait until every middlebox reports that it forwards; probes prove that frames do pass.

        Raises:
            MiddleboxError: one did not come up in time; it is named.
        """

    def live(self) -> dict[str, str]:
        """Return the middleboxes of ours that run now: name to what identifies this very one."""

    def read(self) -> dict[str, MiddleboxReading]:
        """Return all that can be read of the middleboxes of ours that run now, by name."""

    def watch(self) -> AbstractContextManager[Watch]:
        """Watch all middleboxes of ours for as long as the context lasts."""

    def destroy(self) -> None:
        """Remove all middleboxes of ours and their ports; where there are none, nothing happens."""

    def describe(self) -> str:
        """Return the kind of middlebox and its version, in a few words."""
