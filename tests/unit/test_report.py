"""The report opens without a network, shows everything, and refuses what would break that."""

import html
import re
import shlex

import nbformat
import pytest
from html5rdf import HTMLParser
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.data.flags import explain
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.figures import maps
from middlebench.analysis.figures import throughput as figures
from middlebench.analysis.figures.deployments import deployment_figure, deployment_table
from middlebench.analysis.figures.style import svg_of
from middlebench.analysis.report.grid import grid_of
from middlebench.analysis.report.notebook_html import section_of
from middlebench.analysis.report.page import at_a_glance, render_report
from middlebench.analysis.tables.comparison import cells_table
from middlebench.analysis.tables.table import table1, table2, to_html
from middlebench.model.provision import Provision
from middlebench.model.record_file import read, write
from middlebench.system.errors import RecordError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sweeps import ENVIRONMENT, environment, record, records, search, timed, write_results

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><dc:title>A &amp; B</dc:title></svg>'


KINDS = {"text__html": "text/html", "image__svg_xml": "image/svg+xml", "image__png": "image/png"}


def notebook(path, *outputs, heading="# Some results"):
    cells = [
        new_markdown_cell(heading),
        new_code_cell("quiet = 1"),
        new_code_cell("show(1 < 2)", outputs=list(outputs)),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def display(**data):
    return new_output("display_data", data={KINDS[kind]: value for kind, value in data.items()})


@pytest.fixture
def results(tmp_path):
    write_results(tmp_path / "results", repetitions=2)
    return tmp_path / "results"


@pytest.fixture
def render(results, tmp_path):
    def rendered(*outputs):
        out = results / "made/report/index.html"
        path = notebook(tmp_path / "results.ipynb", *outputs)
        render_report(load_dataset("made", results), [path], out)
        return out.read_text()

    return rendered


def test_report_loads_nothing_from_anywhere(render):
    page = render(display(image__svg_xml=SVG), display(image__png="iVBORw0KGgo="))
    loaded = re.findall(r"""\bsrc\s*=\s*["']?([^"'\s>]+)""", page)
    assert loaded
    assert all(address.startswith("data:") for address in loaded)
    assert "<script" not in page
    assert "<link" not in page
    assert "@import" not in page


def addresses(page):
    return re.findall(r'<a\b[^>]*? (?:xlink:)?href="([^"]+)"', page)


def parts(page):
    return re.findall(r'\bid="([^"]+)"', page)


def figure(draw, *args):
    """Return a figure as a notebook shows it."""
    return display(image__svg_xml=svg_of(draw(*args)))


@pytest.fixture(scope="module")
def linked_results(tmp_path_factory):
    """Results with a report whose figures and tables lead somewhere."""
    results = tmp_path_factory.mktemp("linked") / "results"
    write_results(results, repetitions=2)
    data, published = load_dataset("made", results), load_cells("maksic")
    shown = (
        figure(figures.fig1, data.measurements, published),
        figure(figures.fig5, data.measurements, published),
        figure(maps.heat_map, data.measurements),
        figure(maps.ratio_map, data.measurements, published),
        figure(deployment_figure, data.deployments, "made"),
        *(
            display(text__html=to_html(table))
            for table in (
                table1(data.measurements),
                table2(data.measurements),
                cells_table(data.measurements, published),
                deployment_table(data.deployments, "made"),
            )
        ),
    )
    path = notebook(results.with_name("comparison_maksic.ipynb"), *shown)
    claims = notebook(results.with_name("claims_maksic.ipynb"), display(text__html="<p>each with its reason</p>"))
    render_report(data, [claims, path], results / "made/report/index.html")
    return results


@pytest.fixture
def linked(linked_results):
    return (linked_results / "made/report/index.html").read_text()


def test_every_link_leads_to_a_part_of_the_page_or_to_a_file_that_is_there(linked, linked_results):
    found = addresses(linked)
    inside = {address[1:] for address in found if address.startswith("#")}
    outside = {address for address in found if not address.startswith("#")}
    assert {
        "claims_maksic",
        "cell-n4-size800",
        "maksic-n20-size800",
        "beside-maksic-n2-size60",
        "deployment-n4",
    } <= inside
    assert inside <= set(parts(linked))
    assert "../cells/n4/size800/rep2.json" in outside
    assert "../cells/n4/size800/rep2.generator.txt" in outside
    files = [address for address in outside if not address.startswith("https://")]
    assert [address for address in files if not (linked_results / "made/report" / address).exists()] == []


def test_no_two_parts_of_a_page_with_several_figures_have_the_same_name(linked):
    assert len(parts(linked)) == len(set(parts(linked)))


def test_page_is_valid_html(linked):
    parser = HTMLParser()
    parser.parse(linked)
    assert parser.errors == []


def test_every_figure_is_described_and_takes_the_colours_of_the_page(linked):
    shown = re.findall(r"<svg .*?</svg>", linked, flags=re.DOTALL)
    assert len(shown) == 7
    for svg in shown:
        assert re.match(r'<svg role="group" aria-label="[^"]+"[^>]*>\s*<desc>[^<]+</desc>', svg)
        assert "fill: var(--paper)" in svg
        assert not re.search(r"(fill|stroke): #(000000|ffffff)\b", svg)


def test_point_of_a_figure_says_what_it_leads_to(linked):
    words = dict(re.findall(r'<a xlink:href="#([^"]+)"[^>]*><title>([^<]+)</title>', linked))
    assert words["cell-n4-size800"] == (
        "n = 4, 800 B: received 102.4 ± 0.0 Mb/s, offered 640.0 ± 0.0 Mb/s (2 repetitions)"
    )
    assert words["maksic-n4-size800"] == "n = 4, 800 B: received 512.5 Mb/s"
    assert words["beside-maksic-n4-size800"].endswith("beside maksic")
    assert words["deployment-n4"] == "n = 4: deployed in 0.75 s"
    assert linked.count("<a xlink:href=") == len(re.findall(r"<a xlink:href=[^>]*><title>", linked))


def test_command_of_a_cell_names_every_repetition(linked, linked_results):
    commands = [html.unescape(each) for each in re.findall(r"<code>(snakemake [^<]+--force[^<]+)</code>", linked)]
    assert len(commands) == 9
    targets = [shlex.split(command.partition(" -- ")[2]) for command in commands]
    assert [path.removeprefix(f"{linked_results}/made/") for path in targets[-1]] == [
        f"cells/n4/size1500/rep{repetition}.json" for repetition in (1, 2)
    ]


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
        "both computers: kernel",
        "no shaper on eth0",
        ENVIRONMENT.id,
        "a switch",
    ):
        assert word in page
    assert "2026-01-02 03:01 to 03:02 UTC" in page
    assert "used processors (by number)" in page
    assert "hypervisor" not in page


