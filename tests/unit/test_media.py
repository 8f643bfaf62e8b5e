"""What a reader gets: what notebooks make, the report in a real browser and on paper, and tables set by a real TeX."""

import contextlib
import os
import re
import shutil
import subprocess

import nbformat
import pytest
from executed import NAMES, NOTEBOOKS, PROMISED, execute_here, files_of
from helpers import PROJECT
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.law.derivation import law_of_dataset
from middlebench.analysis.report.page import render_report
from middlebench.model.record_file import write
from playwright.sync_api import sync_playwright
from sweeps import write_results

LENGTHS = (*range(1, 11), 15, 20)
SIZES = (60, *range(200, 1501, 200), 1500)
MM = 96 / 25.4
"""Pixels of a browser in a millimetre."""
PAPERS = {"A4": 210 * MM, "Letter": 215.9 * MM}
MARGIN = 10 * MM


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def run_by_hand(tmp_path_factory):
    """A sweep of the paper's chains and half of its frame sizes; each notebook, executed in its own folder as somebody
    does by hand; the folder that it wrote to; and the sweep's files before and after all of them."""
    results, temporary = tmp_path_factory.mktemp("published") / "results", tmp_path_factory.mktemp("temporary")
    folder, notebooks, wrote = results / "made", {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary))
        patch.chdir(PROJECT)
        write_results(results, lengths=LENGTHS, sizes=SIZES)
        write(law_of_dataset(load_dataset("made", results)), folder / "law.json")
        before = contents(results)
        for name in NAMES:
            patch.chdir(NOTEBOOKS)
            other = {"path": str(folder)} if name == "equivalence" else {}
            notebooks[name] = execute_here(name, dataset="made", results=str(results), **other)
            (wrote[name],) = set(temporary.iterdir()) - set(wrote.values())
        return folder, notebooks, wrote, before, contents(results)


@pytest.fixture(scope="module")
def published(run_by_hand):
    """All that is made of a sweep, where the workflow has it."""
    folder, notebooks, wrote, *_ = run_by_hand
    (folder / "report").mkdir()
    for name, notebook in notebooks.items():
        shutil.copytree(wrote[name], folder, dirs_exist_ok=True)
        nbformat.write(notebook, folder / f"report/{name}.ipynb")
    with contextlib.chdir(PROJECT):
        written = [folder / f"report/{name}.ipynb" for name in notebooks]
        render_report(load_dataset("made", folder.parent), written, folder / "report/index.html")
    return folder


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing: envs/tests.packages names it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, published):
    """Opens the report in a window of some width."""
    pages = []

    def open_page(width=1200, **options):
        pages.append(browser.new_page(viewport={"width": width, "height": 900}, **options))
        pages[-1].goto((published / "report/index.html").as_uri())
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")


def test_notebooks_run_by_hand_leave_the_results_as_they_were(run_by_hand):
    *_, before, after = run_by_hand
    assert after == before


@pytest.mark.parametrize("name", NAMES)
def test_notebook_leaves_the_files_that_it_promises(run_by_hand, name):
    _, _, wrote, *_ = run_by_hand
    assert files_of(wrote[name]) == PROMISED[name]


def test_every_link_within_the_page_leads_to_a_part_that_is_shown(opened):
    page = opened()
    dead = page.evaluate(
        """() => [...document.querySelectorAll('a')].map(a => a.getAttribute('href') || a.getAttribute('xlink:href'))
        .filter(link => link.startsWith('#') && !document.getElementById(decodeURIComponent(link.slice(1))))"""
    )
    assert dead == []
    assert page.evaluate("[...document.querySelectorAll('h2, h3')].filter(h => !(h.id || h.closest('[id]').id))") == []
    page.click("#tables table a")
    target = page.evaluate(
        """() => { const part = document.getElementById(location.hash.slice(1)), box = part.getBoundingClientRect();
        const nav = document.querySelector('nav').getBoundingClientRect();
        return {shown: part.checkVisibility(), top: box.top, below: nav.bottom, window: innerHeight} }"""
    )
    assert target["shown"]
    assert target["below"] <= target["top"] < target["window"]


