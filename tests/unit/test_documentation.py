import json
import re
import tomllib

import pytest
import yaml
from helpers import PROJECT
from middlebench.cli import main
from middlebench.config import documentation

SCHEMAS = [documentation.SCHEMA_FILE, documentation.TESTBED_SCHEMA_FILE]


def models_in(schema: str) -> list[dict]:
    """Return every model that a schema describes, drivers' options included."""
    described = json.loads(schema)
    return [described, *described.get("$defs", {}).values()]


@pytest.mark.parametrize("path", documentation.files(), ids=str)
def test_committed_file_is_what_the_models_say(path):
    assert (PROJECT / path).read_text() == documentation.files()[path], "run `make docs`"


def test_written_files_are_the_generated_ones(tmp_path):
    assert main(["schema", "--folder", str(tmp_path)]) == 0
    assert {path: (tmp_path / path).read_text() for path in documentation.files()} == documentation.files()


@pytest.mark.parametrize("path", SCHEMAS, ids=str)
def test_every_key_is_explained(path):
    unexplained = [
        f"{model['title']}.{key}"
        for model in models_in(documentation.files()[path])
        for key, value in model.get("properties", {}).items()
        if not value.get("description")
    ]
    assert not unexplained


@pytest.mark.parametrize("path", SCHEMAS, ids=str)
def test_readme_has_a_row_for_every_key_and_a_section_for_every_driver(path):
    readme = documentation.files()[documentation.README_FILE]
    rows = {row.rpartition(".")[2] for row in re.findall(r"^\| `([^`]+)` \|", readme, re.MULTILINE)}
    for model in models_in(documentation.files()[path]):
        for key, value in model.get("properties", {}).items():
            if key == "driver":
                assert f"with `driver: {value['const']}`" in readme
            else:
                assert key in rows


@pytest.mark.parametrize("path", SCHEMAS, ids=str)
def test_no_model_takes_keys_that_it_does_not_know(path):
    for model in models_in(documentation.files()[path]):
        assert model["additionalProperties"] is False


DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_link_to_what_is_there_and_name_targets_of_make(document):
    text = document.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("https://")]
    assert [link for link in links if not (document.parent / link).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("document", ["README.md", "docs/two-computers.md"])
def test_quoted_messages_are_those_that_the_code_prints(document):
    text = (PROJECT / document).read_text(encoding="utf-8")
    rows = text[text.index("| the message says |") :].partition("\n\n")[0].splitlines()[2:]
    quoted = [message for row in rows for message in re.findall(r"`([^`]+)`", row.split("|")[1])]
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in [*PROJECT.glob("workflow/middlebench/**/*.py"), PROJECT / "envs" / "install-packages"]
    )
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # a message that is written in several pieces
    varying = r"…|\b\w*\d\w*\b|accelerator: tcg|:"
    parts = {part.strip() for message in quoted for part in re.split(varying, message) if part.strip(" .,;")}
    assert {part for part in parts if part not in source} == set()
    assert len(parts) > 5


def test_descriptions_of_the_software_agree():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    meta = json.loads((PROJECT / "codemeta.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["name"] == meta["name"] == citation["title"]
    assert project["version"] == meta["version"] == citation["version"]
    assert f"https://spdx.org/licenses/{project['license']}" == meta["license"]
    assert project["license"] == citation["license"]
    assert meta["keywords"] == citation["keywords"]
    assert meta["description"] == citation["abstract"]
