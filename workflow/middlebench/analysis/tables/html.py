"""HTML from the templates in ``workflow/report``, in which every value is escaped and none may be missing."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from middlebench.system.text import plural

TEMPLATES = Path(__file__).parents[3] / "report"
CODE = re.compile("`([^`]+)`")


def render(template: str, **values: object) -> str:
    """Return a template of ``workflow/report``, filled in."""
    return _environment().get_template(f"{template}.html.jinja").render(**values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": _with_code, "unbroken": _unbroken}
    environment.globals["plural"] = plural
    return environment


def _with_code(text: str) -> Markup:
    """Return text as HTML, what stands between backticks as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


def _unbroken(text: str) -> Markup:
    """Return text as HTML in which no line ends between a number and what belongs to it."""
    return Markup(re.sub(r" (?=[%±=])|(?<=[±=]) |(?<=\d) (?=B\b|Mb/s)", "&nbsp;", str(escape(text))))
