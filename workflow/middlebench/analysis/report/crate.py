"""A testbed's results folder as an RO-Crate: what each file is, what it was made from, and by what.

Research Object Crate 1.1 (https://w3id.org/ro/crate/1.1): one JSON-LD file in the folder describes all
files in it. How they come from each other stands in it as actions, as the Workflow Run Crate demands
(https://w3id.org/ro/wfrun/workflow, version 0.5): one of the workflow as a whole, and one of each step.
The folder needs nothing from outside: the workflow, what the sweep was configured by, and the
publications, are copied into it. A page beside the description opens in a browser; how to cite the results
stands beside it where the study names their authors.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, File
from rocrate.rocrate import ROCrate

from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.data.publications import load_publication, names_in
from middlebench.analysis.report.citation import CFF, KEYWORDS, ORCID, ZENODO, Citation, cff, zenodo
from middlebench.analysis.tables.html import render
from middlebench.config.authors import Author
from middlebench.config.study import Study
from middlebench.model.cell import Cell
from middlebench.model.environment import Environment
from middlebench.system.errors import RecordError
from middlebench.system.files import write_bytes, write_text

METADATA, PREVIEW = "ro-crate-metadata.json", "ro-crate-preview.html"

CHECKSUMS = "SHA256SUMS"
"""In a packed crate, the SHA-256 of every other file, as ``sha256sum --check`` reads it."""

CITATIONS = {CFF: cff, ZENODO: zenodo}
"""How to cite the results, by the names of the files: there where the study names authors."""

INPUTS = "inputs"
"""Folder, within the results of a testbed, of copies of what the sweep was made from."""

WORKFLOW = "workflow/Snakefile"
"""The workflow itself, by its path in the project."""

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
"""What the crate conforms to, by address: name and version."""

BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
"""What the description of the workflow conforms to."""

PROJECT = Path(__file__).parents[4]
CAPTIONS = PROJECT / "workflow" / "report"

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

FORMATS = {
    "cff": "application/yaml",
    "csv": "text/csv",
    "html": "text/html",
    "ipynb": "application/x-ipynb+json",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "smk": "text/plain",
    "Snakefile": "text/plain",
    "tex": "application/x-tex",
    "txt": "text/plain",
    "yaml": "application/yaml",
}
"""Media types by the ending of a file's name, or by the name of a file without one."""

WORDS = {
    "report/index.html": "The report: everything that was found, on one page that needs nothing but itself",
    "report/*.ipynb": "The notebook behind a part of the report, executed",
    "figures/*": "",
    "tables/*": "",
    "measurements.csv": "",
    "summary.csv": "",
    "law.json": "The law that the throughput follows: parameters, errors, knees and what predictions rest on",
    "provision.json": "What the testbed is, and what was chosen where its configuration leaves the choice",
    "environments/*.json": "The two computers and the versions of all that takes part",
    "deployments/n*.json": "What it took to deploy one chain from nothing",
    "controls/*.json": "A control: what the generator or the switch only can do",
    f"{INPUTS}/**/*": "A copy of what the sweep was made from",
}
"""What is in the folder beside the cells; without words, a file has the caption of the workflow's report."""


def write_crate(dataset: Dataset, folder: Path, inputs: Iterable[Path], study: Study) -> None:
    """Describe a testbed's results folder as an RO-Crate, and read the description back.

    ``inputs`` are files of the project that the results were made from: they are copied to ``folder``, as is the study.

    Raises:
        RecordError: the description does not stand up to being read.
    """
    write_text(folder / INPUTS / "study.json", f"{study.model_dump_json()}\n")
    for path in inputs:
        write_bytes(folder / INPUTS / path, path.read_bytes())
    citation = _citation(dataset, study)
    for name, form in CITATIONS.items():
        if citation.authors:
            write_text(folder / name, form(citation))
        else:
            (folder / name).unlink(missing_ok=True)
    description = _Description(dataset, folder, citation)
    write_text(folder / PREVIEW, description.page())
    write_bytes(folder / METADATA, b"".join(chunk for _, chunk in description.crate.metadata.stream()))
    demand_whole(folder)


