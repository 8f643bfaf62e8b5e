"""A figure as a part of a page: its points stay links, its names do not meet those of other figures."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping

PAGE_COLORS = {"#000000": "--ink", "#ffffff": "--paper", "#6b6b6b": "--soft", "#e2e2e2": "--line"}
"""Colours of a figure that are the page's own, which differ in the dark; the others mean something and stay."""

COLOR = re.compile(rf"\b(fill|stroke): ({'|'.join(PAGE_COLORS)})\b")

LINK = re.compile(r'<a xlink:href="#([^"]+)"[^>]*>')
"""A point of an inline figure that leads to a part of its page. Only figures have links of this form."""


def inline(svg: str, place: str = "") -> str:
    """Return a figure of Matplotlib, the text of its file, as an element of the report's page.

    ``place`` tells where on the page it stands, if the same figure stands on it elsewhere too.
    """
    title, name = _told(svg, "title"), f"figure-{hashlib.sha256(f'{place}{svg}'.encode()).hexdigest()[:8]}"
    words = _told(svg, "description")
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = body.replace(' target="_blank"', "")  # a point leads to a part of the same page
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\1{name}-", body)
    body = COLOR.sub(lambda found: f"{found[1]}: var({PAGE_COLORS[found[2]]})", body)
    body = body.replace("<svg", f'<svg role="group" aria-label="{html.escape(title)}"', 1).strip()
    return re.sub(r"(<svg[^>]*>)", rf"\1<desc>{html.escape(words)}</desc>", body, count=1) if words else body


def say_where_links_lead(page: str, parts: Mapping[str, str]) -> str:
    """Return a page in which each point of a figure that leads to one of its parts says what is there.

    ``parts`` says by anchor what a part of the page is of: shown when the pointer rests on the point, and read aloud.
    """

    def with_title(link: re.Match[str]) -> str:
        words = parts.get(link[1])
        start = f'{link[0][:-1]} tabindex="-1">'  # hundreds of stops; the tables lead to the same parts
        return f"{start}<title>{html.escape(words)}</title>" if words else start

    return LINK.sub(with_title, page)


def _told(svg: str, element: str) -> str:
    """Return what a figure's file says of it in an element of Dublin Core."""
    found = re.search(rf"<dc:{element}>(.*?)</dc:{element}>", svg, flags=re.DOTALL)
    return html.unescape(found[1]) if found else ""
