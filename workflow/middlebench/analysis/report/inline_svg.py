"""A figure as a part of a page: its points stay links, its names do not meet those of other figures."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping

LINK = re.compile(r'<a xlink:href="#([^"]+)"[^>]*>')
"""A point of an inline figure that leads to a part of its page. Only figures have links of this form."""


def inline(svg: str, place: str = "") -> str:
    """Return a figure of Matplotlib, the text of its file, as an element of the report's page.

    Args:
        svg: the text of the file.
        place: where on the page it stands, if the same figure stands on it elsewhere too.
    """
    title, name = _title(svg), f"figure-{hashlib.sha256(f'{place}{svg}'.encode()).hexdigest()[:8]}"
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = body.replace(' target="_blank"', "")  # a point leads to a part of the same page
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\1{name}-", body)
    return body.replace("<svg", f'<svg role="group" aria-label="{html.escape(title)}"', 1).strip()


def say_where_links_lead(page: str, parts: Mapping[str, str]) -> str:
    """Return a page in which each point of a figure that leads to one of its parts says what is there.

    Args:
        page: HTML with inline figures.
        parts: by anchor, what a part of the page is of: shown when the pointer rests on the point, and read aloud.
    """

    def with_title(link: re.Match[str]) -> str:
        words = parts.get(link[1])
        return f"{link[0]}<title>{html.escape(words)}</title>" if words else link[0]

    return LINK.sub(with_title, page)


def _title(svg: str) -> str:
    found = re.search(r"<dc:title>(.*?)</dc:title>", svg, flags=re.DOTALL)
    return html.unescape(found[1]) if found else "figure"
