"""The file of claims is checked, and the paper's tables say of each claim what they say."""

import dataclasses
import html

import pytest
import yaml
from middlebench.analysis.claims.claim import Claims, load_claims
from middlebench.analysis.claims.findings import Verdict
from middlebench.analysis.claims.verdicts import complete_repetitions, judge
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import FOLDER
from middlebench.analysis.tables.verdicts import (
    bars_table,
    claims_table,
    describe,
    exceptions,
    shown,
    to_html,
    write_claims,
)
from middlebench.system.errors import RecordError
from sweeps import environment, record, records, write_results

PUBLISHED = {
    "generator-about-280": ("reproduced", 278.65),
    "generator-independent-of-size": ("reproduced", 3.55),
    "small-frames-carry-little": ("reproduced", 528.65),
    "link-full-from-500": ("reproduced", 500),
    "chain-is-the-limit": ("reproduced", 89.47),
    "rate-falls-with-size": ("same shape only", -78.89),
    "throughput-rises-with-size": ("same shape only", 427.64),
    "inconsistencies-are-small": ("reproduced", 7.00),
    "about-500-at-800": ("reproduced", 508.61),
    "about-500-at-all-expected": ("not reproduced", 533.94),
    "throughput-falls-with-length": ("same shape only", -98.79),
    "flat-up-to-four": ("reproduced", 4),
    "flat-up-to-cores": ("reproduced", 4),
    "flat-up-to-cores-at-every-size": ("same shape only", 4),
    "twenty-over-one": ("reproduced", 1.28),
}
"""What the paper's own tables say to its text."""


@pytest.fixture(scope="module")
def claims():
    return load_claims("maksic")


@pytest.fixture(scope="module")
def paper(claims):
    return judge(claims, load_dataset("maksic"))


def by_id(judgements):
    return {judgement.claim.id: judgement for judgement in judgements}


def made(results, claims, cells, server=None):
    """Return what a testbed says to each claim, with these records and this middlebox server (two processors)."""
    where = environment(**(server or {"cpus": (2, 3)}))
    cells = [cell.model_copy(update={"environment": where.id}) for cell in cells]
    write_results(results, environments=[where], cells=cells)
    return by_id(judge(claims, load_dataset("made", results)))


def test_papers_tables_say_to_its_text(paper):
    assert {
        name: (str(judgement.finding.verdict), round(judgement.finding.figure, 2))
        for name, judgement in by_id(paper).items()
    } == PUBLISHED


def test_papers_tables_have_the_drop_at_four_only_from_700_to_1000_bytes(paper):
    evidence = by_id(paper)["flat-up-to-cores-at-every-size"].finding.evidence
    assert "reproduced at 700 B (4), 800 B (4), 900 B (4), 1000 B (4);" in evidence
    assert "not reproduced at 60 B (1), 100 B (1), 200 B (1)" in evidence


def test_single_runs_have_no_interval(paper):
    assert all(judgement.interval is None for judgement in paper)
    assert all(judgement.repetitions == 1 for judgement in paper)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda claims: claims[0].update(colour="red"), "colour"),
        (lambda claims: claims[0]["test"].update(about="many"), "about"),
        (lambda claims: claims[0]["test"].update(kind="guess"), "guess"),
        (lambda claims: claims[0]["curve"].update(value="speed"), "value"),
        (lambda claims: claims.append(dict(claims[0])), "generator-about-280 is repeated"),
    ],
)
def test_spoilt_file_of_claims_is_refused_by_name(tmp_path, spoil, named):
    content = yaml.safe_load((FOLDER / "maksic" / "claims.yaml").read_text())
    spoil(content["claims"])
    (tmp_path / "maksic").mkdir()
    (tmp_path / "maksic" / "claims.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(RecordError, match=named) as refusal:
        load_claims("maksic", tmp_path)
    assert "claims.yaml" in str(refusal.value)


def test_missing_file_of_claims_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"claims\.yaml"):
        load_claims("maksic", tmp_path)


def test_claims_are_frozen(claims):
    with pytest.raises(ValueError, match="frozen"):
        claims[0].claim = "another"
    assert Claims(claims=claims).claims == claims


def test_repetitions_give_an_interval_and_agree_or_not(tmp_path, claims):
    received = {1: 38_000, 2: 40_000, 3: 24_000}
    said = made(tmp_path, claims, [record(repetition=k, received=count) for k, count in received.items()])
    judgement = said["about-500-at-800"]
    assert judgement.finding.figure == pytest.approx(435.2)
    assert judgement.finding.verdict is Verdict.NOT_REPRODUCED
    assert (judgement.repetitions, judgement.agreeing) == (3, 1)
    assert judgement.interval.low < 435.2 < judgement.interval.high


def test_only_repetitions_with_every_cell_are_judged_by_themselves():
    cells = [*records(repetitions=2), record(n=1, frame_bytes=60, repetition=3)]
    assert len(complete_repetitions(from_records(cells))) == 2