def test_report_counts_unstable_cells_and_explains_loss_and_summary(render):
    page = render()
    assert re.search(r"unstable</dt><dd>0 of 9 combinations of chain length and frame size<", page)
    assert "How many were lost" in page
    assert "received_mbps_low" in page


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([record()], "1"),
        (records(), "9 = 3 lengths × 3 sizes"),
        (records(lengths=(1,), repetitions=3), "9 = 1 length × 3 sizes × 3 repetitions"),
        (records()[:4], "4 of 4 combinations of chain length and frame size"),
    ],
)
def test_report_says_how_many_cells_there_are_and_of_what(cells, words):
    assert at_a_glance(from_records(cells))["cells"] == words


def test_report_counts_the_cells_beside_drift():
    cells = from_records([record(repetition=1), record(repetition=2, flags=("drift",))])
    assert at_a_glance(cells)["near drift"] == "1 of 2 cells"
    assert "near drift" not in at_a_glance(from_records([record()]))


def test_column_in_which_no_row_has_anything_is_left_out():
    grid = grid_of([{"alternative": "a", "failure": "", "search": None}, {"alternative": "b", "failure": ""}])
    assert grid.to_dict("list") == {"alternative": ["a", "b"]}


def test_alternatives_say_at_which_load_they_received_what(results):
    provision = read(Provision, results / "made/provision.json")
    tried = {"alternative": "x", "received_pps": {"n=1, 60 B": 700, "n=10, 1514 B": 800}, "failure": "", "chosen": True}
    failed = {"alternative": "y", "received_pps": {}, "failure": "no such device", "chosen": False}
    write(provision.model_copy(update={"choices": (tried, failed)}), results / "made/provision.json")
    out = results / "made/report/index.html"
    render_report(load_dataset("made", results), [], out)
    page = out.read_text()
    assert 'received at n=10, 1514 B [pkt/s]</th><th scope="col">chosen<' in page
    assert "failure</th>" not in page
    assert "<td>failed</td>" in page
    assert "<li>y: no such device</li>" in page


