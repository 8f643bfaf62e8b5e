import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.usage import (
    machine_between,
    parse_process,
    parse_processors,
    process_between,
    processors_between,
)
from middlebench.hosts.shared.usage_agent import children_usage, process_usage, processors
from middlebench.model.reading import ProcessTimes
from middlebench.model.usage import MachineUsage

STAT = """\
cpu  49247 54 39154 133383 550 0 9254 47 0 0
cpu0 14431 39 18740 78911 134 7 3366 19 0 0
cpu1 34816 14 20414 54471 416 0 5888 27 0 0
"""


def test_every_tick_of_a_processor_is_either_busy_or_idle():
    times = parse_processors(STAT)
    assert times.keys() == {0, 1}
    assert times[0].busy_s == pytest.approx(144.31 + 0.39 + 187.40 + 0.07 + 33.66 + 0.19)
    assert times[0].idle_s == pytest.approx(789.11 + 1.34)
    assert (times[1].softirq_s, times[1].stolen_s) == (58.88, 0.27)


def test_only_processors_that_are_asked_for_are_told():
    assert parse_processors(STAT, [1]).keys() == {1}


def test_processor_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="processor 7"):
        parse_processors(STAT, [0, 7])


def test_this_machine_tells_of_its_processors():
    assert parse_processors(processors())


@given(st.dictionaries(st.integers(min_value=0, max_value=64), st.integers(min_value=0, max_value=10**9), min_size=1))
def test_usage_is_the_difference_of_two_readings(ticks):
    before = parse_processors("".join(f"cpu{cpu} 5 0 0 7 0 0 1 0\n" for cpu in ticks))
    after = parse_processors("".join(f"cpu{cpu} {5 + used} 0 0 9 0 0 4 0\n" for cpu, used in ticks.items()))
    for each in processors_between(before, after):
        assert each.busy_s == pytest.approx((ticks[each.cpu] + 3) / 100)
        assert (each.softirq_s, each.idle_s) == (pytest.approx(0.03), pytest.approx(0.02))


def test_usage_of_a_process_is_that_of_all_its_threads():
    before = ProcessTimes(15.0, {"1": 10.0, "2": 5.0}, {"1": 70, "2": 30}, io_calls=1000)
    after = ProcessTimes(16.75, {"1": 10.5, "2": 6.0, "3": 0.25}, {"1": 80, "2": 50, "3": 40}, io_calls=1500)
    used = process_between("switch", before, after)
    assert (used.name, used.cpu_s, used.busiest_thread_s, used.context_switches) == ("switch", 1.75, 1.0, 70)
    assert used.io_calls == 500


@given(st.lists(st.floats(0, 5), min_size=1, max_size=5), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_process_used_no_less_than_its_threads_though_both_are_read_a_moment_apart(used_s, late_before_s, late_s):
    before = ProcessTimes(10.0 + late_before_s, {f"{thread}": 2.0 for thread in range(5)}, None)
    threads = {thread: 2.0 + (used_s[int(thread)] if int(thread) < len(used_s) else 0) for thread in before.threads_s}
    used = process_between("switch", before, ProcessTimes(10.0 + sum(used_s) + late_s, threads, None))
    assert used.cpu_s >= used.busiest_thread_s
    assert used.cpu_s == pytest.approx(sum(used_s), abs=0.1)


def test_context_switches_are_unknown_where_a_thread_ended_but_its_seconds_are_not_lost():
    before = ProcessTimes(18.0, {"1": 10.0, "9": 8.0}, {"1": 70, "9": 2600})
    after = ProcessTimes(20.0, {"1": 11.0}, {"1": 129})
    used = process_between("switch", before, after)
    assert (used.cpu_s, used.busiest_thread_s, used.context_switches) == (2.0, 1.0, None)


def test_context_switches_are_known_where_a_thread_ended_that_used_next_to_nothing():
    before = ProcessTimes(18.0, {"1": 10.0, "9": 8.0}, {"1": 70, "9": 2600})
    after = ProcessTimes(20.0, {"1": 11.98}, {"1": 129})
    used = process_between("switch", before, after)
    assert used.context_switches == 59


def test_seconds_of_a_thread_that_ended_stay_in_those_of_its_process():
    before = parse_process(process_usage(os.getpid()))

    def work_for_some_ticks() -> None:
        while time.thread_time() < 0.3:
            sum(range(10_000))

    thread = threading.Thread(target=work_for_some_ticks)
    thread.start()
    thread.join()
    used = process_between("tests", before, parse_process(process_usage(os.getpid())))
    assert used.cpu_s >= 0.25  # a tick of the kernel, 10 ms, is the finest that both readings tell
    assert used.cpu_s >= used.user_s >= 0.2


@pytest.mark.parametrize(
    ("before", "after"), [(None, ProcessTimes(0, {}, {})), (ProcessTimes(0, {}, {}), None), (None, None)]
)
def test_process_that_is_missing_in_a_reading_used_nobody_knows_what(before, after):
    assert process_between("switch", before, after) is None


def test_context_switches_that_are_not_known_stay_unknown():
    times = ProcessTimes(1.0, {"vcpu": 1.0}, None)
    assert process_between("mbench-1", times, times).context_switches is None


def test_process_that_polls_says_so_to_the_record():
    assert parse_process(None, polls=True) is None
    times = parse_process(process_usage(os.getpid()), polls=True)
    assert process_between("switch", times, times).polls


def domain(domains_s: float, moment_s: float) -> ProcessTimes:
    machine = MachineUsage(processors=8, dom0_s=moment_s / 4, domains_s=domains_s, elapsed_s=moment_s)
    return ProcessTimes(1.0, {"vcpu": 1.0}, None, machine=machine)


def test_what_a_machine_gave_to_all_its_domains_is_the_difference_of_two_readings():
    found = machine_between(domain(100.0, 50.0), domain(107.5, 52.5))
    assert (found.processors, found.dom0_s, found.domains_s, found.elapsed_s) == (8, 0.625, 7.5, 2.5)


def test_domain_of_others_that_ended_meanwhile_gives_no_time_back():
    assert machine_between(domain(100.0, 50.0), domain(20.0, 52.0)).domains_s == 0


@pytest.mark.parametrize("other", [None, ProcessTimes(1.0, {"1": 1.0}, {"1": 0}), domain(100.0, 50.0)])
def test_there_is_no_machine_below_what_is_no_domain_nor_between_a_reading_and_itself(other):
    assert machine_between(domain(100.0, 50.0), other) is None


def test_a_process_of_this_machine_is_read_and_one_that_is_not_there_is_not():
    times = parse_process(process_usage(os.getpid()))
    assert sum(times.threads_s.values()) > 0
    assert times.switches.keys() == times.threads_s.keys()
    assert str(os.getpid()) in times.threads_s
    assert parse_process(process_usage(2**22 + 1)) is None
    assert parse_process(children_usage()).threads_s.keys() == {"all"}
