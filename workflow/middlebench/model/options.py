"""The common ground of everything that a user may write into a config file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Options of a driver or of a run: frozen, and with no key that we do not know.

    The sentence under each field is its documentation: the JSON schema and ``config/README.md``
    are made from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
