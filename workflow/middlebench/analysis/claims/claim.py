"""What the publication claims, as data: each claim with its place in the text and the test that it is put to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from middlebench.analysis.claims.kinds import Kind
from middlebench.analysis.data.curves import Selection
from middlebench.analysis.data.publications import CLAIMS, FOLDER, Text, read_yaml
from middlebench.model.options import Options


class Claim(Options):
    """One statement of the publication that figures can bear out or refute."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    claim: Text
    """The statement, in our words."""
    place: Text
    """Where the publication makes it: section and beginning of the sentence, figure or table."""
    stated: Text
    """The figure or shape that the publication gives."""
    reading: Text
    """What had to be decided to make the publication's words testable."""
    curve: Selection
    """What is looked at."""
    test: Annotated[Kind, Field(discriminator="kind")]
    """How it is judged."""


def _distinct(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    repeated = sorted(name for name, times in Counter(claim.id for claim in claims).items() if times > 1)
    if repeated:
        raise ValueError(f"each id may stand here once, but {', '.join(repeated)} is repeated")
    return claims


class Claims(Options):
    """The file of claims."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1), AfterValidator(_distinct)]


def load_claims(publication: str, folder: Path = FOLDER) -> tuple[Claim, ...]:
    """Return the claims of a publication.

    Raises:
        RecordError: the file cannot be read, or a claim is not what it should be; the message names it.
    """
    return read_yaml(Claims, folder / publication / CLAIMS).claims
