"""A cell's path, label, anchor and deployment follow from its axes, and lead back to it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.model.cell import (
    CELL_PATTERN,
    DEPLOYMENT_PATTERN,
    LONGEST_CHAIN,
    Cell,
    cells_of,
    cells_on_disk,
    deployment_values,
)
from pydantic import ValidationError

cells = st.builds(
    Cell,
    testbed=st.just("local"),
    topology=st.sampled_from(["chain", "parallel", "pipeline"]),
    function=st.sampled_from(["forward", "nat", "filter-rules=64", "filter+nat+balance", "inspect-patterns=1+forward"]),
    n=st.integers(0, LONGEST_CHAIN),
    frame_bytes=st.integers(1, 9000),
    repetition=st.integers(1, 1000),
)
CELL = Cell(testbed="local", n=4, frame_bytes=800, repetition=2)


@given(cells)
def test_path_leads_back_to_its_cell(cell):
    assert Cell.of_key("local", cell.key) == cell
    assert cell.path == f"cells/{cell.key}.json"
    assert re.fullmatch(CELL_PATTERN, cell.key)


@given(cells)
def test_deployment_is_named_by_the_axes_that_need_one(cell):
    assert deployment_values(cell.deployment_key) == {
        "topology": cell.topology,
        "function": cell.function,
        "n": cell.n,
    }
    assert re.fullmatch(DEPLOYMENT_PATTERN, cell.deployment_key)


def test_names_of_a_cell():
    assert CELL.path == "cells/n4/size800/rep2.json"
    assert CELL.raw_path == "cells/n4/size800/rep2.generator.txt"
    assert CELL.deployment_path == "deployments/n4.json"
    assert CELL.anchor == "n4-size800"
    assert CELL.label == "n = 4, 800 B, repetition 2"
    assert CELL.point.label == "n = 4, 800 B"


def test_default_of_an_axis_is_not_in_a_path_and_another_value_is():
    other = CELL.model_copy(update={"function": "filter-rules=64+nat"})
    assert other.path == "cells/function-filter-rules=64+nat/n4/size800/rep2.json"
    assert other.deployment_path == "deployments/function-filter-rules=64+nat/n4.json"
    assert other.label == "filter-rules=64+nat, n = 4, 800 B, repetition 2"
    assert Cell.of_key("local", "function-forward/n4/size800/rep2") is None, "a cell has one path"
    parallel = other.model_copy(update={"topology": "parallel"})
    assert parallel.path == "cells/topology-parallel/function-filter-rules=64+nat/n4/size800/rep2.json"
    assert parallel.label == "parallel, filter-rules=64+nat, n = 4, 800 B, repetition 2"


@pytest.mark.parametrize("function", ["", "Nat", "nat+", "+nat", "nat/filter", "nat rules=1", "nat-rules", "../nat"])
def test_what_is_no_function_is_no_cells(function):
    with pytest.raises(ValidationError):
        Cell(testbed="local", n=1, frame_bytes=60, function=function)
    assert Cell.of_key("local", f"function-{function}/n4/size800/rep1") is None


@pytest.mark.parametrize(
    "key", ["", "n4", "n4/size800", "size800/n4/rep1", "n04/size800/rep1", "n4/size800/rep0", "x/n4/size800/rep1"]
)
def test_other_paths_are_no_cells(key):
    assert Cell.of_key("local", key) is None
    assert not re.fullmatch(CELL_PATTERN, key)


def test_grid_holds_every_combination_once():
    grid = cells_of("local", {"n": (1, 2), "frame_bytes": (60, 800)}, 2)
    assert len(set(grid)) == len(grid) == 8


def test_cells_on_disk_are_those_that_have_a_file_where_a_record_belongs(tmp_path):
    results = tmp_path / "local"
    for name in (CELL.path, CELL.raw_path, "cells/n4/size800/rep2.json~", "cells/n4/.rep3.json", "cells/odd/rep1.json"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    assert cells_on_disk(results) == [CELL]
