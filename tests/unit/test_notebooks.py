"""The notebooks are committed clean, take their parameters, and leave the files that they promise."""

import os
import re

import nbformat
import pytest
from executed import NAMES, NOTEBOOKS, PROMISED, execute_here, files_of, read
from helpers import PROJECT
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.law.derivation import law_of_dataset
from middlebench.model.record_file import write
from sweeps import write_results


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_valid_and_clean(name):
    content = read(name)
    nbformat.validate(content)
    assert content.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in content.cells}) == len(content.cells)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("name", NAMES)
def test_notebook_begins_with_a_title_and_one_parameters_cell(name):
    cells = read(name).cells
    assert re.match(r"# \w", cells[0].source)
    (parameters,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", []))
    assert 'dataset = "local"\nresults = "results"\npublications = "data/publications"' in parameters.source


def run_here(name, results, dataset, at, **parameters):
    """Run a notebook, in the folder ``at``, on a made-up testbed's results or on the published ones."""
    write_results(results)
    if name in ("claims", "law", "equivalence"):
        write(law_of_dataset(load_dataset(dataset, results)), results / dataset / "law.json")
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    other = {"path": str(results / "made")} if name == "equivalence" else {}
    os.chdir(at)
    execute_here(name, dataset=dataset, results=str(results), **other, **parameters)
    return before


@pytest.mark.parametrize("name", NAMES[:4])
def test_notebook_of_published_data_leaves_the_files_that_it_promises(tmp_path, monkeypatch, name):
    monkeypatch.chdir(PROJECT)
    run_here(name, tmp_path, "maksic", PROJECT, write=True)
    assert files_of(tmp_path / "maksic") == PROMISED[name]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_run_by_hand_in_its_own_folder_leaves_the_results_as_they_were(tmp_path, monkeypatch, name):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    results = tmp_path / "results"
    monkeypatch.chdir(PROJECT)
    before = run_here(name, results, "made", NOTEBOOKS)
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
