"""Makes the config's JSON schema and ``config/README.md`` from the models, so that they cannot disagree."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import json
import operator
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from middlebench.config import drivers
from middlebench.config.study import Study
from middlebench.config.testbed import TestbedOptions
from middlebench.model.options import Options

SCHEMA_FILE = Path("config/config.schema.json")
TESTBED_SCHEMA_FILE = Path("config/testbed.schema.json")
README_FILE = Path("config/README.md")

DIALECT = "https://json-schema.org/draft/2020-12/schema"

INTRODUCTION = """# Configuration

This page is made from the models in `workflow/middlebench/config` and of the drivers by `make docs`; change it there.

Two kinds of file say what a run does. Both refuse keys and values that they do not know, before anything is touched.

- `config/config.yaml`: what to sweep, and how hard. Any key can be given for one run on the command line:
  `snakemake --cores 1 --config trial=paper -- all`.
- `config/testbeds/NAME.yaml`: one testbed each, composed of drivers. `testbeds: [NAME, …]` in `config.yaml` chooses
  which of them a run sweeps; their results lie side by side in `results/NAME/`.
"""


def _any_testbed() -> type[TestbedOptions]:
    """Return the model of a testbed in which every part may be any driver's."""
    parts: dict[str, Any] = {}
    for part in drivers.FOLDERS:
        options: Any = functools.reduce(operator.or_, drivers.all_options(part).values())
        meaning = TestbedOptions.model_fields[part].description
        parts[part] = (Annotated[options, Field(discriminator="driver", description=meaning)], ...)
    return create_model("Testbed", __base__=TestbedOptions, **parts)


def schema(model: type[Options]) -> str:
    """Return a model's JSON schema as text."""
    return json.dumps({"$schema": DIALECT, **_described(model)}, indent=2) + "\n"


def readme() -> str:
    """Return the text of ``config/README.md``."""
    parts = [INTRODUCTION, "## `config/config.yaml`\n", *_section(Study)]
    parts += ["## `config/testbeds/NAME.yaml`\n", *_section(TestbedOptions)]
    for part in drivers.FOLDERS:
        for name, options in drivers.all_options(part).items():
            parts += [f"### `{part}` with `driver: {name}`\n", *_section(options, f"{part}.")]
    return "\n".join(parts)


def files() -> dict[Path, str]:
    """Return every generated file's path, relative to the project, and its text."""
    return {SCHEMA_FILE: schema(Study), TESTBED_SCHEMA_FILE: schema(_any_testbed()), README_FILE: readme()}


class _WithDocstrings(GenerateJsonSchema):
    """Takes each field's description from the sentence under it.

    pydantic does the same when a model is made (``use_attribute_docstrings``), but every job would then
    pay for parsing our sources.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        for model in reversed(schema["cls"].__mro__):
            if not issubclass(model, Options):
                continue
            for name, text in _sentences(model).items():
                if name in described.get("properties", {}):
                    described["properties"][name]["description"] = text
        return described


def _sentences(model: type[Options]) -> dict[str, str]:
    """Return the sentence under each field that a model itself defines, by the field's name."""
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except OSError:  # a model that was put together here
        return {}
    found = {}
    for field, sentence in itertools.pairwise(getattr(definition, "body", [])):
        match field, sentence:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def _described(model: type[Options]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=_WithDocstrings)


def _section(model: type[Options], prefix: str = "") -> Iterator[str]:
    described = _described(model)
    definitions = described.get("$defs", {})
    properties = described["properties"]
    if "const" in properties.get("driver", {}):
        yield properties.pop("driver")["description"].replace("\n", " ") + "\n"
    for part in drivers.FOLDERS:
        if model is TestbedOptions:
            properties[part] = {"description": properties[part]["description"], "type": "driver"}
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    yield from _rows(described, definitions, prefix)
    yield ""


def _rows(described: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = described.get("required", [])
    for key, value in described.get("properties", {}).items():
        given = json.dumps(value.get("default")).strip('"')
        default = "required" if key in required else f"`{given}`"
        nested = list(_models(value, definitions))
        if "default" in value and isinstance(value["default"], dict):
            default = "all defaults"
        meaning = value.get("description", "").replace("\n", " ")
        yield f"| `{prefix}{key}` | {_kind(value, definitions)} | {default} | {meaning} |"
        for model in nested:
            inner = f"{prefix}{key}."
            if _named_values(value):
                inner += "NAME."
            yield from _rows(model, definitions, inner)


def _models(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in value:
        yield definitions[value["$ref"].rpartition("/")[2]]
    items = [value["items"]] if isinstance(value.get("items"), dict) else []
    for option in (*value.get("oneOf", ()), *value.get("anyOf", ()), *items):
        yield from _models(option, definitions)
    yield from (model for each in _named_values(value) for model in _models(each, definitions))


def _named_values(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas of values that stand under any name, or under any name of a pattern."""
    found = [value.get("additionalProperties"), *value.get("patternProperties", {}).values()]
    return [each for each in found if isinstance(each, dict)]


def _kind(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return in a few words what may stand for a value."""
    options = [*value.get("oneOf", ()), *value.get("anyOf", ())]
    if options:
        return " or ".join(dict.fromkeys(_kind(option, definitions) for option in options))
    if "$ref" in value or _named_values(value):
        return "keys below"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{each}`" for each in value["enum"])
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}), definitions)}"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "driver": "keys of its driver, below",
        "boolean": "`true` or `false`",
        "null": "`null`",
    }
    kind = words.get(value.get("type", ""), "value")
    limits = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {value[key]:g}" for key, sign in limits.items() if key in value)])
