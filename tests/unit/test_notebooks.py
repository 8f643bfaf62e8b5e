"""The notebooks are committed clean, take their parameters, and leave the files that they promise."""

import os
import re

import nbformat
import pytest
from helpers import PROJECT
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.law.derivation import law_of_dataset
from middlebench.analysis.law.results import write_law
from sweeps import write_results

FOLDER = PROJECT / "notebooks"
NAMES = (
    "claims",
    "law",
    "figures",
    "tables",
    "comparison",
    "equivalence",
    "controls",
    "deployment",
    "limits",
    "functions",
    "topologies",
)

FIGURES = ("fig1", "fig2", "fig3", "fig4", "fig5", "heatmap", "throughput_by_size")
TABLES = ("table1", "table1_intervals", "table2", "table2_intervals")
LAW_TABLES = (
    "law_parameters",
    "knee",
    "longest_chain",
    "predictions",
    "law_disagreements",
    "hop_processor_time",
    "law_left_out",
    "law_tried",
)
COMPARISONS = ("comparison_maksic", "comparison_by_length_maksic", "comparison_by_size_maksic")
PROMISED = {
    "claims": {f"tables/claims_maksic.{suffix}" for suffix in ("csv", "md", "tex")},
    "law": {f"figures/{name}.{suffix}" for name in ("law", "knee") for suffix in ("png", "svg", "pdf")}
    | {f"tables/{name}.{suffix}" for name in LAW_TABLES for suffix in ("csv", "md", "tex")},
    "equivalence": {
        f"tables/{name}_other.{suffix}" for name in ("equivalence", "laws") for suffix in ("csv", "md", "tex")
    },
    "limits": {f"figures/{name}.{suffix}" for name in ("limits", "losses") for suffix in ("png", "svg", "pdf")}
    | {f"tables/limits.{suffix}" for suffix in ("csv", "md", "tex")},
    **{
        name: {f"figures/{name}.{suffix}" for suffix in ("png", "svg", "pdf")}
        | {f"tables/{name}.{suffix}" for suffix in ("csv", "md", "tex")}
        for name in ("controls", "deployment", "functions", "topologies")
    },
    "figures": {f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg", "pdf")},
    "tables": {f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "md", "tex")},
    "comparison": {f"tables/{name}.{suffix}" for name in COMPARISONS for suffix in ("csv", "md", "tex")}
    | {f"figures/comparison_maksic.{suffix}" for suffix in ("png", "svg", "pdf")},
}


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(name, **parameters):
    """Run a notebook's code here, its parameters set as papermill sets them: by a cell after their defaults."""
    namespace = {}
    for cell in read(name).cells:
        if cell.cell_type == "code":
            exec(cell.source, namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace.update(parameters)


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
        write_law(law_of_dataset(load_dataset(dataset, results)), results / dataset / "law.json")
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    other = {"path": str(results / "made")} if name == "equivalence" else {}
    os.chdir(at)
    run(name, dataset=dataset, results=str(results), **other, **parameters)
    return before


@pytest.mark.parametrize(
    ("name", "dataset"), [*((name, "made") for name in NAMES), *((name, "maksic") for name in NAMES[:4])]
)
def test_notebook_leaves_the_files_that_it_promises(tmp_path, monkeypatch, name, dataset):
    monkeypatch.chdir(PROJECT)
    run_here(name, tmp_path, dataset, PROJECT, write=True)
    folder = tmp_path / dataset
    found = {str(path.relative_to(folder)) for part in ("figures", "tables") for path in (folder / part).glob("*")}
    assert found == PROMISED[name]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_run_by_hand_in_its_own_folder_leaves_the_results_as_they_were(tmp_path, monkeypatch, name):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    results = tmp_path / "results"
    monkeypatch.chdir(PROJECT)
    before = run_here(name, results, "made", FOLDER)
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
