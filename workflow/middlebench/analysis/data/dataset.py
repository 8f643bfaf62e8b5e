"""A dataset: all that is on disk of one testbed, or of a publication, ready for tables, figures and the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from middlebench.analysis.data import publications, searches
from middlebench.analysis.data.environments import facts_of, note_of
from middlebench.analysis.data.flags import EMULATED
from middlebench.analysis.data.measurements import cell_of, from_rows, of_one_size, read_measurements
from middlebench.model.cell import AXES
from middlebench.model.deployment import Deployment
from middlebench.model.environment import Environment, recall
from middlebench.model.mix import size_shown
from middlebench.model.provision import Provision
from middlebench.model.quarantine import Quarantine, quarantine_of
from middlebench.model.record import Record
from middlebench.model.record_file import read
from middlebench.system.errors import RecordError

RESULTS = Path("results")

_Value = TypeVar("_Value")

Plan = Mapping[str, Any]
"""A plan as a deployment record holds it (:class:`middlebench.model.plan.Plan`)."""


@dataclass(frozen=True)
class Dataset:
    """One testbed's results, or a publication's."""

    name: str
    """The testbed or the publication."""
    measurements: pd.DataFrame
    """Of frames of one size: what goes by frame size has no place for a mix."""
    plans: Mapping[int, Plan]
    """The chain plan that ran, by chain length."""
    facts: Mapping[str, Any]
    """What tells the testbed from another, of the environment of most cells; may be nested."""
    description: str = ""
    """What the testbed's author says of it."""
    choices: tuple[Mapping[str, Any], ...] = ()
    """The alternatives that were tried where the configuration left the choice to us."""
    deployments: tuple[Deployment, ...] = field(default=(), repr=False)
    """What it took to deploy each chain, by length."""
    kind: Mapping[str, str] = field(default_factory=dict)
    """How the middleboxes of these measurements are joined, and what they do, by the fields of these axes."""
    all_records: tuple[Record, ...] = field(default=(), repr=False)
    """Every cell's record, of all topologies and functions; none of published data."""
    mixes: pd.DataFrame = field(default_factory=lambda: from_rows(()), repr=False)
    """The measurements of mixes of frame sizes."""
    environments: Mapping[str, Environment] = field(default_factory=dict, repr=False)
    """The environments that cells were measured in, by id, that of most cells first; none of published data."""
    publication: publications.Publication | None = None
    """What the publication is; None of a testbed."""
    quarantine: Quarantine | None = None
    """Why the testbed is measured on no more; None where it is."""
    server_cpus: int | None = None
    """Processors that the middlebox server has; None when unknown."""

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The records of these measurements, of mixes too."""
        return self.records_along("")

    @property
    def link_bps(self) -> float | None:
        """Line rate of the links in bits/s; None when unknown, or when cells differ in it."""
        if self.publication:
            return self.publication.link_bps
        return only(record.link_bps for record in self.records)

    @property
    def setups(self) -> list[dict[str, Any]]:
        """The distinct ways in which cells were measured: one, unless settings changed between runs."""
        if each := self.publication:
            window = {} if isnan(each.window_s) else {"window_s": each.window_s}
            return [_setup(window, each.components.model_dump(), each.link_bps)]
        found = [
            _setup(each.settings.model_dump(), each.components.model_dump(), each.link_bps) for each in self.records
        ]
        return [setup for place, setup in enumerate(found) if setup not in found[:place]]

    @property
    def middlebox(self) -> str:
        """What forwards, in the driver's words."""
        return " / ".join(sorted(set(self.every_size["middlebox"])))

    @cached_property
    def every_size(self) -> pd.DataFrame:
        """The measurements of frames of one size and of mixes, these last; for tables and lists."""
        return pd.concat([self.measurements, self.mixes], ignore_index=True) if len(self.mixes) else self.measurements

    @property
    def note_by_size(self) -> str:
        """What a title must say besides where what it stands above goes by frame size: which mixes are left out."""
        left_out = [f"{size_shown(mix)} left out" for mix in sorted(set(self.mixes["frame_mix"]))]
        return ", ".join(filter(None, (self.note, *left_out)))

    @cached_property
    def note(self) -> str:
        """What every title must say of this dataset; empty when nothing."""
        flagged = any(EMULATED in flags.split(";") for flags in self.every_size["flags"])
        emulated = flagged or any(each.emulated for each in self.environments.values())
        return ", ".join(
            filter(None, (EMULATED if emulated else "", note_of(self.every_size), searches.note_of(self.every_size)))
        )

    def plan_nearest(self, length: int) -> Plan:
        """Return the plan that ran of this chain length, or of the length nearest to it.

        Raises:
            RecordError: no chain was deployed.
        """
        if not self.plans:
            raise RecordError(f"looking for a chain plan of {self.name}", "there is no deployment record")
        return self.plans[min(self.plans, key=lambda n: (abs(n - length), n))]

    def records_along(self, axis: str) -> tuple[Record, ...]:
        """Return the records of all values of one axis, such as ``function``, that are in all else of the same kind."""
        others = {field: value for field, value in self.kind.items() if field != axis}
        return tuple(
            record
            for record in self.all_records
            if all(getattr(record.cell, field) == value for field, value in others.items())
        )


