"""Who answers for the results, and on what terms others may use them: what an archive asks of whoever publishes."""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from middlebench.model.options import Options


def _orcid(text: str) -> str:
    """Return an ORCID iD if its check digit is right (ISO 7064, MOD 11-2; https://support.orcid.org)."""
    digits = text.replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    if digits[-1] != "0123456789X"[(12 - total % 11) % 11]:
        raise ValueError("its check digit is wrong; an ORCID iD is such as 0000-0002-1825-0097")
    return text


def _licence(text: str) -> str:
    """Return the SPDX name of a licence as SPDX writes it."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    name = ""
    with contextlib.suppress(InvalidLicenseExpression):
        name = str(canonicalize_license_expression(text))
    if not name or " " in name:
        raise ValueError("the SPDX name of one licence is wanted, such as CC-BY-4.0 (https://spdx.org/licenses)")
    return name


Orcid = Annotated[str, Field(pattern=r"^(\d{4}-){3}\d{3}[\dX]$"), AfterValidator(_orcid)]
Licence = Annotated[str, AfterValidator(_licence)]
Words = Annotated[str, Field(min_length=1)]


class Author(Options):
    """A person or an organisation that answers for the results."""

    name: Words
    """Name of the person, family name last, or of the organisation."""
    kind: Literal["person", "organisation"] = "person"
    """What the author is."""
    orcid: Orcid | None = None
    """The person's ORCID iD, such as `0000-0002-1825-0097`."""
    affiliation: Words | None = None
    """Organisation that the person works for."""

    @model_validator(mode="after")
    def _persons_only(self) -> Author:
        if self.kind == "organisation" and (self.orcid or self.affiliation):
            raise ValueError("orcid and affiliation are a person's; leave them out for an organisation")
        return self

    @property
    def family_name(self) -> str:
        """The last word of the name."""
        return self.name.split()[-1]

    @property
    def given_names(self) -> str:
        """All words of the name but the last; may be empty."""
        return " ".join(self.name.split()[:-1])
