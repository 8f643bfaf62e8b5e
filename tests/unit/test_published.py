"""The transcribed tables agree with themselves, with each other and with the arithmetic of frames."""

import pandas as pd
import pytest
from middlebench.analysis.data.published import DATA_FOLDER, load_published, load_table1, load_table2, paper_plan
from middlebench.model import frames
from middlebench.system.errors import RecordError

LAST_DIGIT = 0.01
"""Both rates (kpkt/s) and throughputs (Mb/s) are printed with two decimals."""


def deviations():
    """Yield, for every throughput of Table I, its size and column, how far it is from what its rate gives, and
    how far the rounding of both lets it be (all in Mb/s)."""
    for row in load_table1().to_dict("records"):
        size = int(row["frame_bytes"])
        for column, rate, throughput in (
            ("generated_mbps", "generated_kpps", frames.throughput_mbps),
            ("generated_raw_mbps", "generated_kpps", frames.raw_mbps),
            ("received_mbps", "received_kpps", frames.throughput_mbps),
        ):
            deviation = abs(row[column] - throughput(row[rate] * 1e3, size))
            allowed = throughput(LAST_DIGIT / 2 * 1e3, size) + LAST_DIGIT / 2
            yield size, column, deviation, allowed


def test_every_throughput_of_table1_follows_from_rate_and_size_as_far_as_digits_go():
    for size, column, deviation, allowed in deviations():
        assert deviation <= allowed, f"{column} at {size} B"


def test_all_but_one_throughput_of_table1_follow_within_0_05_mbps():
    beyond = [(size, column) for size, column, deviation, _ in deviations() if deviation > 0.05 + 1e-9]
    assert beyond == [(1500, "generated_raw_mbps")]  # by 0.054: 82.01 kpkt/s stands for up to 82.015


def test_one_middlebox_has_the_same_throughput_in_both_tables():
    first, second = load_table1(), load_table2()
    assert list(first["frame_bytes"]) == list(second["frame_bytes"])
    assert list(first["received_mbps"]) == list(second["n1"])


def test_measurements_are_the_papers_full_grid():
    measurements = load_published()
    assert len(measurements) == 192
    assert sorted(set(measurements["n"])) == [*range(1, 11), 15, 20]
    assert sorted(set(measurements["frame_bytes"])) == [60, *range(100, 1501, 100)]
    assert (measurements["received_mbps"] > 0).all()


def test_measurements_repeat_what_the_paper_prints():
    measurements = load_published().set_index(["n", "frame_bytes"])
    assert measurements.loc[(1, 60), "offered_kpps"] == 284.99
    assert measurements.loc[(1, 60), "offered_raw_mbps"] == 191.51
    assert measurements.loc[(4, 800), "received_mbps"] == 512.51
    assert measurements.loc[(20, 1500), "received_mbps"] == 12.96


def test_what_the_paper_does_not_give_is_missing():
    measurements = load_published()
    assert measurements["received_packets"].isna().all()
    longer = measurements[measurements["n"] > 1]
    assert longer[["offered_kpps", "offered_mbps", "loss_ratio"]].isna().all(axis=None)


def test_no_published_rate_is_above_line_rate():
    for row in load_published().to_dict("records"):
        most = frames.line_rate_pps(1e9, row["frame_bytes"])
        assert row["received_kpps"] * 1e3 <= most


@pytest.mark.parametrize(
    ("table", "header"),
    [
        ("table1.csv", "frame_bytes,generated_kpps"),
        ("table2.csv", "frame_bytes,n1,many"),
    ],
)
def test_table_with_other_columns_is_refused_by_name(tmp_path, table, header):
    for name in ("table1.csv", "table2.csv"):
        (tmp_path / name).write_bytes((DATA_FOLDER / name).read_bytes())
    (tmp_path / table).write_text(f"{header}\n")
    with pytest.raises(RecordError, match=table):
        load_published(tmp_path)


def test_missing_table_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"table1\.csv"):
        load_published(tmp_path)


def test_papers_configuration_joins_eth0_and_eth1():
    plan = paper_plan(20)
    assert len(plan["bridges"]) == 21
    assert [box["name"] for box in plan["middleboxes"][:2]] == ["ClickOS 1", "ClickOS 2"]
    assert plan["bridges"][0]["ingress_ports"] == ("eth0",)
    assert plan["bridges"][-1]["egress_ports"] == ("eth1",)


def test_types_are_those_of_measured_cells():
    dtypes = load_published().dtypes
    assert dtypes["received_packets"] == pd.Int64Dtype()
    assert dtypes["received_mbps"] == "float64"
