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
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from rocrate.rocrate import ROCrate

from middlebench.analysis.data.dataset import Dataset
from middlebench.analysis.data.publications import load_publication, names_in
from middlebench.analysis.report.citation import Citation
from middlebench.analysis.report.crate_description import Description, last_moment
from middlebench.analysis.report.crate_files import CITATIONS, INPUTS
from middlebench.config.study import Study
from middlebench.system.errors import RecordError
from middlebench.system.files import write_bytes, write_text
from middlebench.system.project import path_in_project

METADATA, PREVIEW = "ro-crate-metadata.json", "ro-crate-preview.html"

CHECKSUMS = "SHA256SUMS"
"""In a packed crate, the SHA-256 of every other file, as ``sha256sum --check`` reads it."""


def write_crate(dataset: Dataset, folder: Path, inputs: Iterable[Path], study: Study) -> None:
    """Describe a testbed's results folder as an RO-Crate, and read the description back.

    ``inputs`` are files of the project that the results were made from: they are copied to ``folder``, as is the study.

    Raises:
        RecordError: the description does not stand up to being read.
    """
    write_text(folder / INPUTS / "study.json", f"{study.model_dump_json()}\n")
    for path in inputs:
        write_bytes(folder / INPUTS / path_in_project(path), path.read_bytes())
    citation = _citation(dataset, study)
    for name, form in CITATIONS.items():
        if citation.authors:
            write_text(folder / name, form(citation))
        else:
            (folder / name).unlink(missing_ok=True)
    description = Description(dataset, folder, citation)
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
        date=last_moment(dataset)[:10],
        authors=study.authors,
        licence=study.licence,
        publications=[load_publication(name) for name in names_in()],
    )


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
