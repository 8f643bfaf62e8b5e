import json
import re

import pytest
from helpers import PROJECT
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
    documentation.write(tmp_path)
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
