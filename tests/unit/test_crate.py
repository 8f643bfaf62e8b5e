"""The results folder of a testbed is a whole RO-Crate: all is described, all that is described is there."""

import contextlib
import json
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from helpers import PROJECT
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.data.publications import FOLDER
from middlebench.analysis.report.citation import CFF, ZENODO
from middlebench.analysis.report.crate import CHECKSUMS, METADATA, PREVIEW, demand_whole, pack, write_crate
from middlebench.analysis.report.crate_files import WORKFLOW
from middlebench.config.authors import Author
from middlebench.system.errors import RecordError
from requests import Request
from requests_cache import CachedRequest, CachedResponse, CachedSession
from rocrate_validator.services import ValidationSettings, validate
from sweeps import STUDY, write_results

AUTHORS = (
    Author(name="Ada King Lovelace", orcid="0000-0002-1825-0097", affiliation="A university"),
    Author(name="Plato"),
    Author(name="The chain laboratory", kind="organisation"),
)
SIGNED = STUDY.model_copy(update={"licence": "CC-BY-4.0", "authors": AUTHORS})


@pytest.fixture
def folder(tmp_path, crate, monkeypatch):
    """The results of a testbed with a report, as an RO-Crate."""
    monkeypatch.chdir(PROJECT)
    return Path(shutil.copytree(crate, tmp_path / "results")) / "made"


