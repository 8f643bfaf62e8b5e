"""The record of a testbed that was checked."""

from __future__ import annotations

from typing import Any, Literal

from middlebench.model.options import Options
from middlebench.model.record import Components


class Provision(Options):
    """A testbed that was checked: what it is, and what was chosen where the config says `auto`."""

    format: Literal["middlebench-provision/1"] = "middlebench-provision/1"
    testbed: str
    description: str
    options: dict[str, Any]
    """The testbed's composition with every `auto` replaced by the choice."""
    components: Components
    choices: tuple[dict[str, Any], ...]
    """The alternatives that were measured, with their rates."""
    environment: str
    """Id of the environment that it was found in."""
