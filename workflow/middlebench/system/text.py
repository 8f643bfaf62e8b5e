"""Values as text for people: durations, shares, and differences between two mappings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def duration(seconds: float) -> str:
    """Return a duration as text: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(share: float, digits: str = ".0") -> str:
    """Return a share, 1 being all, in per cent: ``42 %``; ``digits`` says how, such as ``+.1``."""
    return f"{share:{digits}%}".replace("%", " %")


def plural(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 cell``, ``2 cells``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is most like this one; nothing where none is."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield what differs between two nested mappings, each as ``key before → after``; keys within keys are joined."""
    for key in dict.fromkeys((*before, *after)):
        name = f"{path} {key.replace('_', ' ') if key.isidentifier() else key}".strip()
        then, now = before.get(key), after.get(key)
        if isinstance(then, Mapping) or isinstance(now, Mapping):
            yield from changes(_mapping(then), _mapping(now), name)
        elif then != now:
            yield f"{name} {_said(then)} → {_said(now)}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {} if value is None else {"": value}


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)
