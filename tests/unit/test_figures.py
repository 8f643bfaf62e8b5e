"""Figures can be read on their own: titles, units, names of what is drawn, and axes from zero."""

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from middlebench.analysis.data.flags import DRIFT, adding
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.figures import labels, maps
from middlebench.analysis.figures import throughput as figures
from middlebench.analysis.figures.description import describe
from middlebench.analysis.figures.style import save_figure, svg_of
from sweeps import record, sweep

LINES = (figures.fig1, figures.fig3, figures.fig5, figures.throughput_by_size)
NO_CELL = from_records([])


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def line(figure, label):
    (found,) = (each for each in figure.axes[0].lines if label in str(each.get_label()))
    return found.get_xdata().tolist(), found.get_ydata().tolist()


@pytest.mark.parametrize("draw", LINES)
def test_line_plot_names_measured_and_published_units_and_begins_at_zero(draw):
    figure = draw(sweep(), load_cells("maksic"))
    text = words(figure)
    assert "made" in text
    assert "published" in text
    assert "[Mb/s]" in figure.axes[0].get_ylabel()
    assert "[" in figure.axes[0].get_xlabel()
    assert figure.axes[0].get_ylim()[0] == 0


@pytest.mark.parametrize("draw", [*LINES, maps.heat_map])
def test_note_is_in_the_title(draw):
    assert "[emulated]" in draw(sweep(), note="emulated").axes[0].get_title(loc="left")


@pytest.mark.parametrize("draw", [*LINES, maps.heat_map])
@pytest.mark.parametrize("measurements", [NO_CELL, from_records([record(n=0, frame_bytes=512, received=0)])])
@pytest.mark.filterwarnings("error")
def test_sweep_of_next_to_nothing_is_drawn_all_the_same(draw, measurements):
    figure = draw(measurements)
    figure.draw_without_rendering()
    assert figure.axes[0].get_title(loc="left")


def test_values_are_drawn_in_their_place():
    sizes, throughputs = line(figures.fig3(sweep()), "measured")
    assert sizes == [60, 800, 1500]
    assert throughputs == pytest.approx([20_000 * size * 8 / 0.5 / 1e6 for size in sizes])


def test_fig1_shows_the_line_rate_of_the_link():
    sizes, throughputs = line(figures.fig1(sweep(), link_bps=1e9), "line rate of a 1 Gb/s link")
    assert (sizes[0], sizes[-1]) == (60, 1500)
    assert throughputs[0] == pytest.approx(714.29, abs=0.01)


def test_fig5_takes_800_bytes_where_it_can():
    figure = figures.fig5(sweep())
    assert "800 B" in figure.axes[0].get_title(loc="left")
    assert line(figure, "measured")[0] == [1, 2, 4]


def test_fig5_says_which_size_it_takes_instead_and_which_the_other_has():
    figure = figures.fig5(sweep(sizes=(64, 1024)), load_cells("maksic"))
    assert "1024 B (nearest to 800 B)" in figure.axes[0].get_title(loc="left")
    assert "1000 B" in words(figure)


def bars_of(axes):
    return axes.findobj(mpl.collections.LineCollection)


def repeated():
    """Return a sweep of three repetitions that differ."""
    return from_records(
        record(n, size, repetition=k, received=count)
        for n in (1, 2)
        for size in (60, 800)
        for k, count in ((1, 18_000), (2, 20_000), (3, 30_000))
    )


@pytest.mark.parametrize("draw", [figures.fig3, figures.fig5, figures.throughput_by_size])
def test_lines_have_the_intervals_of_their_means_where_cells_were_repeated(draw):
    figure = draw(repeated(), load_cells("maksic"))
    axes = figure.axes[0]
    assert len(bars_of(axes)) == len(axes.containers) > 0
    assert "95 % interval" in words(figure)
    assert not draw(sweep(), load_cells("maksic")).axes[0].containers


def test_interval_of_a_throughput_is_not_drawn_below_zero():
    wide = from_records(record(repetition=k, received=count) for k, count in ((1, 1_000), (2, 40_000)))
    (bars,) = bars_of(figures.fig3(wide).axes[0])
    assert bars.get_segments()[0][:, 1].min() == 0


