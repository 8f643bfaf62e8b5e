"""Describes mistakes in a config file, one line each: which key, the value found, the values allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from middlebench.system.text import suggestion

Location = tuple[int | str, ...]
"""Where pydantic met a mistake: keys and list places, and the tag of each union that it chose a member of."""


def truth_values(written: object, taken: object, where: str = "") -> list[str]:
    """Return a line for each truth value that pydantic took for a number: in YAML `yes` and `on` are such too."""
    if isinstance(written, bool) and not isinstance(taken, bool):
        return [f"{where}: a truth value is written there, where a number or a text is wanted (found: {written})"]
    if isinstance(written, Mapping) and isinstance(taken, Mapping):
        pairs = [(str(key), written[key], taken[key]) for key in written if key in taken]
    elif isinstance(written, list | tuple) and isinstance(taken, list | tuple):
        pairs = [(str(place), *both) for place, both in enumerate(zip(written, taken, strict=False))]
    else:
        return []
    return [line for key, one, other in pairs for line in truth_values(one, other, f"{where}.{key}".lstrip("."))]


MOST_MISTAKES = 12
"""How many mistakes a message tells, so that it fits on a screen."""
LONGEST_VALUE = 80


def told_mistakes(model: type[BaseModel], values: Mapping[str, Any], error: ValidationError) -> str:
    """Return the mistakes that pydantic found in ``values``, a line each, no more than fit on a screen."""
    found = error.errors()
    places = [details["loc"] for details in found]
    lines = [_complaint(model, values, details) for details in found if not _follows(details, places)]
    told = list(dict.fromkeys(lines))
    more = [f"… and {len(told) - MOST_MISTAKES} more mistakes"] if len(told) > MOST_MISTAKES else []
    return "\n  ".join([*told[:MOST_MISTAKES], *more])


WANTED = {
    "tuple_type": "a list is wanted, such as [1, 2]",
    "string_type": "a text is wanted",
    "dict_type": "keys and values are wanted",
    "model_type": "keys and values are wanted",
    "model_attributes_type": "keys and values are wanted",
    "path_type": "a file's path is wanted",
    "bool_type": "`true` or `false` is wanted",
    "bool_parsing": "`true` or `false` is wanted",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is wanted"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number is wanted"),
    "literal_error": "{expected} is wanted",
    "greater_than": "it must be above {gt:g}",
    "greater_than_equal": "it must be {ge:g} or more",
    "less_than": "it must be below {lt:g}",
    "less_than_equal": "it must be {le:g} or less",
    "too_short": "at least {min_length} is wanted, here are {actual_length}",
    "string_too_short": "it must not be empty",
}
"""What pydantic's mistakes mean to the author of a file, by their type."""


def _follows(details: Mapping[str, Any], places: Sequence[Location]) -> bool:
    """Whether a mistake is only the consequence of another one.

    A list that has entries is too short only because they are wrong. A mapping where a union takes a word or a
    mapping is no wrong word: what is wrong is inside of it.
    """
    value, place = details["input"], details["loc"]
    if details["type"] == "too_short":
        return len(value) > 0
    if (
        details["type"] != "literal_error"
        or not isinstance(value, Mapping)
        or not str(place[-1]).startswith("literal[")
    ):
        return False
    return any(other != place and other[: len(place) - 1] == place[:-1] for other in places)


def _complaint(model: type[BaseModel], values: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in _keys(values, details["loc"]))
    words = WANTED.get(details["type"], str(details["msg"]).removeprefix("Value error, "))
    message = words.format(**details.get("ctx", {})) if details["type"] in WANTED else words
    if details["type"] == "extra_forbidden":
        known = sorted(name for each in _models_at(model, details["loc"][:-1]) for name in each.model_fields)
        hint = suggestion(str(details["loc"][-1]), known)
        return f"{where}: there is no such key; known here: {', '.join(known)}{hint}"
    if details["type"] == "missing":
        return f"{where}: this key is missing"
    if not where:
        return message
    if details["type"] == "value_error" and isinstance(details["input"], Mapping):
        return f"{where}.{message}"  # it begins with the key within
    found = repr(details["input"])
    return f"{where}: {message} (found: {found if len(found) <= LONGEST_VALUE else found[:LONGEST_VALUE] + ' …'})"


def _keys(values: object, location: Location) -> list[int | str]:
    """Return a location as the file's author wrote it: without the tags that only pydantic knows."""
    keys: list[int | str] = []
    for place, part in enumerate(location):
        last = place == len(location) - 1
        if isinstance(values, Mapping) and (part in values or last):
            keys.append(part)
            values = values.get(part)
        elif isinstance(values, Sequence) and not isinstance(values, str) and isinstance(part, int):
            keys.append(part)
            values = values[part] if part < len(values) else None
    return keys


def _models_at(model: type[BaseModel], location: Location) -> list[type[BaseModel]]:
    """Return the models that describe the place ``location``: one, or a union's members where no tag chose."""
    candidates = [model]
    for part in location:
        fields = [each.model_fields[part] for each in candidates if part in each.model_fields]
        if fields:
            candidates = [found for field in fields for found in _models_in(field.annotation)]
        else:
            chosen = [each for each in candidates if part in _tags(each)]
            candidates = chosen or candidates
    return candidates


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """Return the names by which a union knows this member: the values of its `driver`, and its own name."""
    driver = model.model_fields.get("driver")
    return (*(get_args(driver.annotation) if driver else ()), model.__name__)
