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
    licence = {"license": citation.licence} if citation.licence else {}
    found = {
        "cff-version": "1.2.0",
        "type": "dataset",
        "message": "If you use these results, please cite them.",
        "title": citation.title,
        "abstract": citation.description,
        "date-released": citation.date,
        "authors": [_cff_author(each) for each in citation.authors],
        **licence,
        "keywords": list(KEYWORDS),
        "references": [
            {
                "type": "article",
                "title": each.title,
                "authors": [{"name": author} for author in each.authors],
                **({"url": each.link} if each.link else {}),
            }
            for each in citation.publications
        ],
    }
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120)


def zenodo(citation: Citation) -> str:
    """Return a citation as Zenodo's metadata, in JSON."""
    licence = {"license": citation.licence.lower()} if citation.licence else {}
    found = {
        "upload_type": "dataset",
        "title": citation.title,
        "description": citation.description,
        "publication_date": citation.date,
        "creators": [_creator(each) for each in citation.authors],
        "access_right": "open",
        **licence,
        "keywords": list(KEYWORDS),
        "references": [f"{', '.join(each.authors)}: {each.title}" for each in citation.publications],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _cff_author(author: Author) -> dict[str, str]:
    if author.kind == "organisation":
        return {"name": author.name}
    given = {"given-names": author.given_names} if author.given_names else {}
    orcid = {"orcid": ORCID + author.orcid} if author.orcid else {}
    affiliation = {"affiliation": author.affiliation} if author.affiliation else {}
    return {"family-names": author.family_name, **given, **orcid, **affiliation}


def _creator(author: Author) -> dict[str, Any]:
    inverted = f"{author.family_name}, {author.given_names}" if author.given_names else author.name
    rest = {"orcid": author.orcid, "affiliation": author.affiliation}
    name = author.name if author.kind == "organisation" else inverted
    return {"name": name} | {key: value for key, value in rest.items() if value}