def test_marked_up_words_of_flags_and_columns_are_code_and_no_backtick_is_left(tmp_path):
    write_results(tmp_path, cells=[record(flags=("drift",))])
    render_report(load_dataset("made", tmp_path), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "<code>make remeasure</code>" in page
    assert "`" not in page


def test_counts_of_one_are_singular(tmp_path):
    write_results(tmp_path, cells=[record()])
    render_report(load_dataset("made", tmp_path), [], tmp_path / "index.html")
    assert "1 frame size, 1 cell<" in (tmp_path / "index.html").read_text()


def test_report_has_a_way_to_each_section(render):
    page = render()
    contents = re.findall(r'href="#([^"]+)"', page[page.index("<nav") : page.index("</nav>")])
    assert {"run", "results", "cells", "publication-maksic", "publication-cnf-testbed"} <= set(contents)
    assert set(contents) <= set(parts(page))


def test_emulated_testbed_is_named_so_in_the_heading(results, tmp_path):
    write_results(results, testbed="lab", environments=[ENVIRONMENT.model_copy(update={"emulated": True})])
    out = tmp_path / "index.html"
    render_report(load_dataset("lab", results), [], out)
    assert re.search(r"<h1>.*emulated.*</h1>", out.read_text())


def test_report_of_the_published_data_needs_no_sweep(tmp_path):
    render_report(load_dataset("maksic"), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "i7 920" in page
    assert "<h1>Chains of middleboxes, as published" in page
    assert "testbed maksic" not in page


def test_figure_is_a_part_of_the_page_with_its_title_for_those_who_cannot_see_it(tmp_path):
    section = section_of(notebook(tmp_path / "n.ipynb", display(image__svg_xml=SVG))).html
    assert '<svg role="group" aria-label="A &amp; B"' in section


def test_long_table_is_folded(tmp_path):
    rows = "<tr><td>1</td></tr>\n" * 100
    html = section_of(notebook(tmp_path / "n.ipynb", display(text__html=f"<table>{rows}</table>"))).html
    assert "<summary>100 rows</summary>" in html


def test_heading_under_which_nothing_is_shown_is_left_out(tmp_path):
    cells = [
        new_markdown_cell("# Title"),
        new_markdown_cell("## Shown"),
        new_code_cell("1", outputs=[display(text__html="<b>one</b>")]),
        new_markdown_cell("## Empty\n\nWhat is not there."),
        new_code_cell("None"),
        new_markdown_cell("## Words\n\nOnly words."),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    page = section_of(tmp_path / "n.ipynb").html
    assert re.findall(r"<h3[^>]*>(\w+)", page) == ["Shown", "Words"]
    assert "What is not there" not in page


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
    content.metadata["papermill"]["parameters"]["reference"] = "maksic"
    nbformat.write(content, path)
    assert section_of(path).title == "Comparison with maksic"


def test_notebook_that_stopped_at_an_error_is_refused(tmp_path):
    error = new_output("error", ename="ValueError", evalue="no such cell")
    with pytest.raises(RecordError, match="no such cell"):
        section_of(notebook(tmp_path / "n.ipynb", error))


def test_flags_are_counted_and_explained():
    measurements = from_records(
        [record(n=1, flags=("offered-below-intended", "new")), record(n=2, flags=("new",)), record(n=3)]
    )
    explained = explain(measurements).set_index("flag")
    assert explained["cells"].to_dict() == {"offered-below-intended": 1, "new": 2}
    assert "99 %" in explained.loc["offered-below-intended", "meaning"]


def test_mixed_environments_are_warned_of_and_told_apart(tmp_path):
    newer = environment(kernel="6.2")
    cells = [record(n=1), record(n=2), record(n=4, environment=newer)]
    write_results(tmp_path, environments=[ENVIRONMENT, newer], cells=cells)
    render_report(load_dataset("made", tmp_path), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "2 environments mixed</span></h1>" in page
    assert "not all measured in the same environment: 2 are mixed here" in page
    assert "middlebox server: kernel 6.1 → 6.2" in page


def test_report_of_a_search_shows_its_bounds_and_says_the_goal_in_the_heading(tmp_path):
    found = [record(n, size, search=search()) for n in (1, 2, 4) for size in (60, 800, 1500)]
    write_results(tmp_path, cells=found)
    data = load_dataset("made", tmp_path)
    render_report(data, [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert data.note == "NDR"
    assert "Throughput searches" in page
    assert page.count("<td>40.100</td>") == len(found)


def test_report_of_timed_frames_has_their_figure_and_every_trial(tmp_path):
    found = [record(n, 800, latency=(timed(0.0), timed(0.9, lost=7))) for n in (1, 2)]
    write_results(tmp_path, cells=found, lengths=(1, 2), sizes=(800,))
    render_report(load_dataset("made", tmp_path), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert 'id="latency"' in page
    assert 'aria-label="Latency by chain length, 800 B' in page
    assert page.count("<td>7</td>") == len(found)


def test_report_without_searches_or_timed_frames_has_no_section_of_them(render):
    page = render()
    assert "Throughput searches" not in page
    assert 'id="latency"' not in page
