"""Writes records of all kinds, and reads them back: what cannot be believed is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from middlebench.model.consistency import contradictions
from middlebench.model.options import Options
from middlebench.model.record import Record
from middlebench.system.errors import RecordError
from middlebench.system.files import write_text

MOST_PROBLEMS = 5
"""How many contradictions of a record a message names."""

_Model = TypeVar("_Model", bound=Options)


def read(model: type[_Model], path: Path, *, strict: bool = True) -> _Model:
    """Return the record in ``path``.

    With ``strict``, a value of another type that means the same is refused (``true`` or ``"1"`` for 1).

    Raises:
        RecordError: the file is not there, cannot be read, or is not such a record.
    """
    try:
        text = path.read_bytes()
        found = model.model_validate_json(text, strict=strict)
    except FileNotFoundError as error:
        advice = "`snakemake --cores 1 -- all` makes what is missing"
        raise RecordError(f"reading {path}", "there is no such file", advice) from error
    except OSError as error:
        advice = "see that it is a file, and that you may read it"
        raise RecordError(f"reading {path}", str(error.strerror), advice) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        happened = f"it is not a {model.__name__} record: {key}: {first['msg']}"
        raise RecordError(f"reading {path}", happened, "remove it, and run the same command again") from error
    if isinstance(found, Record) and (problems := _problems(found, json.loads(text))):
        happened = "it is not valid: " + "; ".join(problems[:MOST_PROBLEMS])
        raise RecordError(f"reading {path}", happened, "remove it to have its cell measured again")
    return found


def _problems(found: Record, written: Mapping[str, Any]) -> list[str]:
    """Return in what a record contradicts itself, or is not what was written."""
    changed = found.digest and found.digest != content_digest(written)
    return contradictions(found) + (["its content was changed after it was written"] if changed else [])


def content_digest(written: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what stands in a record's file, its digest left out.

    Of the file's own values, so that a record stays valid where later versions have keys more.
    """
    text = json.dumps({key: value for key, value in written.items() if key != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write(record: Options, path: Path) -> None:
    """Write a record to ``path``, whole or not at all."""
    if isinstance(record, Record):
        record = record.model_copy(update={"digest": content_digest(record.model_dump(mode="json"))})
    write_text(path, record.model_dump_json(indent=1) + "\n")
