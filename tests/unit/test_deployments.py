"""What it took to deploy each chain is told without pretending to an interval, and without what is not known."""

import matplotlib as mpl
import pytest
from middlebench.analysis.figures.deployments import deployment_figure, deployment_table
from middlebench.analysis.tables.table import to_csv
from sweeps import deployment

UNKNOWN_MEMORY = [deployment(n, "made") for n in (1, 2, 4)]


def with_memory(each):
    """Return a deployment whose middleboxes know what memory they take."""
    known = tuple({**start, "resident_kib": 20_000, "private_kib": 10_000} for start in each.middleboxes)
    return each.model_copy(update={"middleboxes": known})


KNOWN_MEMORY = [with_memory(each) for each in UNKNOWN_MEMORY]


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def test_figure_and_table_say_that_each_chain_was_deployed_once():
    assert "one deployment of each chain" in words(deployment_figure(KNOWN_MEMORY, "made")).replace("\n", " ")
    assert deployment_table(KNOWN_MEMORY, "made").caption.startswith("One deployment of each chain")


def test_memory_has_a_panel_and_columns_only_where_it_is_known():
    assert len(deployment_figure(KNOWN_MEMORY, "made").axes) == 2
    assert len(deployment_figure(UNKNOWN_MEMORY, "made").axes) == 1
    assert "Private memory of all [MB]" in deployment_table(KNOWN_MEMORY, "made").titles()
    unknown = deployment_table(UNKNOWN_MEMORY, "made")
    assert unknown.titles() == ["Middleboxes", "Deployed in [s]", "Boot of one, median [ms]"]
    assert to_csv(unknown).startswith("n,total_s,boot_ms,private_mb,resident_mb\n1,0.75,125,,\n")


@pytest.mark.parametrize("chains", [KNOWN_MEMORY, UNKNOWN_MEMORY, []])
def test_legends_lie_below_the_axes_and_not_over_the_data(chains):
    figure = deployment_figure(chains, "made")
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0
