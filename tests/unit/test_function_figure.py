"""What each function costs, drawn and in order."""

from middlebench.analysis.figures.functions import costs_of, function_figure
from sweeps import records

FUNCTIONS = ("balance", "filter", "forward", "inspect", "nat")


def test_forward_comes_first_and_each_line_has_a_marker_of_its_own():
    measured = [
        record.model_copy(update={"cell": record.cell.model_copy(update={"function": function})})
        for function in FUNCTIONS
        for record in records(lengths=(1, 4), sizes=(60, 800))
    ]
    costs = costs_of(measured)
    assert list(costs["function"].unique()) == ["forward", "balance", "filter", "inspect", "nat"]
    lines = function_figure(costs, "local").axes[0].get_lines()
    assert [line.get_label() for line in lines] == list(costs["function"].unique())
    assert len({line.get_marker() for line in lines}) == len(FUNCTIONS)
