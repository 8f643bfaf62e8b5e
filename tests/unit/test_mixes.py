"""A mix of frame sizes is a row of its own in tables and lists, and no point of what goes by frame size."""

import pandas as pd
import pytest
from middlebench.analysis.data import mixes
from middlebench.analysis.data.dataset import Dataset, load_dataset
from middlebench.analysis.data.measurements import from_records, read_measurements, write_measurements
from middlebench.analysis.data.summary import summarise
from middlebench.analysis.figures import functions, latency, limiting, throughput, topologies
from middlebench.analysis.law.derivation import law_of_dataset
from middlebench.analysis.report.answer import answer, topology_table
from middlebench.analysis.report.page import at_a_glance, render_report
from middlebench.analysis.tables.intervals import table1_intervals, table2_intervals
from middlebench.analysis.tables.table import table1, table2, to_html
from middlebench.model.consistency import contradictions
from middlebench.model.mix import sizes_of
from middlebench.run.remeasure import widest_cells
from sweeps import record, records, timed, write_results

SIZES = (60, "imix", "imix-aaafg", 1500)
ROWS = [60, 1500, "IMIX", "IMIX aaafg"]
MEAN = sum(sizes_of("imix")) / 12


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    write_results(tmp_path, sizes=SIZES, repetitions=2)
    return load_dataset("made", tmp_path)


def test_rates_of_a_mix_are_of_the_bytes_that_were_counted():
    measured = record(frame_bytes="imix", offered=24_000, received=12_000)
    few_large = measured.counts.model_copy(update={"received_bytes": 12_000 * 100})
    row = from_records([measured.model_copy(update={"counts": few_large})]).iloc[0]
    assert pd.isna(row["frame_bytes"])
    assert row["frame_mix"] == "imix"
    assert row["offered_mbps"] == pytest.approx(48_000 * MEAN * 8 / 1e6)
    assert row["offered_raw_mbps"] == pytest.approx(48_000 * (MEAN + 24) * 8 / 1e6)
    assert row["received_mbps"] == pytest.approx(24_000 * 100 * 8 / 1e6)
    table = mixes.table_of(from_records([measured.model_copy(update={"counts": few_large})])).iloc[0]
    assert (table["mix"], table["mean size offered [B]"], table["mean size received [B]"]) == ("IMIX", "357.8", "100.0")


@pytest.mark.parametrize(("size", "wrong"), [(12_000 * 60 - 1, True), (12_000 * 60, False), (12_000 * 1514 + 1, True)])
def test_bytes_that_no_frames_of_the_mix_can_have_are_a_contradiction(size, wrong):
    measured = record(frame_bytes="imix", received=12_000)
    counts = measured.counts.model_copy(update={"received_bytes": size})
    assert bool(contradictions(measured.model_copy(update={"counts": counts}))) == wrong


def test_measurements_are_read_as_they_were_written(dataset, tmp_path):
    write_measurements(dataset.every_size, tmp_path / "again.csv")
    again = read_measurements(tmp_path / "again.csv")
    assert set(again["frame_mix"]) == {"", "imix", "imix-aaafg"}
    assert len(again) == len(dataset.every_size) == 3 * len(SIZES) * 2
    assert len(summarise(again)) == 3 * len(SIZES)


def test_tables_have_a_row_for_each_mix_behind_those_of_one_size(dataset):
    for table in (table1, table2, table1_intervals, table2_intervals):
        made = table(dataset.every_size)
        assert list(made.frame["frame_bytes"]) == ROWS
        assert ">IMIX<" in to_html(made)
        for addresses in made.addresses.values():
            assert addresses[2].endswith("-sizeimix")


def test_answer_and_lists_name_mixes(dataset):
    found = answer(dataset.every_size)
    assert list(found.longest) == [60, 1500, "imix", "imix-aaafg"]
    assert "frames of 60 to 1500 B and of IMIX and of IMIX aaafg" in found.sentences[0]
    assert list(topology_table(dataset.every_size, "made").frame["frame_bytes"]) == ROWS
    assert at_a_glance(dataset.every_size)["frame sizes"] == "60, 1500 B, IMIX, IMIX aaafg"
    shown = limiting.evidence_table(dataset.records, "made").frame
    assert list(shown[shown["n"] == 1]["frame_bytes"]) == [size for size in ROWS for _ in range(2)]


def test_what_goes_by_frame_size_leaves_mixes_out_and_says_so(dataset):
    assert set(dataset.measurements["frame_bytes"]) == {60, 1500}
    assert dataset.note_by_size == "IMIX left out, IMIX aaafg left out"
    assert dataset.note == ""
    assert law_of_dataset(dataset).frame_sizes == (60, 1500)
    assert any("left out: IMIX, IMIX aaafg" in remark for remark in law_of_dataset(dataset).remarks)


def test_sweep_of_a_mix_alone_is_shown_as_far_as_it_goes(tmp_path):
    cells = [record(n, "imix", latency=(timed(),)) for n in (1, 2)]
    write_results(tmp_path, cells=cells)
    dataset = load_dataset("made", tmp_path)
    assert dataset.measurements.empty
    assert answer(dataset.every_size).longest.keys() == {"imix"}
    assert "IMIX" in latency.latency_figure(dataset.every_size).axes[0].get_title(loc="left")
    assert "IMIX" in topologies.topology_figure(dataset.every_size, "made").axes[0].get_title(loc="left")
    for draw in (throughput.fig1, throughput.fig3, throughput.throughput_by_size, limiting.limit_map):
        draw(dataset.measurements)
    limiting.loss_figure(dataset.records, dataset.measurements)
    costs = functions.costs_of(dataset.records)
    assert functions.function_figure(costs, "made").axes[0].get_title(loc="left") == "Received rate at IMIX"
    assert list(functions.function_table(costs, "made").frame["kpps"]) == [pytest.approx(40)]
    render_report(dataset, [], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "genome AAAAAAABBBBC (RFC 6985), in bytes with FCS A = 64, B = 594, C = 1518" in page
    assert page.count('id="cell-n2-sizeimix"') == 1


def test_mix_is_measured_again_where_its_interval_is_widest(tmp_path):
    wide = [
        record(1, "imix", repetition=repetition, received=received) for repetition, received in ((1, 1000), (2, 9000))
    ]
    write_results(tmp_path, cells=[*wide, *records(lengths=(1,), sizes=(60,), repetitions=2)])
    assert [cell.key for cell in widest_cells(tmp_path / "made", 1)] == ["n1/sizeimix/rep3"]