@pytest.mark.parametrize(
    ("server", "verdict"),
    [
        ({"cpus": (2, 3)}, Verdict.REPRODUCED),
        ({"cpus": (1, 2, 3)}, Verdict.SAME_SHAPE),
        ({"cpus": (3,)}, Verdict.NOT_TESTABLE),
        ({"cpus": (2, 3), "hypervisor": "xen"}, Verdict.NOT_TESTABLE),
        ({"cpus": (0,), "hypervisor": "xen", "hypervisor_cores": 2}, Verdict.REPRODUCED),
    ],
)
def test_cores_are_those_of_the_testbeds_server(tmp_path, claims, server, verdict):
    cells = [record(n=n, received=40_000 if n <= 2 else 10_000) for n in range(1, 6)]
    assert made(tmp_path, claims, cells, server)["flat-up-to-cores"].finding.verdict is verdict


def test_what_shows_only_the_generators_limit_is_not_testable(tmp_path, claims):
    said = made(tmp_path, claims, [record(offered=40_000, received=40_000)])
    finding = said["about-500-at-800"].finding
    assert finding.verdict is Verdict.NOT_TESTABLE
    assert "all that the generator offered has arrived at 800 B" in finding.evidence


def test_control_without_a_middlebox_is_no_point_of_a_curve(tmp_path, claims):
    cells = [record(n=0, received=50_000), *(record(n=n, received=40_000 if n <= 2 else 10_000) for n in range(1, 6))]
    assert made(tmp_path, claims, cells)["flat-up-to-cores"].finding.verdict is Verdict.REPRODUCED


def test_sweep_of_one_cell_is_judged_as_far_as_it_goes(tmp_path, claims):
    said = made(tmp_path, claims, [record(n=0, frame_bytes=64)])
    assert {judgement.finding.verdict for judgement in said.values()} == {Verdict.NOT_TESTABLE}
    assert all(judgement.finding.evidence for judgement in said.values())


def test_tables_hold_every_claim_in_every_form(tmp_path, claims, paper):
    write_results(tmp_path / "results", repetitions=2)
    mine = judge(claims, load_dataset("made", tmp_path / "results"))
    write_claims(mine, paper, "made", tmp_path, "claims")
    page = to_html(mine, paper, "made")
    for claim in claims:
        assert claim.id in (tmp_path / "claims.csv").read_text()
        assert claim.claim in (tmp_path / "claims.md").read_text()
        assert f'id="claim-{claim.id}"' in page
    assert r"\begin{tabular}{p{0.38\linewidth}" in (tmp_path / "claims.tex").read_text()
    assert page.count('class="verdict') == 2 * len(claims)


def test_details_of_a_claim_open_with_a_click_and_none_is_lost(tmp_path, claims, paper):
    page = html.unescape(to_html(paper, paper, "maksic")).replace("\N{NO-BREAK SPACE}", " ")
    assert page.count("<details><summary>") == len(claims)
    for judgement in paper:
        for text in (judgement.claim.place, judgement.claim.reading, judgement.finding.evidence):
            assert text in page


@pytest.mark.parametrize(
    ("figure", "unit", "words"),
    [(133.41, "kpkt/s", "mean 133 kpkt/s"), (0.98765, "Mb/s", "mean 0.988 Mb/s"), (12345.6, "Mb/s", "mean 12300 Mb/s")],
)
def test_figure_of_a_claim_has_three_digits(paper, figure, unit, words):
    level = next(each for each in paper if each.claim.test.kind == "level")
    finding = dataclasses.replace(level.finding, figure=figure, unit=unit)
    assert shown(dataclasses.replace(level, finding=finding)) == words


def test_place_that_is_a_claims_figure_is_not_rounded(paper):
    onset = next(each for each in paper if each.claim.test.kind == "onset")
    finding = dataclasses.replace(onset.finding, figure=1514.0, unit="B")
    assert shown(dataclasses.replace(onset, finding=finding)) == "from 1514 B on"


def test_papers_own_page_has_one_verdict_a_claim(claims, paper):
    page = to_html(paper, paper, "maksic")
    assert page.count('class="verdict') == len(claims)
    assert "its own tables" in page


def test_words_count_the_verdicts_and_list_what_is_not_borne_out(paper):
    assert describe(paper, "maksic") == (
        "Of the publication's 15 claims, put to its own tables: 10 reproduced, 4 same shape only, 1 not reproduced."
    )
    assert exceptions(paper).count("\n- ") == 4
    assert "+8.0 % from 60 B to 100 B" in exceptions(paper)
    assert "Kendall's tau -0.98 (p < 0.001)" in exceptions(paper)


def test_bars_of_every_kind_that_is_used_are_stated(claims, paper):
    table = bars_table(paper)
    assert set(table.frame["kind"]) == {claim.test.kind for claim in claims}
    assert table.frame.map(bool).all(axis=None)


def test_csv_has_a_row_a_claim_and_the_figures_of_both(claims, paper):
    frame = claims_table(paper, paper, "maksic").frame
    assert list(frame["id"]) == [claim.id for claim in claims]
    assert list(frame["figure"]) == list(frame["published_figure"])
