"""The description of a testbed's results folder in terms of RO-Crate: what each file is, and what it was made from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, File
from rocrate.rocrate import ROCrate

from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.data.measurements import cell_of
from middlebench.analysis.data.publications import load_publication, names_in
from middlebench.analysis.report.citation import KEYWORDS, ORCID, Citation
from middlebench.analysis.report.crate_files import (
    CITATIONS,
    FORMATS,
    INPUTS,
    WORDS,
    WORKFLOW,
    caption_of,
    commit_of,
    ending_of,
    is_ours,
)
from middlebench.analysis.tables.html import render
from middlebench.config.authors import Author
from middlebench.model.environment import Environment
from middlebench.model.mix import size_label
from middlebench.system.project import PROJECT

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
"""What the crate conforms to, by address: name and version."""

BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
"""What the description of the workflow conforms to."""

SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"
"""What the context of RO-Crate 1.1 has no word for."""

SPDX = "https://spdx.org/licenses/"

LICENCES = {
    "middlebench": "MIT",
    "snakemake": "MIT",
    "Linux": "GPL-2.0-only",
    "ovs-vswitchd": "Apache-2.0",
    "qemu-system-x86_64": "GPL-2.0-only",
    "trafgen": "GPL-2.0-only",
}
"""SPDX names of the licences of what takes part in a sweep, as far as we know them."""

LICENSED = "The software that made these results is under the MIT licence; published values belong to their authors."

TERMS_OF_USE = f"The results belong to whoever measured them. {LICENSED}"


def last_moment(dataset: Dataset) -> str:
    """Return when the last cell or deployment was begun."""
    return str(max([*dataset.every_size["started_at"], *(each.started_at for each in dataset.deployments)]))


class Description:
    """The description of one results folder, as it grows."""

    def __init__(self, dataset: Dataset, folder: Path, citation: Citation) -> None:
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_terms["sha256"] = SHA256
        self._dataset, self._folder, self._citation = dataset, folder, citation
        self._authors = [self._describe_author(place, each) for place, each in enumerate(citation.authors, 1)]
        self._cited = {name: self._describe_publication(name) for name in names_in()}
        self._programs = {identity: self._describe_programs(each) for identity, each in dataset.environments.items()}
        self._tool = self._describe_tool()
        self._files = {path: self._describe_file(path, words) for path, words in self._listed()}
        self._describe_root()
        self._describe_actions()

    def _describe_root(self) -> None:
        citation, root = self._citation, self.crate.root_dataset
        root["name"], root["description"] = citation.title, citation.description
        root["datePublished"] = last_moment(self._dataset)
        terms = {"name": "Terms of use", "description": TERMS_OF_USE}
        root["license"] = (
            self._add(SPDX + citation.licence, "CreativeWork", name=citation.licence, description=LICENSED)
            if citation.licence
            else self._add("#terms", "CreativeWork", **terms)
        )
        if self._authors:
            root["author"] = _alone(self._authors)
        if publishers := [each for each in self._authors if each.type == "Organization"]:
            root["publisher"] = _alone(publishers)
        root["citation"] = list(self._cited.values())
        root["conformsTo"] = [
            self._add(address, "CreativeWork", name=name, version=version)
            for address, (name, version) in PROFILES.items()
        ]
        root["keywords"] = ", ".join(KEYWORDS)

    def page(self) -> str:
        """Return the page that a browser shows of the crate."""
        others = [entity for path, entity in self._files.items() if not path.startswith("cells/")]
        citation, cells = self._citation, len(self._dataset.every_size)
        shown = {name: getattr(citation, name) for name in ("title", "description", "date", "authors", "licence")}
        return render("preview", **shown, files=others, cells=cells)

    def _describe_author(self, place: int, author: Author) -> ContextEntity:
        if author.kind == "organisation":
            return self._add(f"#author-{place}", "Organization", name=author.name)
        identity = ORCID + author.orcid if author.orcid else f"#author-{place}"
        employer = author.affiliation and self._add(
            f"#{_slug(author.affiliation)}", "Organization", name=author.affiliation
        )
        return self._add(identity, "Person", name=author.name, affiliation=employer)

    def _describe_publication(self, name: str) -> ContextEntity:
        publication = load_publication(name)
        authors = [
            self._add(f"#author-{place}-of-{name}", "Person", name=author)
            for place, author in enumerate(publication.authors, 1)
        ]
        named = {"name": publication.title, "author": authors, "url": publication.link}
        return self._add(f"#publication-{name}", "ScholarlyArticle", **named)

    def _describe_tool(self) -> ContextEntity:
        snakemake = self._software("snakemake", metadata.version("snakemake"), url="https://snakemake.github.io")
        needed = {each.id: each for programs in self._programs.values() for each in programs}
        commit = commit_of(PROJECT)
        return self._software(
            "middlebench",
            metadata.version("middlebench"),
            softwareRequirements=[snakemake, *needed.values()],
            identifier=f"git commit {commit}" if commit else "",
        )

    def _describe_programs(self, environment: Environment) -> list[ContextEntity]:
        """Return what ran on the two computers."""
        found: dict[tuple[str, str], None] = {}
        for computer in (environment.test_computer, environment.middlebox_server):
            if computer is not None:
                found |= {("Linux", computer.kernel): None} | dict.fromkeys(computer.programs.items())
        return [self._software(name, version) for name, version in found]

    def _software(self, name: str, version: str, /, **properties: Any) -> ContextEntity:  # noqa: ANN401 (JSON-LD)
        return self._add(
            f"#software-{_slug(f'{name}-{version}')}",
            "SoftwareApplication",
            name=name,
            softwareVersion=version,
            license={"@id": SPDX + LICENCES[name]} if name in LICENCES else None,
            **properties,
        )

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Yield every file of the crate, relative to its folder, and what it is."""
        if self._citation.authors:
            yield from dict.fromkeys(CITATIONS, "How to cite these results").items()
        for pattern, words in WORDS.items():
            for path in sorted(self._folder.glob(pattern)):
                if is_ours(path, self._folder):
                    yield path.relative_to(self._folder).as_posix(), words or caption_of(path.stem)
        for row in self._dataset.every_size.to_dict("records"):
            cell = f"n = {row['n']}, {size_label(cell_of(row).frame_bytes)}, repetition {row['repetition']}"
            yield row["record"], f"Record of a cell: {cell}"
            yield row["raw_output"], f"What the generator printed: {cell}"

    def _describe_file(self, path: str, words: str) -> File:
        content = (self._folder / path).read_bytes()
        properties = {
            "name": path,
            "description": words,
            "encodingFormat": FORMATS[ending_of(Path(path))],
            "contentSize": str(len(content)),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, cited in self._cited.items():
            if path == f"{INPUTS}/data/publications/{name}/cells.csv":
                properties["isBasedOn"] = cited
        if path == f"{INPUTS}/{WORKFLOW}":
            version = metadata.version("snakemake")
            return self.crate.add_workflow(
                self._folder / path, path, main=True, lang="snakemake", lang_version=version, properties=properties
            )
        return self.crate.add_file(self._folder / path, path, properties=properties)

    def _describe_actions(self) -> None:
        """Describe how the files came from each other."""
        measurements = self._dataset.every_size
        configured = self._below(f"{INPUTS}/config/", f"{INPUTS}/study.json")
        found = self._below("provision.json", "environments/")
        self._action("provision", "Check the testbed", configured, found)
        for deployment in self._dataset.deployments:
            n = deployment.plan["n"]
            self._action(
                f"deploy-n{n}",
                f"Deploy a chain of {n}",
                self._below("provision.json"),
                self._below(f"deployments/n{n}.json"),
                startTime=deployment.started_at,
                endTime=_after(deployment.started_at, deployment.lasted_s),
            )
        for row in measurements.to_dict("records"):
            self._measurement(row)
        if controls := self._below("controls/"):
            self._action("control", "Measure the controls", self._below("provision.json"), controls)
        self._describe_run(configured)
        records = [self._files[path] for path in measurements["record"]]
        tables = self._below("measurements.csv", "summary.csv")
        self._action("aggregate", "Gather the records in tables", records, tables)
        self._action(
            "publish",
            "Make tables, figures and the report",
            [*tables, *found, *self._below("deployments/", "controls/", f"{INPUTS}/data/publications/")],
            self._below("report/", "figures/", "tables/", "law.json"),
        )

    def _describe_run(self, configured: Sequence[File]) -> None:
        """Describe the run of the workflow as a whole: from the configuration and the publications to the report."""
        workflow = self._files[f"{INPUTS}/{WORKFLOW}"]
        workflow["name"] = "middlebench: measure chains of virtual middleboxes"
        workflow["conformsTo"] = {"@id": BIOSCHEMAS}
        workflow["version"] = metadata.version("middlebench")
        workflow["hasPart"] = _alone(self._below(f"{INPUTS}/workflow/rules/"))
        workflow["license"] = {"@id": SPDX + LICENCES["middlebench"]}
        run = self._action(
            "run",
            f"Measure the chains of {self._dataset.name} and report on them",
            [*configured, *self._below(f"{INPUTS}/data/publications/")],
            [file for path, file in self._files.items() if not path.startswith(f"{INPUTS}/")],
            startTime=min(
                [*self._dataset.every_size["started_at"], *(d.started_at for d in self._dataset.deployments)]
            ),
            endTime=max(
                *(_after(each.started_at, each.usage.traffic_s) for each in self._dataset.all_records),
                *(_after(each.started_at, each.lasted_s) for each in self._dataset.deployments),
            ),
        )
        run["instrument"] = workflow

    def _measurement(self, row: Mapping[Any, Any]) -> None:
        cell = cell_of(row)
        self._action(
            f"measure-{cell.anchor}-rep{cell.repetition}",
            f"Measure {cell.label}",
            self._below("provision.json", cell.deployment_path),
            [self._files[row["record"]], self._files[row["raw_output"]]],
            instruments=self._programs.get(row["environment"], []),
            startTime=row["started_at"],
            description=f"Again: {row['command']}" if row["command"] else "",
        )

    def _action(
        self,
        name: str,
        words: str,
        made_from: Sequence[File],
        made: Sequence[File],
        instruments: Sequence[ContextEntity] = (),
        description: str = "",
        **properties: object,
    ) -> ContextEntity:
        action = self._add(
            f"#{name}",
            "CreateAction",
            name=words,
            description=description or words,
            instrument=[self._tool, *instruments],
            object=list(made_from),
            result=list(made),
            agent=self._authors,
            **properties,
        )
        self.crate.root_dataset.append_to("mentions", action)
        return action

    def _below(self, *prefixes: str) -> list[File]:
        """Return the files whose paths begin so."""
        return [entity for path, entity in self._files.items() if path.startswith(prefixes)]

    def _add(self, identifier: str, kind: str, /, **properties: object) -> ContextEntity:
        """Add an entity without empty properties; of a list of one, the value stands alone, as RO-Crate recommends."""
        stated = {name: _alone(value) for name, value in properties.items() if value}
        return self.crate.add(ContextEntity(self.crate, identifier, properties={"@type": kind, **stated}))


def _after(moment: str, seconds: float) -> str:
    """Return the moment that comes some seconds after another."""
    return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).isoformat()


def _alone(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