@pytest.fixture(scope="module")
def crate(tmp_path_factory):
    """A results folder that all tests copy."""
    results = tmp_path_factory.mktemp("crate") / "results"
    write_results(results, repetitions=2)
    folder = results / "made"
    for name in ("report/index.html", "figures/fig5.svg", "tables/comparison_maksic.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"made for {name}\n")
    papers = sorted(path.relative_to(PROJECT) for path in FOLDER.glob("*/*.*"))
    inputs = [Path("config/config.yaml"), Path(WORKFLOW), Path("workflow/rules/measure.smk"), *papers]
    with contextlib.chdir(PROJECT):
        write_crate(load_dataset("made", results), folder, inputs, SIGNED)
    return results


CONTEXTS = ("https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context")


@pytest.fixture
def contexts(tmp_path):
    """Words of RO-Crate as the validator caches them: the tests have no network.

    They are those of rocrate's own copy, which is of version 1.3: its address of one word differs from that in 1.1.
    """
    words = json.loads(files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes())["@context"]
    words["ComputationalWorkflow"] = "https://bioschemas.org/ComputationalWorkflow"
    content = json.dumps({"@context": words}).encode()
    path = tmp_path / "cache.sqlite"
    with CachedSession(path) as session:
        for url in CONTEXTS:
            request = CachedRequest.from_request(Request("GET", url).prepare())
            kind = {"Content-Type": "application/ld+json"}
            response = CachedResponse(status_code=200, url=url, content=content, headers=kind, request=request)
            session.cache.save_response(response)
    return path


def problems(folder, contexts):
    """Return what a validator finds in a crate: required or recommended by Workflow Run Crate and what it builds on."""
    settings = ValidationSettings(
        rocrate_uri=folder,
        profile_identifier="workflow-run-crate-0.5",
        requirement_severity="RECOMMENDED",
        offline=True,
        cache_path=contexts,
    )
    return {issue.check.identifier: issue.message for issue in validate(settings).get_issues()}


NOT_FOLLOWED = {
    "process-run-crate-0.5_8.4",  # when a step ended, but for deployments and the run
    "process-run-crate-0.5_3.2",  # an address of each program
    "process-run-crate-0.5_5.1",
    "ro-crate-1.1_30.2",  # where the authors of publications work
    "ro-crate-1.1_30.3",
    "ro-crate-1.1_31.2",  # an address of each organisation
    "workflow-ro-crate-1.0_6.1",  # a README.md, for which the preview stands
    "workflow-ro-crate-1.0_6.2",
}
"""Recommendations that ask for what no workflow knows by itself, or is there in another form."""


def test_crate_is_a_workflow_run_crate(folder, contexts):
    found = problems(folder, contexts)
    assert {name: words for name, words in found.items() if name not in NOT_FOLLOWED} == {}


def results_of(crate, action):
    return [each.id for each in crate.get(action)["result"]]


def test_every_file_is_described_but_the_logs(folder):
    (folder / "logs").mkdir()
    (folder / "logs/report.log").write_text("made\n")
    described = {each.id for each in demand_whole(folder).data_entities}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - described == {METADATA, PREVIEW, "logs/report.log"}


def test_crate_says_what_came_from_what(folder):
    crate = demand_whole(folder)
    measured = crate.get("#measure-n4-size800-rep2")
    assert [each.id for each in measured["object"]] == ["provision.json", "deployments/n4.json"]
    assert results_of(crate, measured.id) == ["cells/n4/size800/rep2.json", "cells/n4/size800/rep2.generator.txt"]
    assert measured["startTime"] == "2026-01-02T03:02:00+00:00"
    assert "--force" in measured["description"]
    deployed = crate.get("#deploy-n4")
    assert deployed["startTime"] == "2026-01-02T03:00:00+00:00"
    assert deployed["endTime"] == "2026-01-02T03:00:02.250000+00:00"  # removed in 1.5 s, built in 0.75 s
    assert len(crate.get("#aggregate")["object"]) == 18
    assert results_of(crate, "#aggregate") == ["measurements.csv", "summary.csv"]
    assert {"report/index.html", "figures/fig5.svg"} <= set(results_of(crate, "#publish"))
    kinds = Counter(each.type for each in crate.root_dataset["mentions"])
    assert kinds == {"CreateAction": 18 + 3 + 4}


def test_crate_names_paper_software_and_licences(folder):
    crate = demand_whole(folder)
    cnf, paper = crate.root_dataset["citation"]
    assert (paper.type, paper["author"]["name"]) == ("ScholarlyArticle", "Nataša Maksić")
    assert paper["name"].startswith("Running Network of Unikernel Based Middleboxes")
    software = {each["name"]: each for each in crate.get_by_type("SoftwareApplication")}
    assert software["middlebench"]["license"] == "https://spdx.org/licenses/MIT"
    assert software["snakemake"] in software["middlebench"]["softwareRequirements"]
    assert crate.get("inputs/data/publications/maksic/cells.csv")["isBasedOn"] == paper
    assert cnf["url"].startswith("https://github.com/cncf/")


def test_crate_names_who_answers_for_it_and_on_what_terms(folder):
    crate = demand_whole(folder)
    people = [(each.type, each["name"]) for each in crate.root_dataset["author"]]
    assert people == [
        (kind, each.name) for kind, each in zip(("Person", "Person", "Organization"), AUTHORS, strict=True)
    ]
    assert crate.get("https://orcid.org/0000-0002-1825-0097")["affiliation"]["name"] == "A university"
    assert crate.root_dataset["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert crate.root_dataset["publisher"]["name"] == AUTHORS[2].name
    assert crate.get("#run")["agent"] == crate.root_dataset["author"]
    assert crate.get("#run")["endTime"] > crate.root_dataset["datePublished"]


def test_citations_hold_what_archives_ask_for(folder):
    cited, asked = yaml.safe_load((folder / CFF).read_text()), json.loads((folder / ZENODO).read_text())
    assert cited["authors"] == [
        {
            "family-names": "Lovelace",
            "given-names": "Ada King",
            "orcid": "https://orcid.org/0000-0002-1825-0097",
            "affiliation": "A university",
        },
        {"family-names": "Plato"},
        {"name": "The chain laboratory"},
    ]
    assert [each["name"] for each in asked["creators"]] == ["Lovelace, Ada King", "Plato", "The chain laboratory"]
    assert (cited["license"], asked["license"]) == ("CC-BY-4.0", "cc-by-4.0")
    assert cited["date-released"] == asked["publication_date"] == "2026-01-02"


def test_results_of_nobody_named_have_no_citation_of_their_own(folder):
    write_crate(load_dataset("made", folder.parent), folder, [], STUDY)
    assert not (folder / CFF).exists()
    assert not (folder / ZENODO).exists()
    root = demand_whole(folder).root_dataset
    assert (root["license"].id, root.get("author")) == ("#terms", None)


def test_links_of_the_preview_lead_to_files_of_the_crate(folder):
    links = re.findall(r'href="(?!https?:)([^"]+)"', (folder / PREVIEW).read_text())
    assert {"report/index.html", "figures/fig5.svg", METADATA} <= set(links)
    assert [link for link in links if not (folder / link).is_file()] == []


def test_captions_are_those_of_the_report(folder):
    crate = demand_whole(folder)
    assert crate.get("figures/fig5.svg")["description"].startswith("The paper's figure 5")
    assert crate.get("tables/comparison_maksic.csv")["description"].startswith("The received throughput measured")


def test_same_results_give_the_same_crate(folder):
    before = (folder / METADATA).read_bytes()
    write_crate(load_dataset("made", folder.parent), folder, [], SIGNED)
    assert (folder / METADATA).read_bytes() == before
    assert json.loads(before)["@graph"][0]["datePublished"] == "2026-01-02T03:02:00+00:00"


def test_crate_is_whole_wherever_it_is_sent(folder, tmp_path):
    pack(folder, tmp_path / "made.zip")
    with zipfile.ZipFile(tmp_path / "made.zip") as packed:
        packed.extractall(tmp_path / "elsewhere")
    shutil.rmtree(folder)
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=tmp_path / "elsewhere", check=True)
    assert demand_whole(tmp_path / "elsewhere").name == "Chains of middleboxes on testbed made"


def test_crate_without_one_of_its_files_is_refused_by_name(folder):
    (folder / "summary.csv").unlink()
    with pytest.raises(RecordError, match=r"summary\.csv"):
        demand_whole(folder)


def test_crate_that_refers_to_something_unknown_is_refused_by_name(folder):
    path = folder / METADATA
    path.write_text(path.read_text().replace('"@id": "#publication-maksic"', '"@id": "#letter"', 1))
    with pytest.raises(RecordError, match=r"#letter|#publication-maksic"):
        demand_whole(folder)


def test_folder_without_a_crate_is_refused(tmp_path):
    with pytest.raises(RecordError, match="crate rule"):
        demand_whole(tmp_path)


def test_files_that_are_not_of_the_workflow_are_left_out_and_end_nothing(folder, tmp_path):
    (folder / "tables").mkdir(exist_ok=True)
    secret = tmp_path / "secret.md"
    secret.write_text("not to be sent")
    for name in (
        "tables/.~lock.table1.csv#",
        "figures/.DS_Store",
        "tables/table1.md~",
        "tables/notes.xlsx",
        ".hidden.md",
    ):
        (folder / name).write_text("somebody else's")
    (folder / "tables/linked.md").symlink_to(secret)
    results = folder.parent
    write_crate(load_dataset("made", results), folder, [Path("config/config.yaml")], SIGNED)
    pack(folder, tmp_path / "made.zip")
    with zipfile.ZipFile(tmp_path / "made.zip") as packed:
        names = set(packed.namelist())
    described = {each.id for each in demand_whole(folder).data_entities}
    assert names == described | {METADATA, PREVIEW, CHECKSUMS}
    assert not [name for name in names if "~" in name or "xlsx" in name or "linked" in name or "/." in name]


def test_packed_files_keep_their_times(folder, tmp_path):
    pack(folder, tmp_path / "made.zip")
    with zipfile.ZipFile(tmp_path / "made.zip") as packed:
        assert min(entry.date_time[0] for entry in packed.infolist()) > 2000
