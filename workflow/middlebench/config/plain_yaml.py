"""Reads YAML files as plain values: text, numbers, truth values, lists and keys, within limits of size and depth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from middlebench.system.errors import ConfigError

MOST_BYTES = 1 << 20
"""The largest config file; a study of thousands of cells takes some kilobytes."""
MOST_VALUES = 50_000
"""The most values in a file, each alias counted as often as it is used."""
MOST_DEPTH = 30
"""The most lists and mappings within each other."""
MOST_LINES = 4
"""Lines of what the library says of a mistake."""
PLAIN = (str, bool, int, float, type(None))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return what a YAML file of keys and values says.

    Raises:
        ConfigError: it cannot be read, is not such a file, says a key twice, or holds other than plain values.
    """
    import yaml  # not needed by a cell's job, which starts some hundred times

    def unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name} stands here twice", key.start_mark)
        return loader.construct_mapping(node, deep=True)

    class Loader(yaml.SafeLoader):
        """YAML's plain types, and no key twice."""

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique)
    doing = f"reading {path}"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(doing, f"it is larger than {MOST_BYTES} bytes: no config is that large")
        values = yaml.load(path.read_text(encoding="utf-8"), Loader)  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(doing, f"it cannot be read: {error}") from error
    except RecursionError:
        raise ConfigError(doing, f"its lists and keys lie more than {MOST_DEPTH} deep within each other") from None
    except (yaml.YAMLError, TypeError, ValueError) as error:  # a key that cannot be one, a date that is none
        said = "\n".join(line[:200] for line in str(error).splitlines()[:MOST_LINES])
        raise ConfigError(doing, f"it is not YAML of keys and plain values: {said}") from error
    if not isinstance(values, dict):
        raise ConfigError(
            doing,
            "it is empty, without keys and values" if values is None else "it does not consist of keys and values",
        )
    demand_plain(values, doing)
    return values


def demand_plain(values: Mapping[Any, Any], doing: str) -> None:
    """Demand that values hold nothing but keys of text, plain values and lists, and not too many of them.

    Raises:
        ConfigError: they hold something else; the message says where.
    """
    left: list[tuple[str, object, int]] = [("", values, 0)]
    seen = 0
    while left:
        where, value, depth = left.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ConfigError(doing, f"it holds more than {MOST_VALUES} values")
        if depth > MOST_DEPTH:
            raise ConfigError(doing, f"{where[:60]} …: more than {MOST_DEPTH} lists and keys lie within each other")
        if isinstance(value, Mapping):
            if wrong := [key for key in value if not isinstance(key, str)]:
                raise ConfigError(doing, f"{where or 'the file'}: the key {wrong[0]!r} is no text; write it in quotes")
            left += [(f"{where}.{key}".lstrip("."), each, depth + 1) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            left += [(f"{where}.{place}", each, depth + 1) for place, each in enumerate(value)]
        elif not isinstance(value, PLAIN):
            kind = type(value).__name__
            raise ConfigError(
                doing, f"{where}: a {kind} is there ({str(value)[:60]}), where a text or a number belongs"
            )
