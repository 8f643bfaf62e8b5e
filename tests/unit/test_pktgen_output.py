"""pkt-gen's output, in each of its formats, and in none of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.generators.pkt_gen.driver import burst_packets, interval_ms
from middlebench.generators.pkt_gen.output import Interval, Report, complaint, cut, read_report, without_usage
from middlebench.model.traffic import Load
from middlebench.system.errors import GeneratorError

SAMPLES = Path(__file__).parents[1] / "data" / "pktgen"


def read(sample: str, started: float) -> Report:
    return read_report((SAMPLES / f"{sample}.out").read_text(), (SAMPLES / f"{sample}.err").read_text(), started)


@pytest.mark.parametrize(
    ("sample", "packets", "size", "intervals"),
    [
        ("v11.1-tx", 666575, None, [220022, 223875, 222678]),
        ("v11.1-rx", 666575, None, [0, 0, 198920, 223875, 223665, 20115]),
        ("v11.4-tx", 812603, 48756180, [2521, 405527, 404555]),
        ("v13.0-tx", 1490566, 89433960, [1490000, 1000, 0]),
        ("v13.0-rx", 0, None, [0, 0]),
        ("averaged-tx", 401627, 24097620, [401627]),
    ],
)
def test_every_known_format_is_read(sample: str, packets: int, size: int | None, intervals: list[int]) -> None:
    report = read(sample, 1_700_000_150.0)
    assert (report.packets, report.bytes) == (packets, size)
    assert [each.packets for each in report.intervals] == intervals


def test_the_clock_is_unwrapped() -> None:
    report = read("v11.4-tx", 1_699_999_996.9)
    assert [each.end_s for each in report.intervals] == pytest.approx(
        [1_699_999_999.164041, 1_700_000_000.165092, 1_700_000_001.166143]
    )


@pytest.mark.parametrize(
    ("stdout", "stderr", "said"),
    [
        ("Sent 5 frames.", "", "Sent 5 frames."),
        ("Sent 5 packets, 60 bytes each, in 1.00 seconds.\nSpeed: fast", "", "Speed: fast"),
        ("", "", "0 summaries"),
        ("Sent nothing.\nReceived nothing.", "", "2 summaries"),
        ("Sent nothing.", "1.000001 main_thread [1] 5 frames in 1 s", "5 frames in 1 s"),
        ("Sent nothing.", "1.000001 main_thread [1] 5 pps (5 pkts in 1000000 usec) and more", "and more"),
        ("Sent nothing.", "1.000001 main_thread [1] 5 pps (5 pkts in 1000000 usec)", "add up to 5 packets"),
        (
            "Sent 10 packets, 60 bytes each, in 3.00 seconds.",
            "".join(f"{at}.000001 main_thread [1] 5 pps (5 pkts in 1000000 usec)\n" for at in (1, 3)),
            "lines of it are missing",
        ),
    ],
)
def test_what_is_unknown_is_refused_with_its_text(stdout: str, stderr: str, said: str) -> None:
    with pytest.raises(GeneratorError) as caught:
        read_report(stdout, stderr, 0.0)
    assert said in str(caught.value)


def test_a_failed_thread_is_an_error_whatever_the_summary_says() -> None:
    stderr = (SAMPLES / "v11.4-tx.err").read_text() + "001.200000 main_thread [2530] ouch, thread 0 exited with error\n"
    with pytest.raises(GeneratorError, match="ouch, thread 0 exited with error"):
        read_report((SAMPLES / "v11.4-tx.out").read_text(), stderr, 0.0)


@pytest.mark.parametrize(
    ("sample", "meaning", "telling"),
    [
        ("head-busy", "in use", "eth2: Device or resource busy"),
        ("head-absent", "cannot open", "eth9: No such device or address"),
        ("head-native-only", "admode is 1", "eth2: Operation not supported"),
        ("head-loopback", "cannot open", "lo: Invalid argument"),
        ("head-no-module", "module is not loaded", "/dev/netmap: No such file or directory"),
        ("head-name", "name", "got 'h1' while expecting a number"),
        ("v11.0-no-module", "module is not loaded", "cannot open /dev/netmap eth2"),
        ("v11.0-other-api", "different years", "Minimum supported API is 14 (requested 11)"),
        ("v11.1-busy", "in use", "Device or resource busy"),
        ("v11.1-mtu", "too large", "pkt_size (1514) must be <= mtu (1500)"),
    ],
)
def test_complaint_is_found_before_the_usage_page(sample: str, meaning: str, telling: str) -> None:
    stderr = (SAMPLES / f"{sample}.err").read_text()
    happened, advice = complaint(stderr)
    assert meaning in happened
    assert advice
    assert telling in without_usage(stderr)
    assert "Usage" not in without_usage(stderr)


def test_words_that_are_no_complaint_are_none() -> None:
    assert complaint((SAMPLES / "v11.4-tx.err").read_text()) == ("", "")


@given(st.floats(0.5, 2e8))
def test_bursts_are_a_millisecond_or_32_frames_at_the_most(packets_per_second: float) -> None:
    load = Load(60, packets_per_second, saturating=False, warm_up_s=1, window_s=10, sample_interval_s=1)
    assert 1 <= burst_packets(load) <= max(1, min(32, packets_per_second / 1000 + 1))


def line(at: float, packets: int, seconds: float, version: str) -> str:
    stamp, usec = f"{int(at) % 1000:03d}.{round(at % 1 * 1e6) % 10**6:06d}", round(seconds * 1e6)
    if version == "11.1":
        return f"{stamp} main_thread [1418] {packets} pps ({packets} pkts in {usec} usec)"
    text = f"{packets / 1000:.3f} K" if packets >= 1000 else f"{packets:.3f} "
    return f"{stamp} main_thread [2801] {text}pps ({text}pkts {text}bps in {usec} usec) 0.00 avg_batch 9 min_space"


counts = st.lists(st.integers(0, 999_999), min_size=1, max_size=40)


@given(counts, st.floats(1e9, 2e9), st.sampled_from(["11.1", "13.0"]))
def test_counts_below_a_million_are_read_exactly(packets: list[int], start: float, version: str) -> None:
    start = round(start, 3)
    lines = [line(start + 0.5 * (place + 1), count, 0.5, version) for place, count in enumerate(packets)]
    total = sum(packets)
    summary = f"Sent {total} packets, 60 bytes each, in 1.00 seconds." if total else "Sent nothing."
    report = read_report(summary, "\n".join(lines), start)
    assert [each.packets for each in report.intervals] == packets
    assert report.packets == total
    assert report.intervals[-1].end_s == pytest.approx(start + 0.5 * len(packets), abs=1e-4)


def report(packets: list[int], begin: float, seconds: float) -> Report:
    intervals = [Interval(begin + seconds * (place + 1), seconds, count) for place, count in enumerate(packets)]
    return Report(intervals=tuple(intervals), packets=sum(packets), bytes=None)


@given(st.lists(st.integers(0, 10**6), min_size=30, max_size=30), st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_cut_loses_nothing_and_runs_forward(packets: list[int], shift: float, offset: float) -> None:
    sender, receiver = report(packets, 0.0, 1.0), report(packets, shift, 1.0)
    moments = cut(sender, receiver, [5 + offset, 10 + offset, 25 + offset])
    for before, after in itertools.pairwise(moments):
        assert before.t_s < after.t_s
        assert before.sent_packets <= after.sent_packets
        assert before.received_packets <= after.received_packets
    assert moments[0].t_s >= 5 + offset
    if shift == 0:
        assert all(each.sent_packets == each.received_packets for each in moments)
    assert 0 <= moments[-1].sent_packets <= sum(packets)


@given(st.integers(0, 10**6), st.floats(0.01, 0.99))
def test_a_steady_sender_is_cut_in_proportion(rate: int, shift: float) -> None:
    moments = cut(report([rate] * 20, 0.0, 1.0), report([rate] * 20, shift, 1.0), [5.0, 15.0])
    sent = moments[-1].sent_packets - moments[0].sent_packets
    assert abs(sent - rate * (moments[-1].t_s - moments[0].t_s)) <= 1


def test_lines_that_end_before_the_window_are_refused() -> None:
    with pytest.raises(GeneratorError, match="do not cover"):
        cut(report([5] * 10, 0.0, 1.0), report([5] * 10, 0.0, 1.0), [5.0, 15.0])
    with pytest.raises(GeneratorError, match="end before the window"):
        cut(report([5] * 10, 0.0, 1.0), report([5] * 30, 0.0, 1.0), [5.0, 15.0])


@given(st.floats(1, 2e8), st.floats(0.1, 10))
def test_intervals_are_short_enough_for_exact_counts(packets_per_second: float, sample_interval_s: float) -> None:
    load = Load(60, packets_per_second, saturating=True, warm_up_s=1, window_s=10, sample_interval_s=sample_interval_s)
    milliseconds = interval_ms(load)
    assert 20 <= milliseconds <= 500
    assert packets_per_second * milliseconds / 1000 < 10**6 or milliseconds == 20
