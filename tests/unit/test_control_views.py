"""What the report says of the controls can be read on its own, and names the command that helps."""

import matplotlib as mpl
import pandas as pd
import pytest
from middlebench.analysis.data.drift import drift_of, table_of
from middlebench.analysis.data.flags import ONE_SIDED
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.figures.controls import AGAIN, controls_figure, describe, links_in_words, trends_table
from middlebench.analysis.figures.description import describe as describe_figure
from sweeps import control, costly, record

CELLS = from_records([record(repetition=k) for k in (1, 2, 3)])  # 03:01, 03:02, 03:03


def at(second):
    return f"2026-01-02T03:{second // 60:02d}:{second % 60:02d}.000+00:00"


def drift_with(*rates, kinds=("back-to-back", "switch-only")):
    """Controls every minute, between which the three cells lie, the bridge's at these rates."""
    controls = [
        control(kind, received=rate if kind == "switch-only" else 1000, started_at=at(30 + 60 * place))
        for place, rate in enumerate(rates)
        for kind in kinds
    ]
    return drift_of(table_of(controls), CELLS)


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def test_marked_cells_are_counted_and_the_command_that_measures_them_again_is_given():
    text = describe(drift_with(1000, 1000, 1000, 500), 0.1)
    assert "1 cell is marked `drift`" in text
    assert AGAIN in text
    assert "3 of 3 cells have controls of every kind, measured in the same run, both before and after" in text
    assert ONE_SIDED not in text


def test_cells_with_controls_on_one_side_or_none_are_counted():
    text = describe(drift_with(1000, 1000, 1000), 0.1)
    assert "2 of 3 cells have controls" in text
    assert f"1 cell, flagged `{ONE_SIDED}`, has them only on one side" in text
    cells = from_records([record(), record(repetition=2, session="another run")])
    text = describe(drift_of(table_of([control(started_at=at(30)), control(started_at=at(90))]), cells), 0.1)
    assert "1 cell was measured in a run of which no control is known" in text


def test_steady_controls_are_said_to_mark_nothing():
    text = describe(drift_with(1000, 1010, 1000, 990), 0.1)
    assert "No cell is marked" in text
    assert AGAIN not in text
    assert "No kind of control has a trend" in text


def test_trend_is_told_with_its_interval():
    text = describe(drift_with(1000, 1010, 1020, 1030), 0.1)
    assert "*switch-only, 60 B* changes by +59" in text  # 10 of 1015 a minute
    assert "95 % interval" in text


def test_missing_cable_is_told():
    assert "no cable" in describe(drift_with(1000, 1000, kinds=("switch-only",)), 0.1)
    assert "no cable" not in describe(drift_with(1000, 1000), 0.1)


def test_sweep_without_controls_is_said_to_be_unknown():
    nothing = drift_of(table_of([]), CELLS)
    assert "not known" in describe(nothing, 0.1)
    assert trends_table(nothing, "made").frame.empty
    assert "no control" in words(controls_figure(nothing, CELLS, 0.1, "made"))


def test_figure_names_the_series_the_band_and_marked_cells():
    text = words(controls_figure(drift_with(1000, 1000, 1000, 500), CELLS, 0.1, "made", note="emulated"))
    for word in (
        "back-to-back, 60 B",
        "switch-only, 60 B",
        "± 10 %",
        "a cell near drift",
        "[emulated]",
        "testbed made",
        "(UTC)",
    ):
        assert word in text
    assert "near drift" not in words(controls_figure(drift_with(1000, 1000, 1000, 1000), CELLS, 0.1, "made"))


def test_cells_beside_drift_stand_out_without_colour():
    (axes,) = controls_figure(drift_with(1000, 1000, 1000, 500), CELLS, 0.1, "made").axes
    heights = {
        each.get_label(): max(segment[:, 1].max() for segment in each.get_segments())
        for each in axes.findobj(mpl.collections.LineCollection)
    }
    assert heights["a cell near drift"] > heights["a cell"] > 0


def test_table_has_a_row_for_each_series():
    frame = trends_table(drift_with(1000, 1000, 1000, 500), "made").frame.set_index("control")
    assert set(frame.index) == {"back-to-back, 60 B", "switch-only, 60 B"}
    assert frame["kpps"]["switch-only, 60 B"] == pytest.approx(2)
    assert frame["outside"].to_dict() == {"back-to-back, 60 B": 0, "switch-only, 60 B": 1}
    assert not pd.isna(frame["percent_per_hour"]).any()


def test_links_only_are_told_by_their_share_and_are_no_part_of_the_drift():
    usage = costly().usage
    links = control("links-only", received=0, usage=usage)
    assert "cost the emulated links 7 % of the server's processor time" in links_in_words([control(), links])
    assert links_in_words([control(), control("switch-only", usage=usage)]) == ""
    assert list(table_of([control(), links])["kind"]) == ["switch-only"]


def test_description_of_the_figure_gives_the_moments_as_times():
    told = describe_figure(controls_figure(drift_with(1000, 1000, 1000, 500), CELLS, 0.1, "made"))
    assert "0.5 at 2026-01-02 03:03:30" in told
