"""The common ground of everything that a user may write into a config file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""How many of something."""


class Options(BaseModel):
    """Options of a driver or of a run: frozen, and with no key that we do not know.

    The sentence under each field is its documentation: the JSON schema and ``config/README.md``
    are made from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
