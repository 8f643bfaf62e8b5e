"""From a description to what one middlebox does: the templates filled in for its place in the chain."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from jinja2.nativetypes import NativeEnvironment

from middlebench.model.functions.description import FunctionDescription
from middlebench.model.functions.function import Function
from middlebench.model.functions.lists import address, filter_rules, search_patterns
from middlebench.model.functions.specification import Specification

TOOLS = {"address": address, "filter_rules": filter_rules, "search_patterns": search_patterns}
"""What templates may call."""
VALUES = NativeEnvironment(undefined=StrictUndefined)
TEXTS = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


def function_at(wanted: Specification, description: FunctionDescription, hop: int) -> Function:
    """Return what the middlebox ``hop`` does.

    Raises:
        ValueError: there is no such parameter, or a template cannot be filled in.
    """
    unknown = [name for name, _ in wanted.parameters if name not in description.parameters]
    if unknown:
        known = ", ".join(description.parameters) or "none"
        raise ValueError(f"function {wanted.name} has no parameter {unknown[0]!r}; it has {known}")
    context: dict[str, Any] = {**TOOLS, "hop": hop}
    values = {**description.parameters, **dict(wanted.parameters)}
    parameters = {name: _value(value, context) for name, value in values.items()}
    context |= parameters

    def text(template: str | None) -> str | None:
        return None if template is None else _compiled(TEXTS, template).render(context)

    return Function(
        name=wanted.name,
        hop=hop,
        parameters=parameters,
        unikernel=" ".join(words.split()) if (words := text(description.unikernel)) is not None else None,
        nftables=text(description.nftables),
        ip_hooks=description.ip_hooks,
        click=text(description.click),
        changes={
            name: (_number(_value(between.first, context)), _number(_value(between.last, context)))
            for name, between in description.probe.changes.items()
        },
        keeps_flows_apart=description.probe.flows == "apart" or not description.probe.changes,
        refuses=tuple(
            {name: _value(value, context) for name, value in fields.items()} for fields in description.refuses
        ),
    )


@functools.cache
def _compiled(environment: Environment, template: str) -> Template:
    """Return a template made ready: each is filled in once for each middlebox of a chain."""
    return environment.from_string(template)


def _value(value: int | str, context: Mapping[str, Any]) -> int | str:
    if not isinstance(value, str) or "{" not in value:
        return value
    filled = _compiled(VALUES, value).render(context)
    return filled if isinstance(filled, int) else str(filled)


def _number(value: int | str) -> int:
    return value if isinstance(value, int) else int(ipaddress.IPv4Address(value))