def load_dataset(name: str, results: Path = RESULTS, published: Path = publications.FOLDER) -> Dataset:
    """Return a publication's dataset from its folder, or a testbed's from its results.

    Raises:
        RecordError: a file is missing or is not what it should be.
    """
    return _published(name, published) if name in publications.names_in(published) else _measured(name, results / name)


def _published(name: str, folder: Path) -> Dataset:
    """Return a publication's values, with the shortest and the longest of its chains."""
    publication = publications.load_publication(name, folder)
    measurements = publications.load_cells(name, folder)
    lengths = {int(measurements["n"].min()), int(measurements["n"].max())}
    return Dataset(
        name=name,
        measurements=measurements,
        plans={length: publications.plan_of(publication, length) for length in sorted(lengths)},
        facts={"source": {"citation": publication.citation, "link": publication.link}, **publication.facts},
        description=publication.reading,
        server_cpus=publication.server_cpus,
        publication=publication,
    )


def _measured(name: str, folder: Path) -> Dataset:
    """Return what a sweep has left in a testbed's results folder."""
    whole = read_measurements(folder / "measurements.csv")
    kind = main_kind(whole)
    measurements = of_main_kind(whole)
    provision = read(Provision, folder / "provision.json")
    environments = {
        identity: recall(identity, folder)
        for identity in list(measurements["environment"].value_counts().index) or [provision.environment]
    }
    cells = map(cell_of, measurements.to_dict("records"))
    deployments = sorted(
        (read(Deployment, folder / path) for path in dict.fromkeys(cell.deployment_path for cell in cells)),
        key=lambda deployment: int(deployment.plan["n"]),
    )
    return Dataset(
        name=name,
        measurements=of_one_size(measurements),
        mixes=measurements[measurements["frame_mix"] != ""],
        plans={int(deployment.plan["n"]): deployment.plan for deployment in deployments},
        facts=facts_of(environments[next(iter(environments))]),
        environments=environments,
        kind=kind,
        all_records=tuple(read(Record, folder / str(path)) for path in whole["record"]),
        description=provision.description,
        choices=provision.choices,
        deployments=tuple(deployments),
        quarantine=quarantine_of(folder),
        server_cpus=only(
            each.middlebox_server.cores if each.middlebox_server else None for each in environments.values()
        ),
    )


def main_kind(measurements: pd.DataFrame) -> dict[str, str]:
    """Return the topology and the function that tables and figures are of, by field.

    They are the paper's where those were measured, else the first ones.
    """
    kind = {}
    for axis in AXES:
        if axis.default is not None:
            measured = [*measurements[axis.field].unique()]
            kind[axis.field] = axis.default if axis.default in measured or not measured else str(measured[0])
            measurements = measurements[measurements[axis.field] == kind[axis.field]]
    return kind


def _setup(settings: Mapping[str, Any], components: Mapping[str, str], link_bps: float | None) -> dict[str, Any]:
    return {**settings, **components, "link_mbps": link_bps / 1e6 if link_bps else ""}


def of_main_kind(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the measurements of the topology and the function that tables and figures are of."""
    kind = main_kind(measurements)
    return measurements[(measurements[list(kind)] == pd.Series(kind)).all(axis=1)].reset_index(drop=True)


def only(values: Iterable[_Value]) -> _Value | None:
    """Return the value that all of these are; None where they differ, or there is none."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None
