"""How long frames take through a real chain: idle, loaded, and with a middlebox that stands still for a while."""

from __future__ import annotations

import os
import signal
import time

from helpers import compose, once_traffic_runs, settings
from middlebench.diagnosis.latency import times_of
from middlebench.model.record import Cell
from middlebench.testbed import site_of, stand_up
from middlebench.trials.cell import measure
from middlebench.trials.convergence import plan_for
from middlebench.trials.latency import timed_load
from middlebench.trials.trial import load_of, prepare, run_trial

IDLE, HIGHEST = 0.0, 0.9


def test_a_cell_tells_how_long_frames_take_at_each_load_and_over_the_cable(testbed):
    cell = Cell(testbed="tests", n=1, frame_bytes=100, repetition=1)
    record, _ = measure(testbed, cell, settings(offered_load=5.0, latency=True, flows=3))
    assert record.settings.flows == 3
    assert [(each.path, each.load_share) for each in record.latency[:4]] == [
        ("chain", share) for share in (IDLE, 0.1, 0.5, HIGHEST)
    ]
    for each in record.latency:
        assert each.timed_packets > 0
        assert 0 < each.times.p50_us <= each.times.p90_us <= each.times.p99_us <= each.times.p999_us
        assert each.times.p999_us <= each.times.max_us
    assert bool(testbed.direct) == (record.latency[-1].path == "direct")


WARM_UP_S = 0.5


def test_a_middlebox_that_stands_still_shows_in_the_longest_times_and_in_no_loss(runtime, unikernel, footprint):
    def stop_in_the_window() -> None:
        (machine,) = footprint.named("qemu-system-x86")
        time.sleep(WARM_UP_S)
        os.kill(machine, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(machine, signal.SIGCONT)

    options = compose(middlebox={"driver": "qemu", "accelerator": "tcg"})
    try:
        testbed = stand_up("tests", options)
        plan = plan_for(testbed, 1)
        before, _ = prepare(testbed, plan, 100)
        load = timed_load(load_of(100, settings(offered_load=0.5, window_s=2.0, warm_up_s=WARM_UP_S), 1e9), 500)
        with once_traffic_runs(testbed, stop_in_the_window):
            outcome = run_trial(testbed, plan, load, before)
    finally:
        site_of("tests", options).close()
    times = times_of(outcome.traffic.timing.nanoseconds)
    assert outcome.traffic.timing.sent == outcome.traffic.timing.received
    assert outcome.counts.trial_sent_packets == outcome.counts.trial_received_packets
    assert times.max_us > 70_000
    assert times.p999_us > 70_000
    assert times.p50_us < 50_000