def test_no_line_leaves_its_panel_whichever_dataset_is_larger():
    for figure in (
        figures.throughput_by_size(sweep(), load_cells("maksic")),
        figures.throughput_by_size(load_cells("maksic"), sweep()),
    ):
        for axes in figure.axes:
            assert max(each.get_ydata().max() for each in axes.lines) <= axes.get_ylim()[1]


def test_panels_share_both_axes_so_that_lines_can_be_compared():
    left, right = figures.throughput_by_size(sweep(sizes=(60, 800)), load_cells("maksic")).axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xlim()[0] == 0
    assert left.get_ylim() == right.get_ylim()


def test_subtitle_says_from_how_many_to_how_many_repetitions_a_mean_is_of():
    uneven = from_records([record(n=1), record(n=2), record(n=2, repetition=2), record(n=2, repetition=3)])
    assert "mean of 1 to 3 repetitions" in words(figures.fig5(uneven)).replace("\n", " ")


def test_published_values_are_not_called_a_testbed():
    text = words(figures.fig3(load_cells("maksic")))
    assert "published maksic · ClickOS" in text
    assert "testbed maksic" not in text


def test_what_a_law_predicts_is_told_apart_from_what_was_measured():
    cells = sweep()
    known = cells[cells["n"] != 2]
    predicted = cells[cells["n"] == 2][["n", "frame_bytes"]].assign(predicted_mbps=77.7)
    beyond = predicted.assign(n=99, predicted_mbps=55.5)
    drawn = maps.predicted_map(known, pd.concat([predicted, beyond]))
    styles = {text.get_text(): text.get_fontstyle() for text in drawn.axes[0].texts}
    assert styles.pop("77.7") == "italic"
    assert set(styles.values()) == {"normal"}
    assert "55.5" not in styles
    assert len(drawn.axes[0].patches) == len(predicted)
    maps.predicted_map(known.iloc[:0], predicted.iloc[:0])


def test_heat_map_marks_unstable_cells_and_says_what_the_mark_means():
    assert "363?" in words(maps.heat_map(repeated().assign(received_mbps=lambda cells: cells["received_mbps"] * 1.25)))
    assert "unstable" in words(maps.heat_map(repeated()))
    assert "unstable" not in words(maps.heat_map(sweep()))


