"""Reads what functions there are: ``config/functions/NAME.yaml``, and the templates that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from middlebench.config.messages import told_mistakes
from middlebench.config.plain_yaml import read_yaml
from middlebench.middleboxes.base import MiddleboxOptions
from middlebench.model.functions.description import FunctionDescription
from middlebench.model.functions.function import FORWARD, Function
from middlebench.model.functions.specification import specifications
from middlebench.system.errors import ConfigError
from middlebench.system.project import place_of
from middlebench.system.text import suggestion

FOLDER = Path("config/functions")
TEMPLATES = ("nftables", "click")
"""Keys of a description that name a file, in the folder of ``config`` of the same name."""


def load_functions() -> dict[str, FunctionDescription]:
    """Return the functions by name, their templates read in.

    Raises:
        ConfigError: a file is not there or cannot be read; it is named.
    """
    return {path.stem: _load(path) for path in sorted(place_of(FOLDER).glob("*.yaml"))}


def functions_of(text: str, length: int, known: Mapping[str, FunctionDescription]) -> tuple[Function, ...]:
    """Return what each middlebox of a chain does: the functions of ``text``, cycled along it.

    Raises:
        ConfigError: there is no such function, or it cannot have such parameters.
    """
    from middlebench.model.functions.rendering import function_at  # its library is not for every cell's job to load

    doing = f"reading functions {text!r}"
    try:
        wanted = specifications(text)
        for each in wanted:
            if each.name not in known:
                hint = suggestion(each.name, list(known))
                raise ConfigError(doing, f"there is no function {each.name!r}, only {', '.join(known)}{hint}")
        return tuple(
            function_at(each, known[each.name], hop)
            for hop in range(1, length + 1)
            for each in (wanted[(hop - 1) % len(wanted)],)
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(doing, str(error)) from error


def check_functions(
    texts: Iterable[str],
    testbed: str,
    middlebox: MiddleboxOptions,
    known: Mapping[str, FunctionDescription],
    doing: str,
) -> None:
    """Demand that the middleboxes of a testbed have these functions.

    Raises:
        ConfigError: there is no such function, or this kind of middlebox does not have it.
    """
    for text in texts:
        for function in functions_of(text, len(specifications(text)), known):
            if not middlebox.offers(function):
                offered = [name for name in known if middlebox.offers(functions_of(name, 1, known)[0])]
                raise ConfigError(
                    doing,
                    f"functions: the middleboxes of testbed {testbed} (driver {middlebox.driver}) do not have "
                    f"{function.name}, only {', '.join(offered)}",
                    "leave it out, or leave the testbed out",
                )


def fingerprint(text: str) -> str:
    """Return what tells these functions from others, in their descriptions too; empty where all forward.

    Raises:
        ConfigError: there is no such function.
    """
    return "" if text == FORWARD else repr(functions_of(text, len(specifications(text)), load_functions()))


def _load(path: Path) -> FunctionDescription:
    values = read_yaml(path)
    try:
        for key in TEMPLATES:
            if values.get(key):
                values[key] = (path.parent.parent / key / str(values[key])).read_text(encoding="utf-8")
        return FunctionDescription.model_validate(values)
    except OSError as error:
        raise ConfigError(f"reading {path}", f"{error.filename}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(f"reading {path}", told_mistakes(FunctionDescription, values, error)) from error
