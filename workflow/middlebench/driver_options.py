"""The options that drivers of a switch and of middleboxes share, both of which run on the middlebox server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from middlebench.hosts.base import Host
from middlebench.model.options import Options
from middlebench.model.port_kind import PortKind


class ServerDriverOptions(Options):
    """Options of a switch's or of the middleboxes' driver."""

    programs: ClassVar[tuple[str, ...]] = ()
    """What must be installed on the middlebox server."""

    versions: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Commands that say the version of what takes part, in their first line."""

    leaves_processes: ClassVar[bool] = False
    """Whether it starts processes that only the end of the site ends."""

    driver: str
    """Name of the driver."""

    @property
    def port_kinds(self) -> tuple[PortKind, ...]:
        """The kinds of ports by which switch and middleboxes can be joined, the best one first."""
        raise NotImplementedError

    def alternatives(self, host: Host) -> Sequence[Self]:
        """Return what these options may stand for on ``host``, where they leave a choice."""
        del host
        return [self]
