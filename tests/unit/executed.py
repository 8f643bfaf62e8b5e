"""The notebooks, and the files that each of them promises."""

import nbformat
from helpers import PROJECT
from middlebench.analysis.report.execution import executed

NOTEBOOKS = PROJECT / "notebooks"
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
    "law": {
        f"figures/{name}.{suffix}" for name in ("law", "knee", "predictions_map") for suffix in ("png", "svg", "pdf")
    }
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
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def execute_here(name, **parameters):
    return executed(NOTEBOOKS / f"{name}.ipynb", parameters)


def files_of(folder):
    """Return the figures and tables of a dataset, by their paths in its folder."""
    return {str(path.relative_to(folder)) for part in ("figures", "tables") for path in (folder / part).glob("*")}
