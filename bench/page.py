"""The page docs/performance.md: each part of the bench writes a section of its own and leaves the others alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from middlebench.system.files import write_text

PAGE = Path("docs/performance.md")


def write_section(heading: str, lines: Sequence[str]) -> None:
    """Write one section of the page, in the place of the one of that heading if it is there."""
    head, *sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    bodies = {title: body.strip() for title, _, body in (each.partition("\n") for each in sections)}
    bodies[heading] = "\n".join(lines).strip()
    parts = [head.strip(), *(f"## {title}\n\n{body}" for title, body in bodies.items())]
    write_text(PAGE, "\n\n".join(parts) + "\n")
