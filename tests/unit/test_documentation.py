import json
import re

import pytest
from helpers import PROJECT
from middlebench import config, documentation

MODELS = [config.Study, config.Testbed]


@pytest.mark.parametrize("path", documentation.files(), ids=str)
def test_committed_file_is_what_the_models_say(path):
    assert (PROJECT / path).read_text() == documentation.files()[path], "run `make docs`"


def test_written_files_are_the_generated_ones(tmp_path):
    documentation.write(tmp_path)
    assert {path: (tmp_path / path).read_text() for path in documentation.files()} == documentation.files()


@pytest.mark.parametrize("model", MODELS)
def test_every_key_of_the_models_is_explained(model):
    described = json.loads(documentation.schema(model))
    places = [described, *described.get("$defs", {}).values()]
    unexplained = [
        f"{place['title']}.{key}"
        for place in places
        for key, value in place.get("properties", {}).items()
        if not value.get("description")
    ]
    assert not unexplained


@pytest.mark.parametrize("model", MODELS)
def test_readme_has_a_row_for_every_key_of_the_models(model):
    described = json.loads(documentation.schema(model))
    keys = {key for place in (described, *described.get("$defs", {}).values()) for key in place.get("properties", {})}
    rows = re.findall(r"^\| `([^`]+)` \|", documentation.readme(), re.MULTILINE)
    assert keys <= {row.rpartition(".")[2] for row in rows}


def test_schemas_refuse_keys_that_the_models_do_not_know():
    for model in MODELS:
        assert json.loads(documentation.schema(model))["additionalProperties"] is False