def _citation(dataset: Dataset, study: Study) -> Citation:
    description = (
        f"{dataset.description} Throughput of chains of virtual middleboxes, by chain length and frame size: "
        "records, raw output, tables, figures and the report."
    )
    return Citation(
        title=f"Chains of middleboxes on testbed {dataset.name}",
        description=description.strip(),
        date=_last_moment(dataset)[:10],
        authors=study.authors,
        licence=study.licence,
        publications=[load_publication(name) for name in names_in()],
    )


def _last_moment(dataset: Dataset) -> str:
    """Return when the last cell or deployment was begun."""
    return str(max([*dataset.measurements["started_at"], *(each.started_at for each in dataset.deployments)]))


def demand_whole(folder: Path) -> ROCrate:
    """Read a crate and return it, if all that it names is there.

    Raises:
        RecordError: a file is missing, or something is referred to that is not described.
    """
    doing = f"reading the RO-Crate {folder}"
    try:
        crate = ROCrate(folder)
    except (OSError, ValueError) as error:
        raise RecordError(doing, str(error), "let the crate rule write it again") from error
    missing = [each.id for each in crate.data_entities if not (folder / each.id).exists()]
    if missing:
        raise RecordError(doing, f"{len(missing)} files are missing, such as {missing[0]}", "run the workflow again")
    for entity in crate.get_entities():
        for name, value in entity.properties().items():
            for each in value if isinstance(value, list) else [value]:
                unknown = isinstance(each, dict) and "@id" in each and each["@id"] not in crate
                if unknown and not re.match(r"https?://", each["@id"]):
                    raise RecordError(doing, f"{name} of {entity.id} is {each['@id']}, which is not described")
    return crate


def pack(folder: Path, out: Path) -> None:
    """Write a crate as one zip file with the checksums of its files, without the logs of the workflow.

    Raises:
        RecordError: the crate is not whole.
    """
    crate = demand_whole(folder)
    listed = [METADATA, PREVIEW, *(each.id for each in crate.data_entities if (folder / each.id).is_file())]
    contents = {name: (folder / name).read_bytes() for name in sorted(listed)}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {CHECKSUMS: sums.encode(), **contents}.items():
            timed = folder / (name if name in contents else METADATA)
            entry = zipfile.ZipInfo.from_file(timed, name, strict_timestamps=False)
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    write_bytes(out, buffer.getvalue())


def is_ours(path: Path, folder: Path) -> bool:
    """Return whether a file is one that the workflow makes: no link, nothing hidden, of a kind that we write.

    What else lies among the results (an editor's backup, a spreadsheet's lock, notes) is left alone and left out.
    """
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not path.is_symlink() and not hidden and _ending(path) in FORMATS


def _ending(path: Path) -> str:
    return path.suffix.removeprefix(".") or path.name


