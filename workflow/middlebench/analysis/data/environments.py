"""In which environments a dataset was measured: one, as it should be, or several, which nothing may hide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from middlebench.model.environment import Computer, Environment, differences

CALLED = {"cpus": "used processors (by number)"}
"""What a reader cannot guess from the name of a fact."""


def facts_of(environment: Environment) -> dict[str, Any]:
    """Return an environment as nested facts for a reader: what both computers have in common once, nothing empty."""
    test, server = (_told(each) for each in (environment.test_computer, environment.middlebox_server))
    common = {key: value for key, value in test.items() if server.get(key) == value}
    computers = {
        "both computers": common,
        "test computer": {key: value for key, value in test.items() if key not in common},
        "middlebox server": {key: value for key, value in server.items() if key not in common},
    }
    return {
        "site": environment.site,
        **({"emulated": True} if environment.emulated else {}),
        "without root": environment.unprivileged,
        "link [Mb/s]": environment.link_mbps,
        "MTU [B]": environment.mtu,
        **{name: facts for name, facts in computers.items() if facts},
        "could not be set up": list(environment.limits or ()),
    }


def _told(computer: Computer | None) -> dict[str, Any]:
    values = computer.model_dump() if computer else {}
    return {CALLED.get(key, key): value for key, value in values.items() if value not in (None, "", {}, ())}


def mixture(measurements: pd.DataFrame, environments: Mapping[str, Environment]) -> list[dict[str, Any]]:
    """Return a row an environment of the cells: its id, how many cells, when, and in what it differs.

    The first one has the most cells; the others are told apart from it.
    """
    cells = measurements["environment"].value_counts()
    rows: list[dict[str, Any]] = []
    for identity in cells.index:
        changes = differences(environments[cells.index[0]], environments[identity])
        started = measurements.loc[measurements["environment"] == identity, "started_at"]
        rows.append(
            {
                "environment": identity,
                "cells": int(cells[identity]),
                "first cell": started.min(),
                "last cell": started.max(),
                "differs from the first in": "; ".join(changes) if rows else "",
            }
        )
    return rows


def note_of(measurements: pd.DataFrame) -> str:
    """Return what titles must say of cells from several environments; empty for one."""
    count = measurements["environment"].nunique()
    return f"{count} environments mixed" if count > 1 else ""
