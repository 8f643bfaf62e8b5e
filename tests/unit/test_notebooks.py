"""The notebooks are committed clean and take their parameters; a cell that fails is named."""

import re

import nbformat
import pytest
from executed import NAMES, read
from middlebench.analysis.report.execution import executed
from middlebench.system.errors import MiddlebenchError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


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
    assert 'dataset = "local"\nresults = "results"' in parameters.source


def notebook_of(folder, *sources):
    """Write a notebook whose parameter has the default 1, and return where it is."""
    cells = [new_code_cell("x = 1", metadata={"tags": ["parameters"]}), *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A notebook"), *cells]), folder / "some.ipynb")
    return folder / "some.ipynb"


def test_executed_notebook_has_what_its_cells_print_display_and_end_in(tmp_path):
    shows = "from IPython.display import Markdown, display\nprint(x)\ndisplay(Markdown('**bold**'))\n{'x': x}"
    content = executed(notebook_of(tmp_path, shows, "x;", "y = x"), {"x": 2, "name": "a 'b'"})
    nbformat.validate(content)
    injected, shown, *silent = content.cells[2:]
    assert injected.source.split("\n")[1:3] == ["x = 2", "name = \"a 'b'\""]
    printed, displayed, last = shown.outputs
    assert printed.text == "2\n"
    assert displayed.data["text/markdown"] == "**bold**"
    assert last.data["text/plain"] == "{'x': 2}"
    assert [cell.outputs for cell in silent] == [[], []]
    assert [cell.execution_count for cell in content.cells[1:]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("source", "words"), [("1 / (x - x)", "ZeroDivisionError"), ("x = = 1", "SyntaxError")])
def test_cell_that_fails_ends_the_notebook_with_an_error_that_names_it(tmp_path, capsys, source, words):
    with pytest.raises(MiddlebenchError, match=rf"(?s)some\.ipynb.*{words}") as caught:
        executed(notebook_of(tmp_path, source, "print('not reached')"), {})
    assert source in str(caught.value)
    assert capsys.readouterr() == ("", "")
