"""The environment as it is now, noted in a file so that the workflow sees a change of it.

The file is written again only when its content changes. Cells that were measured with another content
are then out of date for Snakemake, which compares small inputs by their content: a change back makes
the cells of before valid again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from middlebench.config.testbed import TestbedOptions
from middlebench.model.environment import Environment, recall
from middlebench.model.provision import Provision
from middlebench.model.record_file import read
from middlebench.system.errors import MiddlebenchError, RecordError
from middlebench.system.files import write_text
from middlebench.testbed import environment_of, site_of

FOLDER = Path("build/environments")
NOBODY_KNOWS = "null\n"
"""What the file says of a testbed that was never seen."""


def noted(testbed: str) -> Path:
    """Return the file in which a testbed's present environment is noted."""
    return FOLDER / f"{testbed}.json"


def look(name: str, options: TestbedOptions, results: Path, tell: Callable[[str], None]) -> Environment | None:
    """Look at a testbed's environment, without opening the testbed, and note it; return it.

    Where a host cannot be reached, the environment of the last time is taken to be there still, and
    that is told: what was seen by the last run, or else by the provision record.

    Returns:
        What can be told of it before the testbed stands; None where nothing ever was.
    """
    file = noted(name)
    try:
        now: Environment | None = environment_of(site_of(name, options), options).before_it_stands()
    except MiddlebenchError as error:
        tell(
            f"testbed {name}: its environment cannot be read now; that of the last run is assumed "
            f"({error.doing}: {error.happened})"
        )
        now = _last_time(file, results)
    _note(file, NOBODY_KNOWS if now is None else now.model_dump_json(indent=1) + "\n")
    return now


def leave_open(testbed: str) -> None:
    """Note that nobody knows a testbed's environment: each of its jobs then reads it where it runs."""
    _note(noted(testbed), NOBODY_KNOWS)


def _note(file: Path, text: str) -> None:
    if not file.exists() or file.read_bytes() != text.encode():
        write_text(file, text)


def _last_time(file: Path, results: Path) -> Environment | None:
    with suppress(RecordError):
        return read(Environment, file)
    with suppress(RecordError):
        return recall(read(Provision, results / "provision.json").environment, results).before_it_stands()
    return None


def stands_in(seen: Path, known: Environment) -> bool:
    """Whether a run that noted ``seen`` found what can be told of ``known`` before a testbed stands."""
    try:
        return read(Environment, seen) == known.before_it_stands()
    except RecordError:
        return False
