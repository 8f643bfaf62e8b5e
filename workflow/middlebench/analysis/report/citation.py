"""How to cite a testbed's results: in the Citation File Format, and as the archive Zenodo takes it.

``CITATION.cff`` is of version 1.2.0 (https://citation-file-format.github.io), ``.zenodo.json`` has the metadata of
https://developers.zenodo.org, "Representation".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from middlebench.analysis.data.publications import Publication
from middlebench.config.authors import Author

CFF, ZENODO = "CITATION.cff", ".zenodo.json"

ORCID = "https://orcid.org/"

KEYWORDS = ("network function virtualization", "middlebox", "service chain", "throughput", "Open vSwitch")


@dataclass(frozen=True)
class Citation:
    """What a citation of results is made of."""

    title: str
    description: str
    date: str
    """Day of the last measurement, as YYYY-MM-DD."""
    authors: Sequence[Author]
    """One at least."""
    licence: str | None
    """SPDX name of the licence of the results; None where nobody chose one."""
    publications: Sequence[Publication]
    """The studies whose values lie among the results."""


def cff(citation: Citation) -> str:
    """Return a citation in the Citation File Format."""
    found = {
        "cff-version": "1.2.0",
        "type": "dataset",
        "message": "If you use these results, please cite them.",
        "title": citation.title,
        "abstract": citation.description,
        "date-released": citation.date,
        "authors": [_cff_author(each) for each in citation.authors],
        "license": citation.licence,
        "keywords": list(KEYWORDS),
        "references": [
            _known(
                type="article",
                title=each.title,
                authors=[{"name": author} for author in each.authors],
                url=each.link,
            )
            for each in citation.publications
        ],
    }
    return yaml.safe_dump(_known(**found), sort_keys=False, allow_unicode=True, width=120)


def zenodo(citation: Citation) -> str:
    """Return a citation as Zenodo's metadata, in JSON."""
    found = {
        "upload_type": "dataset",
        "title": citation.title,
        "description": citation.description,
        "publication_date": citation.date,
        "creators": [_creator(each) for each in citation.authors],
        "access_right": "open",
        "license": citation.licence and citation.licence.lower(),
        "keywords": list(KEYWORDS),
        "references": [f"{', '.join(each.authors)}: {each.title}" for each in citation.publications],
    }
    return json.dumps(_known(**found), indent=2, ensure_ascii=False) + "\n"


def _cff_author(author: Author) -> dict[str, Any]:
    if author.kind == "organisation":
        return {"name": author.name}
    names = {"family-names": author.family_name, "given-names": author.given_names}
    return _known(**names, orcid=author.orcid and ORCID + author.orcid, affiliation=author.affiliation)


def _creator(author: Author) -> dict[str, Any]:
    inverted = author.kind == "person" and author.given_names
    name = f"{author.family_name}, {author.given_names}" if inverted else author.name
    return _known(name=name, orcid=author.orcid, affiliation=author.affiliation)


def _known(**values: Any) -> dict[str, Any]:  # noqa: ANN401 (YAML and JSON)
    """Return what is known of some values."""
    return {name: value for name, value in values.items() if value}
