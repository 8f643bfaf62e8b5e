"""The verdicts of a sweep as a map, a bar chart and a table: whole, and led back to the cells."""

import pytest
from matplotlib.colors import to_hex
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.figures.limiting import ARRIVED, COLORS, evidence_table, limit_map, loss_figure
from sweeps import costly, record, records, search, sweep


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def cells(figure) -> list[str]:
    return [text for text in texts(figure) if "\n" in text and text.split("\n")[0].rstrip("*") in COLORS]


def bars(figure):
    return [patch for patch in figure.axes[0].patches if patch.get_url()]


def test_every_cell_of_the_map_says_its_verdict_and_where_most_was_lost():
    assert cells(limit_map(sweep())) == ["switch\nbridge 0 in"] * 9


def test_where_a_negligible_loss_was_is_not_shown():
    found = record(offered=30_000, received=29_990)
    assert found.bottleneck.place
    assert "generator" in texts(limit_map(from_records([found])))


def test_cell_whose_repetitions_differ_shows_the_usual_verdict_and_is_marked():
    kept_up = {"offered": 30_000, "received": 30_000}
    table = from_records([record(), record(repetition=2), record(repetition=3, **kept_up)])
    figure = limit_map(table)
    assert cells(figure) == ["switch*\nbridge 0 in"]
    assert any("* repetitions differ" in text for text in texts(figure))


def test_figures_say_what_they_show_of_several_repetitions():
    listed = records(repetitions=3)
    table = from_records(listed)
    assert "most frequent of 3 repetitions" in " ".join(" ".join(texts(limit_map(table))).split())
    assert "sum of 3 repetitions" in " ".join(" ".join(texts(loss_figure(listed, table))).split())


def test_legend_of_the_map_has_the_verdicts_that_were_met():
    table = from_records([record(), record(n=2, offered=30_000, received=30_000)])
    (legend,) = limit_map(table).legends
    assert [text.get_text() for text in legend.get_texts()] == ["generator", "switch"]


def test_map_says_where_a_search_was_judged():
    assert any("just above" in text for text in texts(limit_map(from_records([record(search=search())]))))
    assert not any("just above" in text for text in texts(limit_map(sweep())))


def test_map_of_no_cell_says_so():
    assert any("nothing to show" in text for text in texts(limit_map(from_records([]))))


def test_parts_of_a_bar_are_all_that_was_sent():
    listed = records(repetitions=2)
    figure = loss_figure(listed, from_records(listed))
    for place in range(3):
        parts = [bar for bar in bars(figure) if round(bar.get_x() + bar.get_width() / 2) == place]
        assert sum(bar.get_height() for bar in parts) == pytest.approx(1)


def test_what_is_left_at_the_bottom_of_a_bar_arrived():
    listed = [record(n=1, offered=50_000, received=20_000)]
    bottom = min(bars(loss_figure(listed, from_records(listed))), key=lambda bar: bar.get_y())
    assert (bottom.get_y(), bottom.get_height()) == (pytest.approx(0, abs=1e-12), pytest.approx(0.4))
    assert to_hex(bottom.get_facecolor()) == ARRIVED
    assert bottom.get_url() == "../report/index.html#cell-n1-size800"


def test_bars_are_of_the_size_nearest_to_the_papers():
    listed = records(sizes=(60, 900))
    figure = loss_figure(listed, from_records(listed))
    assert "900 B (nearest to 800 B)" in figure.axes[0].get_title(loc="left")


def test_table_has_the_evidence_of_every_repetition_in_order():
    frame = evidence_table(records(repetitions=2)[::-1], "made").frame
    assert list(frame["n"]) == sorted(frame["n"])
    assert len(frame) == 18
    first = frame.iloc[0]
    assert (first["bottleneck"], first["lost_at"]) == ("switch", "bridge 0 (in)")
    assert "the server's one processor was 75 % busy" in first["evidence"]


def test_table_says_what_links_and_hops_cost():
    frame = evidence_table([costly(), record(2, repetition=2)], "made").frame
    costs = ["links_percent", "untaken_percent", "hop_us", "hop_switches", "hop_io_calls"]
    assert list(frame[costs].iloc[0]) == pytest.approx([20 / 3, 45, 10, 3000 / 110_000, 6000 / 110_000])
    assert frame[costs].iloc[1].isna().tolist() == [True, False, True, True, True]