@pytest.mark.parametrize("width", [400, 1200])
def test_page_never_scrolls_sideways(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


CONTRAST = """() => {
  const light = color => { const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const ratio = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) };
  const paper = getComputedStyle(document.body).backgroundColor;
  const texts = [...document.querySelectorAll('h1, p, td, figure svg > g > g > text, figure svg g[id*=axis] text')];
  return {paper: light(paper), texts: texts.length, least: Math.min(...texts.map(text => {
    const style = getComputedStyle(text);
    return ratio(text instanceof SVGElement ? style.fill : style.color, paper) }))}
}"""
"""The relative luminance of the page and the least contrast of text on it, as WCAG 2.1 defines both."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_page_and_figures_can_be_read_in_the_light_and_in_the_dark(opened, scheme):
    found = opened(color_scheme=scheme).evaluate(CONTRAST)
    assert (found["paper"] < 0.05) == (scheme == "dark")
    assert found["texts"] > 100
    assert found["least"] >= 4.5


FOCUSED = """() => {
  const each = document.activeElement, box = each.getBoundingClientRect();
  return {shown: box.left >= 0 && box.top >= 0, outline: getComputedStyle(each).outlineStyle, link: each.hash} }"""


def test_keyboard_skips_to_the_results_and_always_shows_where_it_is(opened):
    page = opened()
    page.keyboard.press("Tab")
    skip = page.evaluate(FOCUSED)
    assert (skip["link"], skip["shown"]) == ("#top", True)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    first = page.evaluate(FOCUSED)
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert (skip["outline"], first["outline"], first["shown"]) == ("solid", "solid", True)
    assert page.evaluate("[...document.querySelectorAll('svg a')].filter(each => each.tabIndex >= 0).length") == 0


def test_point_of_a_figure_says_under_the_pointer_what_it_is(opened):
    page = opened()
    found = page.evaluate(
        """() => { const link = document.querySelector('#answer svg a'); link.scrollIntoView({block: 'center'});
        const box = link.getBoundingClientRect();
        const under = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).closest('a');
        return {title: under && under.querySelector('title').textContent} }"""
    )
    assert re.search(r"n = \d+, \d+ B", found["title"])


@pytest.mark.parametrize("paper", PAPERS)
def test_nothing_is_cut_on_paper(opened, paper, tmp_path):
    width = int(PAPERS[paper] - 2 * MARGIN)
    page = opened(width)
    page.emulate_media(media="print")
    unfold(page)
    cut = page.evaluate(
        """() => [...document.querySelectorAll('table, figure, svg, pre, p')]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
        .map(each => each.textContent.slice(0, 80))"""
    )
    assert cut == []
    assert page.evaluate("[...document.querySelectorAll('#tables table')].some(t => t.rows[0].cells.length == 13)")
    margin = dict.fromkeys(("top", "bottom", "left", "right"), "10mm")
    assert page.pdf(format=paper, margin=margin).startswith(b"%PDF")


@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_every_table_is_set_by_tex_within_its_page(published, tmp_path, columns):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is missing: envs/tests.packages names it")
    tables = sorted((published / "tables").glob("*.tex"))
    assert len(tables) > 20
    body = "".join(f"\\typeout{{{path.stem}}}\\input{{{path}}}\\clearpage\n" for path in tables)
    head = f"\\documentclass[{columns}]{{article}}\n\\usepackage{{graphicx}}\n"
    text = f"{head}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "all.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    whole_lines = os.environ | {"max_print_line": "1000"}
    done = subprocess.run(command, cwd=tmp_path, env=whole_lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (
        re.findall(r"^(?:Overfull|Missing character|LaTeX Warning: Float too large).*", done.stdout, re.MULTILINE) == []
    )
