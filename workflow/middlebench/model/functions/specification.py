"""How a config asks for functions: by text such as ``filter-rules=64+nat``, one for each middlebox in turn."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = "[a-z][a-z0-9_]*"
SPECIFICATION = re.compile(rf"(?P<name>{NAME})(?P<parameters>(-{NAME}=[a-z0-9.]+)*)")
JOIN = "+"
_ONE = rf"{NAME}(?:-{NAME}=[a-z0-9.]+)*"
CHAIN_PATTERN = rf"{_ONE}(?:\+{_ONE})*"
"""Regular expression of a text that :func:`specifications` reads."""


@dataclass(frozen=True)
class Specification:
    """A function by name, with the parameters that are not as usual."""

    name: str
    parameters: tuple[tuple[str, int | str], ...] = ()

    def __str__(self) -> str:
        """Return the text that :func:`specifications` reads."""
        return self.name + "".join(f"-{name}={value}" for name, value in self.parameters)


def specifications(text: str) -> tuple[Specification, ...]:
    """Return the functions that a text such as ``filter-rules=64+nat`` names.

    Raises:
        ValueError: it cannot be read.
    """
    found = []
    for part in text.split(JOIN):
        match = SPECIFICATION.fullmatch(part)
        if not match:
            raise ValueError(f"{part!r} is no function: write NAME, or NAME-PARAMETER=VALUE as in filter-rules=64")
        words = [word.split("=", 1) for word in match["parameters"].split("-") if word]
        values = tuple((name, int(value) if value.isdigit() else value) for name, value in words)
        found.append(Specification(match["name"], values))
    return tuple(found)