class _Description:
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
        root["datePublished"] = _last_moment(self._dataset)
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
        citation, cells = self._citation, len(self._dataset.measurements)
        shown = {name: getattr(citation, name) for name in ("title", "description", "date", "authors", "licence")}
        return render("preview", **shown, files=others, cells=cells)

    def _describe_author(self, place: int, author: Author) -> ContextEntity:
        if author.kind == "organisation":
            return self._add(f"#author-{place}", "Organization", name=author.name)
        identity = ORCID + author.orcid if author.orcid else f"#author-{place}"
        employer = author.affiliation
        works = {"affiliation": self._add(f"#{_slug(employer)}", "Organization", name=employer)} if employer else {}
        return self._add(identity, "Person", name=author.name, **works)

    def _describe_publication(self, name: str) -> ContextEntity:
        publication = load_publication(name)
        authors = [
            self._add(f"#author-{place}-of-{name}", "Person", name=author)
            for place, author in enumerate(publication.authors, 1)
        ]
        link = {"url": publication.link} if publication.link else {}
        return self._add(f"#publication-{name}", "ScholarlyArticle", name=publication.title, author=authors, **link)

    def _describe_tool(self) -> ContextEntity:
        snakemake = self._software("snakemake", metadata.version("snakemake"), url="https://snakemake.github.io")
        needed = {each.id: each for programs in self._programs.values() for each in programs}
        commit = commit_of(PROJECT)
        return self._software(
            "middlebench",
            metadata.version("middlebench"),
            softwareRequirements=[snakemake, *needed.values()],
            **({"identifier": f"git commit {commit}"} if commit else {}),
        )

    def _describe_programs(self, environment: Environment) -> list[ContextEntity]:
        """Return what ran on the two computers."""
        found: dict[tuple[str, str], None] = {}
        for computer in (environment.test_computer, environment.middlebox_server):
            if computer is not None:
                found |= {("Linux", computer.kernel): None} | dict.fromkeys(computer.programs.items())
        return [self._software(name, version) for name, version in found]

    def _software(self, name: str, version: str, /, **properties: Any) -> ContextEntity:  # noqa: ANN401 (JSON-LD)
        licence = {"license": {"@id": SPDX + LICENCES[name]}} if name in LICENCES else {}
        return self._add(
            f"#software-{_slug(f'{name}-{version}')}",
            "SoftwareApplication",
            name=name,
            softwareVersion=version,
            **licence,
            **properties,
        )

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Yield every file of the crate, relative to its folder, and what it is."""
        if self._citation.authors:
            yield from dict.fromkeys(CITATIONS, "How to cite these results").items()
        for pattern, words in WORDS.items():
            for path in sorted(self._folder.glob(pattern)):
                if is_ours(path, self._folder):
                    yield path.relative_to(self._folder).as_posix(), words or _caption(path.stem)
        for row in self._dataset.measurements.to_dict("records"):
            cell = f"n = {row['n']}, {row['frame_bytes']} B, repetition {row['repetition']}"
            yield row["record"], f"Record of a cell: {cell}"
            yield row["raw_output"], f"What the generator printed: {cell}"

    def _describe_file(self, path: str, words: str) -> File:
        content = (self._folder / path).read_bytes()
        properties = {
            "name": path,
            "description": words,
            "encodingFormat": FORMATS[_ending(Path(path))],
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
        measurements = self._dataset.measurements
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
                endTime=_after(deployment.started_at, deployment.total_s),
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
                [*self._dataset.measurements["started_at"], *(d.started_at for d in self._dataset.deployments)]
            ),
            endTime=max(
                *(_after(each.started_at, each.usage.traffic_s) for each in self._dataset.all_records),
                *(_after(each.started_at, each.total_s) for each in self._dataset.deployments),
            ),
        )
        run["instrument"] = workflow

    def _measurement(self, row: Mapping[Any, Any]) -> None:
        cell = Cell.model_validate({field: row[field] for field in Cell.model_fields})
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
            **({"agent": self._authors} if self._authors else {}),
            **properties,
        )
        self.crate.root_dataset.append_to("mentions", action)
        return action

    def _below(self, *prefixes: str) -> list[File]:
        """Return the files whose paths begin so."""
        return [entity for path, entity in self._files.items() if path.startswith(prefixes)]

    def _add(self, identifier: str, kind: str, /, **properties: object) -> ContextEntity:
        """Add an entity; of a list of one, the value stands alone, as RO-Crate recommends."""
        alone = {name: _alone(each) for name, each in properties.items()}
        return self.crate.add(ContextEntity(self.crate, identifier, properties={"@type": kind, **alone}))


def _after(moment: str, seconds: float) -> str:
    """Return the moment that comes some seconds after another."""
    return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).isoformat()


def _alone(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _caption(stem: str) -> str:
    """Return the caption of a figure or table in the workflow's report: that of its first word for a comparison."""
    named = [CAPTIONS / f"{name}.rst" for name in (stem, stem.partition("_")[0])]
    found = [path.read_text(encoding="utf-8") for path in named if path.exists()]
    return " ".join(found[0].split()) if found else stem


def commit_of(project: Path) -> str:
    """Return the commit of a project's folder, with a mark if files differ from it.

    It is empty where the folder is not itself a repository's: neither that of an enclosing repository
    nor what the user's ``GIT_DIR`` names is ours.
    """
    if not (project / ".git").exists():
        return ""
    command = ["git", "-C", str(project), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
