"""The report's first screen answers the question, says on what, and what to beware of."""

import re

import pytest
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.data.flags import DRIFT
from middlebench.analysis.report.first_screen import origin_of, shown_sizes, verdicts_of, warnings_of
from middlebench.analysis.report.page import render_report
from middlebench.model.record import GENERATOR_LIMITED, LINKS_COSTLY, SERVER_SHARED, WITHOUT_KVM
from sweeps import COMPUTER, ENVIRONMENT, record, records, write_results


def made(results, **sweep):
    write_results(results, **sweep)
    return load_dataset("made", results)


@pytest.mark.parametrize("count", range(1, 20))
def test_few_sizes_are_shown_and_the_extremes_are_among_them(count):
    sizes = tuple(range(100, 100 * (count + 1), 100))
    few = shown_sizes(sizes)
    assert len(few) == len(set(few)) == min(count, 5)
    assert (few[0], few[-1]) == (sizes[0], sizes[-1])


def test_origin_names_machine_versions_and_day(tmp_path):
    origin = origin_of(made(tmp_path))
    assert COMPUTER.cpu in origin
    assert record().components.middlebox in origin
    assert "2026-01-02" in origin


def test_single_repetitions_are_warned_of_until_there_are_more(tmp_path):
    assert any("`repetitions: 5`" in each for each in warnings_of(made(tmp_path / "once", cells=records())))
    assert warnings_of(made(tmp_path / "twice", repetitions=2)) == []


def test_drift_is_told_with_its_command_where_cells_have_one_repetition(tmp_path):
    data = made(tmp_path, cells=records())
    data.measurements["flags"] = DRIFT
    assert "`make remeasure`" in warnings_of(data)[0]


def test_other_limits_than_the_chain_and_emulation_are_told(tmp_path):
    emulated = [ENVIRONMENT.model_copy(update={"emulated": True})]
    data = made(tmp_path, repetitions=2, environments=emulated)
    data.measurements["flags"] = f"{GENERATOR_LIMITED};{LINKS_COSTLY}"
    data.measurements["links_ratio"] = 0.34
    links, processor = warnings_of(data)
    assert "34 %" in links
    assert "emulated" in processor
    data.measurements["bottleneck"] = "generator"
    assert "the generator (18) was the limit" in warnings_of(data)[0]


def test_other_programs_on_the_servers_processors_are_told(tmp_path):
    data = made(tmp_path, repetitions=2)
    data.measurements["flags"] = SERVER_SHARED
    (warning,) = warnings_of(data)
    assert "`middlebench archive --flag server-shared`" in warning


def test_values_of_virtual_machines_without_kvm_are_told_to_be_so(tmp_path):
    data = made(tmp_path, repetitions=2)
    data.measurements["middlebox"] = f"unikernel 1234, QEMU 7.2, {WITHOUT_KVM}"
    (warning,) = warnings_of(data)
    assert WITHOUT_KVM in warning


def test_claims_of_each_publication_are_counted(tmp_path):
    ((_, publication, words),) = verdicts_of(load_dataset("maksic"))
    assert publication.authors == ("Nataša Maksić",)
    assert words.startswith("15 claims: ")


def test_first_screen_stands_before_all_else_with_both_figures(tmp_path):
    render_report(made(tmp_path, repetitions=2), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    first = page[page.index('<section id="answer"') : page.index("</section>")]
    assert first.count("<svg") == 2
    assert all(words in first for words in ("arrive through", "15 claims", "measurements.csv"))


def test_sweep_without_a_middlebox_says_so_and_what_to_do(tmp_path):
    render_report(made(tmp_path, cells=[record(n=0)]), [], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert re.search(r'class="warning">No chain with a middlebox was measured.*chain_lengths', page)
