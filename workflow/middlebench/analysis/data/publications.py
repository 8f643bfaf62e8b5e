"""Published studies as datasets: a folder each, of which the library knows the form and nothing else.

``data/publications/NAME`` holds ``publication.yaml`` (:class:`Publication`), ``cells.csv`` (a row for each cell) and,
where the study claims what figures can bear out or refute, ``claims.yaml``. What a study does not give is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from middlebench.analysis.data.measurements import from_rows
from middlebench.model import frames, topologies
from middlebench.model.options import Options
from middlebench.model.plan import Path as FramePath
from middlebench.system.errors import RecordError
from middlebench.system.project import PROJECT

FOLDER = PROJECT / "data" / "publications"

CLAIMS = "claims.yaml"

RATES = ("offered_kpps", "offered_mbps", "offered_raw_mbps", "received_kpps", "received_mbps")
"""The columns of ``cells.csv`` that hold values, in kpkt/s and Mb/s; a study gives at least a received one."""

HELP = "see data/publications/README.md for the form of a publication"

Text = Annotated[str, Field(min_length=1)]
_Model = TypeVar("_Model", bound=Options)


class Components(Options):
    """What switched, forwarded and generated."""

    switch: Text
    middlebox: Text
    generator: Text


class Publication(Options):
    """What a published study is, and how its values were read."""

    title: Text
    authors: Annotated[tuple[Text, ...], Field(min_length=1)]
    year: int | None = None
    place: str = ""
    """Journal, conference or repository."""
    link: str = ""
    """DOI or address."""
    label: Text
    """What a legend calls it."""
    reading: Text
    """How the values were read, and what to be careful with."""
    cells: Mapping[str, str | int] = Field(default_factory=dict)
    """Which rows of ``cells.csv`` are the dataset: the value of each named column. All rows without it."""
    components: Components
    uplinks: tuple[Text, Text]
    """The middlebox server's ports, for the diagrams."""
    window_s: float = float("nan")
    """Seconds over which each rate was averaged; missing where the study does not say."""
    link_bps: float | None = None
    """Rate of the links in bits/s; none where the study does not say."""
    server_cpus: int | None = None
    """Processor cores of the middlebox server."""
    facts: Mapping[str, Any]
    """What the study says of its machines and its method."""

    @property
    def citation(self) -> str:
        """Authors, title, place and year in one line."""
        return ", ".join(filter(None, [*self.authors, self.title, self.place, str(self.year or "")]))


def names_in(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the publications in a folder, in order."""
    return tuple(sorted(path.parent.name for path in folder.glob("*/publication.yaml")))


@cache
def is_published(dataset: str) -> bool:
    """Return whether a dataset of this name is a publication."""
    return dataset in names_in()


def are_published(cells: pd.DataFrame) -> bool:
    """Return whether all of these cells (or rows of a summary), of which there are some, were published."""
    return len(cells) > 0 and all(map(is_published, set(cells["testbed"])))


def load_publication(name: str, folder: Path = FOLDER) -> Publication:
    """Return what a publication is.

    Raises:
        RecordError: the file cannot be read, or a value in it is not what it should be.
    """
    return read_yaml(Publication, folder / name / "publication.yaml")


def read_yaml(model: type[_Model], path: Path) -> _Model:
    """Return what a YAML file of a publication says.

    Raises:
        RecordError: the file cannot be read, or a value in it is not what it should be; the message names it.
    """
    doing = f"reading {path}"
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise RecordError(doing, str(error), HELP) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(doing, f"{where}: {first['msg']} (found: {first['input']!r})", HELP) from error


def load_table(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """Return every published value of a publication, those too that are not in its dataset.

    Raises:
        RecordError: the file cannot be read, or a column that every publication has is missing.
    """
    path = folder / name / "cells.csv"
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RecordError(f"reading {path}", str(error), HELP) from error
    missing = [column for column in ("n", "frame_bytes") if column not in table]
    if missing or not {"received_kpps", "received_mbps"} & set(table):
        raise RecordError(
            f"reading {path}",
            f"columns are {', '.join(table.columns)}",
            f"needed: n, frame_bytes and received_kpps or received_mbps; known besides: {', '.join(RATES)}",
        )
    return table


def load_cells(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """Return a publication's dataset as measurements of a testbed of its name.

    Of the received rate and throughput the one that is not given follows from the other. Losses are those of the
    rates, where both are given.

    Raises:
        RecordError: a file cannot be read, or its dataset has two values of one cell or none at all.
    """
    publication, table = load_publication(name, folder), load_table(name, folder)
    for column, wanted in publication.cells.items():
        if column not in table:
            raise RecordError(f"reading {folder / name}", f"cells.csv has no column {column!r}", HELP)
        table = table[table[column] == wanted]
    if table.empty:
        raise RecordError(f"reading {folder / name}", f"no row of cells.csv is {dict(publication.cells)}", HELP)
    size = table["frame_bytes"]
    rates = pd.DataFrame({rate: table.get(rate, float("nan")) for rate in RATES}, index=table.index)
    pps = frames.packets_per_second(rates["received_mbps"], size)  # type: ignore[arg-type]
    mbps = frames.throughput_mbps(rates["received_kpps"] * 1e3, size)  # type: ignore[arg-type]
    rates["received_kpps"] = rates["received_kpps"].fillna(pps / 1e3)
    rates["received_mbps"] = rates["received_mbps"].fillna(mbps)
    values = rates.assign(
        n=table["n"],
        frame_bytes=size,
        loss_ratio=1 - rates["received_kpps"] / rates["offered_kpps"],
        testbed=name,
        repetition=1,
        window_s=publication.window_s,
        record="cells.csv",
        **publication.components.model_dump(),
    )
    return from_rows({str(key): value for key, value in row.items()} for row in values.to_dict("records"))


def plan_of(publication: Publication, length: int) -> dict[str, Any]:
    """Return a published chain of this length as a deployment records a plan.

    A study names the server's ports; bridges and middleboxes go by what they are.
    """
    components = publication.components
    plan = topologies.plan_of("chain", length, publication.uplinks)
    ports = {each.ingress_port: "first port" for each in plan.middleboxes}
    ports |= {each.egress_port: "second port" for each in plan.middleboxes}
    names = {"bridge": components.switch, "middlebox": components.middlebox}
    hops = (
        dataclasses.replace(
            hop,
            name=names[hop.kind] + (f" {hop.index}" if hop.kind == "middlebox" else ""),
            ingress_port=ports.get(hop.ingress_port, hop.ingress_port),
            egress_port=ports.get(hop.egress_port, hop.egress_port),
        )
        for hop in plan.paths[0].hops
    )
    return topologies.from_paths(plan.topology, length, [FramePath(tuple(hops))]).record()
