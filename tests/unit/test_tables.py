"""Tables have the paper's layout for any sweep, and all their forms say the same."""

import io

import pandas as pd
import pytest
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells, load_table
from middlebench.analysis.tables.latex import table_in_latex
from middlebench.analysis.tables.table import Table, table1, table2, to_csv, to_html, to_latex, to_markdown, write_table
from pylatexenc.latexwalker import LatexWalker
from sweeps import record, sweep


def test_published_values_come_out_as_they_were_transcribed():
    published = load_table("maksic")
    single = pd.read_csv(io.StringIO(to_csv(table1(load_cells("maksic")))))
    wanted = published[published["n"] == 1].drop(columns=["table", "n"]).reset_index(drop=True)
    assert single.to_numpy().tolist() == wanted.to_numpy().tolist()
    chains = pd.read_csv(io.StringIO(to_csv(table2(load_cells("maksic"))))).set_index("frame_bytes")
    for row in published.to_dict("records"):
        assert chains.loc[row["frame_bytes"], f"n{row['n']}"] == row["received_mbps"]


def test_table1_has_only_one_middlebox():
    table = table1(sweep())
    assert list(table.frame["frame_bytes"]) == [60, 800, 1500]
    assert table.frame["received_mbps"].iloc[1] == pytest.approx(20_000 * 800 * 8 / 0.5 / 1e6)


def test_table1_of_a_sweep_without_a_single_middlebox_is_empty():
    assert table1(sweep(lengths=(2, 3))).frame.empty


def test_table2_has_a_column_for_each_swept_length_and_no_other():
    assert list(table2(sweep(lengths=(0, 2, 15))).frame.columns) == ["frame_bytes", "n0", "n2", "n15"]


def test_cell_that_was_not_measured_is_an_empty_field():
    table = table2(from_records([record(n=1, frame_bytes=60), record(n=2, frame_bytes=100)]))
    assert [row[2] for row in table.cells()] == ["", "32.00"]
    assert to_csv(table).splitlines() == ["frame_bytes,n1,n2", "60,19.20,", "100,,32.00"]


def test_repetitions_are_averaged_and_the_caption_says_so():
    measurements = from_records([record(repetition=1, received=10_000), record(repetition=2, received=30_000)])
    table = table2(measurements)
    assert table.frame["n1"].item() == pytest.approx(256)
    assert "mean of 2 repetitions" in table.caption


def test_caption_names_testbed_and_middlebox():
    assert "testbed made (a middlebox)" in table1(sweep()).caption


def test_every_form_holds_every_value():
    table = table2(sweep())
    for text in (to_csv(table), to_markdown(table), to_latex(table), to_html(table)):
        for value in (value for row in table.cells() for value in row):
            assert value in text


def test_latex_escapes_what_it_must_and_has_as_many_columns_as_it_declares():
    measurements = sweep(testbed="my_lab")
    text = to_latex(table1(measurements))
    assert r"my\_lab" in text
    assert r"\begin{tabular}{rrrrrr}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\tabularnewline")]
    assert {line.count("&") for line in rows} == {5}


def test_latex_is_ascii_and_balanced_whatever_a_table_says():
    """A parser reads it, not TeX itself, which is large; TeX without packages takes no other letters than these."""
    text = table_in_latex("ü ≥ {50 %}", ["t = p·n − k [µs]", "a_b"], [["± × ÷ → …", "\\x ~ ^ # $"]], [0.5, None])
    assert text.isascii()
    (float_, *_), *_ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    tabular = [node for node in float_.nodelist if getattr(node, "environmentname", "") == "tabular"]
    assert len(tabular) == 1


@pytest.mark.parametrize(
    ("columns", "float_", "shrunk"), [(2, "table", False), (7, "table*", False), (20, "table*", True)]
)
def test_latex_table_fits_one_column_or_the_page_or_is_shrunk_to_it(columns, float_, shrunk):
    text = table_in_latex("", [f"n = {n}" for n in range(columns)], [["123.45"] * columns], [None] * columns)
    assert text.startswith(rf"\begin{{{float_}}}")
    assert (r"\resizebox" in text) is shrunk


def test_latex_breaks_a_heading_that_is_wider_than_its_column():
    text = table_in_latex("", ["Received throughput [Mb/s]"], [["1.00"]], [None])
    assert r"\shortstack[r]{Received\\{}throughput\\{}[Mb/s]}" in text


def test_text_is_quoted_and_escaped_as_each_form_needs():
    frame = pd.DataFrame({"what": ["a, b | c & d"], "value": [1.5]})
    table = Table(frame, {"what": "What", "value": "Value"}, "Words", widths={"what": 0.5})
    assert to_csv(table) == 'what,value\n"a, b | c & d",1.50\n'
    assert r"| a, b \| c & d | 1.50 |" in to_markdown(table)
    assert "| :--- | ---: |" in to_markdown(table)
    assert r"\begin{tabular}{p{0.5\linewidth}r}" in to_latex(table)
    assert r"\raggedright a, b | c \& d & 1.50" in to_latex(table)
    assert '<td class="words">a, b | c &amp; d</td><td>1.50</td>' in to_html(table)


def test_table_is_written_in_three_forms(tmp_path):
    paths = write_table(table1(sweep()), tmp_path / "tables", "table1")
    assert [path.name for path in paths] == ["table1.csv", "table1.md", "table1.tex"]
    assert all(path.read_text() for path in paths)
