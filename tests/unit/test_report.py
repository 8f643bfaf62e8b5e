"""The report opens without a network, shows everything, and refuses what would break that."""

import re

import nbformat
import pytest
from middlebench.analysis.dataset import load_dataset
from middlebench.analysis.flags import explain
from middlebench.analysis.measurements import from_records
from middlebench.analysis.notebook_html import section_of
from middlebench.analysis.report import render_report
from middlebench.errors import RecordError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sweeps import ENVIRONMENT, environment, record, write_results

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><dc:title>A &amp; B</dc:title></svg>'


def notebook(path, *outputs, heading="# Some results"):
    cells = [
        new_markdown_cell(heading),
        new_code_cell("quiet = 1"),
        new_code_cell("show(1 < 2)", outputs=list(outputs)),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def display(**data):
    return new_output("display_data", data={kind.replace("__", "/"): value for kind, value in data.items()})


@pytest.fixture
def results(tmp_path):
    write_results(tmp_path / "results", repetitions=2)
    return tmp_path / "results"


@pytest.fixture
def render(results, tmp_path):
    def rendered(*outputs, **kwargs):
        out = results / "made/report/index.html"
        path = notebook(tmp_path / "results.ipynb", *outputs)
        render_report(load_dataset("made", results), [path], out, **kwargs)
        return out.read_text()

    return rendered


def test_report_loads_nothing_from_anywhere(render):
    page = render(new_output("display_data", data={"image/svg+xml": SVG}))
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", page)
    assert loaded
    assert all(address.startswith(("data:", "#")) for address in loaded)
    assert "<script" not in page
    assert "<link" not in page
    assert "@import" not in page


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<img src=figures/fig1.png>",
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        "<style>p { background: url('https://cdn.example/x.png') }</style>",
    ],
)
def test_page_that_would_load_something_is_refused(render, html):
    with pytest.raises(RecordError, match="outside"):
        render(display(text__html=html))


def test_report_says_what_was_run_and_on_what(render):
    page = render()
    for word in (
        "60, 800, 1500 B",
        "1, 2, 4",
        "A testbed that is not there.",
        "both computers.kernel",
        "no shaper on eth0",
        ENVIRONMENT.id,
        "a switch",
    ):
        assert word in page
    assert "2026-01-02 03:01 to 2026-01-02 03:02 UTC" in page


def test_report_counts_unstable_cells_and_explains_loss_and_summary(render):
    page = render()
    assert re.search(r"unstable cells</dt><dd>0 of 9<", page)
    assert "How many were lost" in page
    assert "received_mbps_low" in page


def test_report_has_a_way_to_each_section(render):
    page = render()
    targets = re.findall(r'href="#([^"]+)"', page)
    assert "results" in targets
    assert all(f'id="{target}"' in page for target in targets)


def test_report_has_the_title_asked_for(render):
    assert "<h1>Mine &amp; yours" in render(title="Mine & yours")


def test_emulated_testbed_is_named_so_in_the_heading(results, tmp_path):
    write_results(results, testbed="lab", environments=[ENVIRONMENT.model_copy(update={"emulated": True})])
    out = tmp_path / "index.html"
    render_report(load_dataset("lab", results), [], out)
    assert re.search(r"<h1>.*emulated.*</h1>", out.read_text())


def test_report_of_the_published_data_needs_no_sweep(tmp_path):
    render_report(load_dataset("published"), [], tmp_path / "index.html")
    assert "i7 920" in (tmp_path / "index.html").read_text()


def test_image_is_embedded_with_its_title_for_those_who_cannot_see_it(tmp_path):
    html = section_of(notebook(tmp_path / "n.ipynb", display(**{"image/svg+xml": SVG}))).html
    assert '<img src="data:image/svg+xml;base64,' in html
    assert 'alt="A &amp; B"' in html


def test_code_is_there_but_hidden(tmp_path):
    html = section_of(notebook(tmp_path / "n.ipynb")).html
    assert html.count("<details") == 1
    assert "quiet = 1\n\nshow(1 &lt; 2)" in html


def test_headings_go_one_level_down_and_the_first_becomes_the_section_title(tmp_path):
    section = section_of(notebook(tmp_path / "n.ipynb", heading="# Top & more\n\n## Next"))
    assert section.title == "Top & more"
    assert "<h3>Next" in section.html
    assert "<h2" not in section.html


def test_comparisons_with_several_references_are_told_apart(tmp_path):
    path = notebook(tmp_path / "comparison_other.ipynb", heading="# Comparison")
    content = nbformat.read(path, as_version=4)
    content.metadata["papermill"] = {"parameters": {"dataset": "made", "reference": "other"}}
    nbformat.write(content, path)
    assert section_of(path).title == "Comparison with other"


def test_notebook_that_stopped_at_an_error_is_refused(tmp_path):
    error = new_output("error", ename="ValueError", evalue="no such cell")
    with pytest.raises(RecordError, match="no such cell"):
        section_of(notebook(tmp_path / "n.ipynb", error))


def test_flags_are_counted_and_explained():
    measurements = from_records(
        [record(n=1, flags=("generator-limited", "new")), record(n=2, flags=("new",)), record(n=3)]
    )
    explained = explain(measurements).set_index("flag")
    assert explained["cells"].to_dict() == {"generator-limited": 1, "new": 2}
    assert "99 %" in explained.loc["generator-limited", "meaning"]


def test_mixed_environments_are_warned_of_and_told_apart(tmp_path):
    newer = environment(kernel="6.2")
    cells = [record(n=1), record(n=2), record(n=4, environment=newer)]
    write_results(tmp_path, environments=[ENVIRONMENT, newer], cells=cells)
    render_report(load_dataset("made", tmp_path), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "2 environments mixed</span></h1>" in page
    assert "not all measured in the same environment: 2 are mixed here" in page
    assert "middlebox server: kernel 6.1 → 6.2" in page
