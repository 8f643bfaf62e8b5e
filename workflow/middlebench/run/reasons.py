"""Why a cell is measured, in a few words. Pure."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from middlebench.model.environment import Environment, differences
from middlebench.run.jobs import Job, Past
from middlebench.system.text import changes

NEW = "not measured yet"

UNKNOWN = "an environment whose description is lost"


@dataclass(frozen=True)
class Judge:
    """Says why a cell is measured."""

    present: Environment | None
    remeasures: bool
    producers: Mapping[str, Job]

    def changed_since(self, past: Past) -> str:
        """Return what has changed in the environment since; nothing when it is the same."""
        if past.environment is None:
            return UNKNOWN
        return ", ".join(differences(past.environment, self.present)) if self.present else ""

    def reason(self, job: Job, past: Past | None) -> str:
        """Return why a cell is measured, in a few words."""
        if past is None:
            return NEW
        if told := "; ".join(_changed_parameters(job.params_before, job.params_now)):
            return told
        changed = self.changed_since(past) if self.remeasures else ""
        if changed:
            return f"other environment: {changed}"
        if job.renewed:
            return f"{self._root(job.renewed)} is made again"
        if job.newer:
            return f"{', '.join(job.newer)} changed since"
        return "asked for, or interrupted" if job.forced else "what it is made from changed"

    def _root(self, renewed: tuple[str, ...]) -> str:
        """Return the file, furthest up, that causes all after it to be made again."""
        path = min(renewed, key=len)
        above = self.producers[path].renewed if path in self.producers else ()
        return self._root(above) if above else path


def _changed_parameters(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what changed in parameters that are told apart by what they hold."""
    then, since = (dict(map(_kind, values)) for values in (before, now))
    told = []
    for kind in dict.fromkeys((*then, *since)):
        if found := ", ".join(changes(then.get(kind, {}), since.get(kind, {}))):
            told.append(f"{kind} changed: {found}")
    return told


def _kind(written: str) -> tuple[str, Mapping[str, Any]]:
    """Return what a parameter is, and its value as a mapping: a testbed's file, settings, or the protocol."""
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = written
    try:
        values = json.loads(value)
    except (ValueError, TypeError):
        values = None
    if not isinstance(values, dict):
        return "protocol", {"version": value}
    return ("testbed's file" if "site" in values else "settings"), values
