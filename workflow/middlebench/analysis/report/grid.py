"""Plain tables of text for the page: of mappings, or of nested facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

UNITS = {"s": "s", "mbps": "Mb/s", "pps": "pkt/s", "kib": "KiB", "mib": "MiB"}
"""What a key's last word says of its unit."""

NONE = "none"


def grid_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return mappings as a table: nested keys joined, a column each that has a value, in order of appearance."""
    flat = [dict(_flattened(row)) for row in rows]
    columns = dict.fromkeys(key for row in flat for key, text in row.items() if text not in ("", NONE))
    return pd.DataFrame([[row.get(column, "") for column in columns] for row in flat], columns=list(columns))


def grid_of_facts(facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return nested facts as a table of two columns, without those that are empty."""
    return pd.DataFrame([row for row in _flattened(facts) if row[1]], columns=["fact", "value"])


def _flattened(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield every leaf of a nested mapping as text, under its keys as a reader calls them."""
    for key, leaf in value.items():
        name = f"{prefix}: {_named(key)}" if prefix else _named(key)
        if isinstance(leaf, Mapping):
            yield from _flattened(leaf, name)
        else:
            yield name, _text(leaf)


def _named(key: str) -> str:
    """Return a key in words, its unit in brackets; what is no key of ours, such as a program's name, as it is."""
    if not key.isidentifier():
        return key
    *words, last = key.split("_")
    return f"{' '.join(words)} [{UNITS[last]}]" if words and last in UNITS else key.replace("_", " ")


def _text(value: object) -> str:
    """Return a value as a reader wants it: lists joined, booleans in words, numbers in four digits or whole."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or NONE
    return str(value)