def test_cells_beside_drift_are_marked_in_maps_and_hollow_in_lines():
    cells = sweep()
    drifted = adding(cells, DRIFT, (cells["n"] == 1).to_numpy())
    assert words(maps.heat_map(drifted)).count("~") == 3 + 1  # n = 1 in three sizes, and what it means
    assert "~ drift: a control" in words(maps.heat_map(drifted))
    assert "~" in words(maps.ratio_map(drifted, cells))
    assert "~" not in words(maps.ratio_map(cells, cells))
    for draw in (figures.fig1, figures.fig3, figures.fig5):
        assert "hollow" in words(draw(drifted))
        assert "hollow" not in words(draw(cells))
    hollow = [line for line in figures.fig3(drifted).axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [len(line.get_xdata()) for line in hollow] == [3]


@pytest.mark.parametrize(
    ("described", "short"),
    [
        ("unikernel (forward) 05ae13bc7fc2, 4 MiB, QEMU 7.2.22, emulated (TCG)", "unikernel (forward), emulated"),
        ("unikernel (forward) 05ae13bc7fc2, 4 MiB, QEMU 7.2.22, KVM", "unikernel (forward)"),
        ("netns / unikernel 05ae13bc7fc2, emulated (TCG)", "netns / unikernel, emulated"),
        ("a middlebox", "a middlebox"),
        ("defaced facade", "defaced facade"),
    ],
)
def test_legend_names_a_middlebox_in_short(described, short):
    assert labels.short_name(described) == short


def test_long_description_stands_in_the_subtitle_and_not_in_the_legend():
    described = "unikernel (forward) 05ae13bc7fc2, 4 MiB, QEMU 7.2.22, emulated (TCG)"
    figure = figures.fig3(sweep().assign(middlebox=described))
    assert "05ae13bc7fc2" in " ".join(text.get_text() for text in figure.axes[0].texts)
    (label,) = figure.axes[0].get_legend_handles_labels()[1]
    assert label == "measured (made: unikernel (forward), emulated)"


def test_what_a_sweep_does_not_have_is_said_in_the_legend():
    assert "not in this sweep" in words(figures.fig3(sweep(lengths=(2,)), load_cells("maksic")))


def test_heat_map_has_a_number_in_every_measured_cell_only():
    measurements = from_records([record(n=1, frame_bytes=60), record(n=2, frame_bytes=100, received=0)])
    numbers = [text.get_text() for text in maps.heat_map(measurements).axes[0].texts]
    assert "19.2" in numbers
    assert "0.00" in numbers
    assert len([number for number in numbers if number.replace(".", "").isdigit()]) == 2


def test_colours_of_the_papers_grid_are_logarithmic():
    (image,) = maps.heat_map(load_cells("maksic")).axes[0].images
    assert isinstance(image.norm, mpl.colors.LogNorm)


def test_ratio_map_is_symmetric_around_one():
    (image,) = maps.ratio_map(sweep(), load_cells("maksic")).axes[0].images
    assert image.norm.vmin * image.norm.vmax == pytest.approx(1)
    assert np.isfinite(image.get_array().compressed()).all()


@pytest.mark.filterwarnings("error")
def test_ratio_map_of_datasets_without_a_common_cell_says_so():
    assert "no such cells" in words(maps.ratio_map(sweep(sizes=(61,)), load_cells("maksic")))


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    measurements = sweep()
    for folder in ("first", "second"):
        save_figure(figures.fig3(measurements, load_cells("maksic")), tmp_path / folder, "fig3")
    for suffix in ("png", "svg", "pdf"):
        name = f"fig3.{suffix}"
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert (tmp_path / "first/fig3.svg").read_text() == svg_of(figures.fig3(measurements, load_cells("maksic")))


def test_svg_has_its_words_as_text_and_says_what_it_shows():
    svg = svg_of(figures.fig5(load_cells("maksic")))
    assert re.search(r"<text[^>]*>received throughput \[Mb/s\]</text>", svg)
    assert "509 at 1, 531 at 2, 6.51 at 20." in re.search(r"<dc:description>(.*?)</dc:description>", svg)[1]


def test_map_is_described_by_its_extremes():
    words = describe(maps.heat_map(load_cells("maksic")))
    assert "Lowest: 0.5 at 20, 60. Highest: 603 at 2, 1500." in words


def test_figure_without_a_cell_is_described_all_the_same():
    assert "not in this sweep" in describe(figures.fig5(from_records([])))


def test_drawing_leaves_the_readers_own_settings_alone():
    before = dict(mpl.rcParams)
    figures.fig3(sweep())
    assert dict(mpl.rcParams) == before


def links(figure):
    """Return the addresses of all points of a figure that lead somewhere."""
    return [url for each in figure.findobj(mpl.collections.Collection) for url in each.get_urls() if url]


def test_every_point_leads_to_the_cell_that_it_is_of():
    assert links(figures.fig5(sweep())) == [f"../report/index.html#cell-n{n}-size800" for n in (1, 2, 4)]


def test_point_of_another_dataset_leads_to_its_own_source():
    published, other = load_cells("maksic"), sweep(testbed="other")
    addresses = links(figures.fig3(sweep(), published, other))
    assert "../report/index.html#cell-n1-size60" in addresses
    assert "../report/index.html#maksic-n1-size60" in addresses
    assert "../../other/report/index.html#cell-n1-size60" in addresses


def test_every_known_cell_of_a_map_leads_to_what_it_is_of():
    some = from_records([record(n=1, frame_bytes=60), record(n=2, frame_bytes=100)])
    assert links(maps.heat_map(some)) == [
        "../report/index.html#cell-n1-size60",
        "../report/index.html#cell-n2-size100",
    ]
    assert links(maps.ratio_map(some, load_cells("maksic"))) == [
        "../report/index.html#beside-maksic-n1-size60",
        "../report/index.html#beside-maksic-n2-size100",
    ]


def test_links_have_an_area_to_click_in_the_svg_that_is_not_seen():
    figure = figures.fig5(sweep())
    before = figure.axes[0].get_ylim()
    svg = svg_of(figure)
    areas = re.findall(r'<a xlink:href="\.\./report/index\.html#cell-[^>]*>(.*?)</a>', svg, flags=re.DOTALL)
    assert len(areas) == 3
    assert all("fill: #ffffff; fill-opacity: 0.001" in area for area in areas)
    assert before == figures.fig5(sweep()).axes[0].get_ylim()
