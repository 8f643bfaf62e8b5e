"""The study as a run of the workflow sees it, in one file: every job reads it, and derives all else from its target.

The file ``study.json`` in the results folder is written once a run, after the config was checked. A verb of the
command line takes it and the path of what it is to make.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from middlebench.config.checks import check_flows, check_frame_sizes
from middlebench.config.functions import check_functions, functions_of, load_functions
from middlebench.config.study import Study
from middlebench.config.testbed import TestbedOptions, composed
from middlebench.model.cell import LONGEST_CHAIN, Cell, deployment_values
from middlebench.model.functions.description import FunctionDescription
from middlebench.model.functions.function import FORWARD, Function
from middlebench.model.options import Options
from middlebench.model.record_file import read, write
from middlebench.system.errors import ConfigError
from middlebench.system.text import suggestion

NAME = "study.json"


def new_session() -> str:
    """Return a name for a run of the workflow: when it began (UTC), on which computer, in which process."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}Z-{socket.gethostname()}-{os.getpid()}"


class StudyFile(Options):
    """The checked study, its testbeds as composed, and the run that it belongs to."""

    format: Literal["middlebench-study/1"] = "middlebench-study/1"
    session: str
    """The run of the workflow: all its jobs are of one session."""
    study: Study
    testbeds: dict[str, dict[str, Any]]
    """The composition of each testbed, by its name."""
    functions: dict[str, FunctionDescription] = {}  # noqa: RUF012 (pydantic copies it)
    """The descriptions of the functions beside forwarding, by name; none where all forward."""

    def testbed(self, name: str) -> TestbedOptions:
        """Return the composition of a testbed.

        Raises:
            ConfigError: the study has no such testbed.
        """
        if name not in self.testbeds:
            raise ConfigError(
                f"looking for testbed {name} in {NAME}",
                f"the study has no such testbed, only {', '.join(sorted(self.testbeds))}",
                f"name it in `testbeds`, or ask Snakemake for the target: it notes the testbed in {NAME}",
            )
        return composed(self.testbeds[name], f"{NAME}, testbed {name}")


@dataclass(frozen=True)
class Target:
    """What one job is to make: a path in the results folder, and what follows from it."""

    file: StudyFile
    path: Path
    """The path as it was given."""
    testbed: str
    """The testbed whose results it belongs to."""
    folder: Path
    """The results folder of that testbed."""
    key: str
    """The path below that folder."""

    @property
    def provision(self) -> Path:
        """The testbed's provision record."""
        return self.folder / "provision.json"

    @property
    def cell(self) -> Cell:
        """The cell whose record it is.

        Raises:
            ConfigError: it is no cell's record, the testbed cannot carry such frames, or there are too few flows.
        """
        key = self.key.removeprefix("cells/").removesuffix(".json")
        cell = Cell.of_key(self.testbed, key) if self.key == f"cells/{key}.json" else None
        if cell is None:
            raise no_cell(self.testbed, key, self.file.study, self.folder.parent)
        testbed, doing = self.file.testbed(self.testbed), f"measuring {self.path}"
        check_frame_sizes([cell.frame_bytes], self.file.study.flows, self.testbed, testbed, doing)
        check_flows(cell.topology, cell.n, self.file.study.flows, doing)
        return cell

    def functions(self, text: str, n: int) -> Sequence[Function]:
        """Return what each of n middleboxes does; none where all forward.

        Raises:
            ConfigError: there is no such function, or the testbed's middleboxes do not have it.
        """
        if text == FORWARD:
            return ()
        known = self.file.functions or load_functions()
        check_functions([text], self.testbed, self.file.testbed(self.testbed).middlebox, known, f"making {self.path}")
        return functions_of(text, n, known)

    @property
    def deployment(self) -> Mapping[str, Any]:
        """The values of the deployed axes, where it is a deployment's record.

        Raises:
            ConfigError: it is none.
        """
        key = self.key.removeprefix("deployments/").removesuffix(".json")
        values = deployment_values(key) if self.key == f"deployments/{key}.json" else None
        if values is None:
            raise ConfigError(
                f"deploying {self.path}",
                "this is no deployment's record",
                f"name one such as {self.folder}/{self.file.study.cells(self.testbed)[0].deployment_path}",
            )
        return values


def no_cell(testbed: str, key: str, study: Study, results: Path | str) -> ConfigError:
    """Return the error that says that a path is no cell's record, and which record it might have meant."""
    known = [cell.key for cell in study.cells(testbed)]
    return ConfigError(
        f"looking for the cell {results}/{testbed}/cells/{key}.json",
        "there is no such cell",
        f"name one such as {results}/{testbed}/cells/{known[0]}.json, with chains of up to {LONGEST_CHAIN}"
        + suggestion(key, known),
    )


def target_of(path: Path, study_file: Path | None = None) -> Target:
    """Return what a path in a results folder stands for.

    Without ``study_file`` its study is the one in the results folder that it lies in.

    Raises:
        ConfigError: no study's file is there, or the path lies in no testbed's results.
        RecordError: the study's file is damaged.
    """
    whole = path.resolve()
    found = study_file or next((folder / NAME for folder in whole.parents if (folder / NAME).is_file()), None)
    if found is None:
        raise ConfigError(
            f"looking for the study of {path}",
            f"no folder above it has a {NAME}",
            "`snakemake --cores 1 -- TARGET` writes it and makes the target; or name the file by `--study`",
        )
    results = found.resolve().parent
    if not whole.is_relative_to(results) or len(whole.relative_to(results).parts) < 2:
        raise ConfigError(
            f"looking for the testbed of {path}", f"it lies in no testbed's folder below {results}", "see the path"
        )
    below = PurePosixPath(whole.relative_to(results))
    testbed = below.parts[0]
    return Target(
        file=read(StudyFile, found, strict=False),
        path=path,
        testbed=testbed,
        folder=path.parents[len(below.parts) - 2],
        key=str(PurePosixPath(*below.parts[1:])),
    )


def write_study(session: str, study: Study, testbeds: Mapping[str, TestbedOptions], results: Path) -> None:
    """Write the study's file of a run into its results folder, whole or not at all."""
    compositions = {name: testbed.model_dump(mode="json") for name, testbed in testbeds.items()}
    functions = {} if study.functions == (FORWARD,) else load_functions()
    file = StudyFile(session=session, study=study, testbeds=compositions, functions=functions)
    write(file, results / NAME)
