"""What every generator can do: prove a path with single frames, and run one trial of load.

A driver is a file or folder beside this one that has ``Options`` derived from :class:`GeneratorOptions`: a config names
it by that file's name (:mod:`middlebench.config.drivers`), and the tests in ``tests/contract`` by a line in their list.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from threading import Event
from typing import ClassVar, Protocol

from middlebench.hosts.base import Host, Ports
from middlebench.model.options import Options
from middlebench.model.traffic import Load, Probe, Traffic

OVERTIME = 1.01
"""A sender of a given number of frames gives up after this multiple of the time that they should take."""


NONCE_BYTES = 16


def nonce() -> bytes:
    """Return random bytes by which a single frame is known; they fit the payload of the smallest one."""
    return secrets.token_bytes(NONCE_BYTES)


class GeneratorOptions(Options):
    """What every generator driver's options have."""

    driver: str
    """Name of the driver."""

    versions: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Commands that say the version of what takes part, in their first line."""
    modules: ClassVar[tuple[str, ...]] = ()
    """Kernel modules that take part and have versions of their own."""
    times: ClassVar[bool] = True
    """Whether it can tell how long frames take."""
    mixes: ClassVar[bool] = True
    """Whether it can send a mix of frame sizes."""

    def programs(self) -> tuple[str, ...]:
        """Return what must be installed on the test computer."""
        raise NotImplementedError

    def images(self) -> dict[str, str]:
        """Return programs that do not tell their version, by name or path, each by what it is called here."""
        return {}

    def build(self, host: Host, ports: Ports) -> Generator:
        """Return the generator on ``host``, between its sending and its receiving port."""
        raise NotImplementedError


class Generator(Protocol):
    """Traffic on the test computer, from its sending port to its receiving port."""

    def probe(self, frame_bytes: int, count: int, flow: int = 0) -> Probe:
        """Send ``count`` single frames of one flow and see what comes back.

        Raises:
            GeneratorError: they could not be sent or watched for.
        """

    def exchange(self, frames: Sequence[bytes], marks: Sequence[bytes]) -> list[bytes]:
        """Send single frames in their order, and return what reaches the receiver, whatever it is.

        ``marks`` are bytes by which those frames are known that must come back; once all are back, it is over.

        Raises:
            GeneratorError: they could not be sent or watched for.
        """

    def run(self, load: Load, cancel: Event | None = None) -> Traffic:
        """Run one trial: warm-up, window, drain.

        Another thread ends it early by ``cancel``, as an error.

        Raises:
            GeneratorError: traffic could not be made or counted.
        """

    def describe(self) -> str:
        """Return the generator's name and version, in a few words."""
