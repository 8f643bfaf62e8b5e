"""Who used up processor time: polling is no evidence, and dom0 is one domain among others."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.diagnosis.processors import (
    BUSY,
    Pool,
    busy_ratio,
    limited_by_processors,
    links_share,
    others_share,
    time_left,
    usage_in_words,
)
from middlebench.model.usage import MachineUsage, ProcessorUsage, ProcessUsage, Usage

TRAFFIC_S = 10.0
ELAPSED_S = 12.0
"""The readings of a hypervisor's domains lie further apart than the first and the last frame."""
SHARES = st.floats(min_value=0, max_value=1)
NOT_ALL = st.floats(min_value=0, max_value=BUSY - 0.01)
ALL = st.floats(min_value=BUSY + 0.01, max_value=1)


def processors(*shares: float) -> tuple[ProcessorUsage, ...]:
    return tuple(
        ProcessorUsage(cpu=cpu, busy_s=share * TRAFFIC_S, softirq_s=0, stolen_s=0, idle_s=TRAFFIC_S - share * TRAFFIC_S)
        for cpu, share in enumerate(shares)
    )


def processes(*shares: float, name: str = "mbench", polls: bool = False, seconds: float = TRAFFIC_S):
    return tuple(
        ProcessUsage(
            name=f"{name}-{index}",
            cpu_s=share * seconds,
            busiest_thread_s=share * seconds,
            context_switches=None,
            polls=polls,
        )
        for index, share in enumerate(shares, start=1)
    )


def usage(
    server: Iterable[float] = (0.5, 0.5),
    middleboxes: tuple[ProcessUsage, ...] = (),
    switch: tuple[ProcessUsage, ...] = (),
    machine: MachineUsage | None = None,
) -> Usage:
    return Usage(
        traffic_s=TRAFFIC_S,
        test_computer=(),
        middlebox_server=processors(*server),
        generator=(),
        switch=switch,
        middleboxes=middleboxes,
        machine=machine,
    )


def on_xen(number: int, dom0: tuple[float, ...], working=(), polling=()) -> Usage:
    """A machine of so many processors: dom0's use of its own, and that of domains that work and of those that poll."""
    return usage(
        dom0,
        (*processes(*working), *processes(*polling, name="poller", polls=True, seconds=ELAPSED_S)),
        machine=MachineUsage(
            processors=number,
            dom0_s=sum(dom0) * TRAFFIC_S,
            domains_s=sum(working) * TRAFFIC_S + sum(polling) * ELAPSED_S,
            elapsed_s=ELAPSED_S,
        ),
    )


def cause(found: Usage) -> str | None:
    decided = limited_by_processors(found)
    return decided[0] if decided else None


@given(st.lists(SHARES, min_size=1, max_size=4))
def test_share_of_busy_time_is_the_mean_over_processors(shares):
    assert busy_ratio(processors(*shares)) == pytest.approx(sum(shares) / len(shares), abs=1e-9)


def test_share_of_unknown_processors_is_unknown():
    assert busy_ratio(()) is None
    assert time_left(usage(())) == "nobody knows how much processor time was free"


@given(st.integers(1, 8), SHARES, st.integers(0, 8))
def test_pool_has_as_much_time_left_as_one_without_what_polls_and_its_processors(number, share, polling):
    free = Pool("", number + polling, share * number + polling, polling).free
    assert free == pytest.approx(Pool("", number, share * number).free, abs=1e-9)


class TestOnOneSystem:
    """The switch and the middleboxes run on the server's own processors."""

    @given(ALL, SHARES, SHARES)
    def test_server_without_time_left_is_to_blame_whoever_used_it(self, share, switch, middlebox):
        found = usage((share, share), processes(middlebox), processes(switch, name="switch"))
        assert cause(found) == "server CPU"

    @given(ALL)
    def test_process_that_used_up_a_processor_of_its_own_is_to_blame(self, share):
        assert cause(usage((share, 0.1), processes(share))) == "middlebox"
        assert cause(usage((share, 0.1), (), processes(share, name="switch"))) == "switch"

    @given(NOT_ALL, NOT_ALL, NOT_ALL)
    def test_nobody_who_had_time_left_is_to_blame(self, share, switch, middlebox):
        assert cause(usage((share, share), processes(middlebox), processes(switch, name="switch"))) is None

    @given(ALL, NOT_ALL, st.booleans())
    def test_polling_is_no_evidence_while_others_have_time(self, got, others, switch_polls):
        polling = processes(got, polls=True)
        found = usage((1.0, others), *((), polling) if switch_polls else (polling,))
        assert cause(found) is None

    @given(ALL, ALL)
    def test_server_whose_other_processors_are_used_up_is_to_blame(self, got, others):
        assert cause(usage((1.0, others, others), processes(got, polls=True))) == "server CPU"

    def test_what_polls_on_the_only_processor_leaves_nothing_to_judge_by(self):
        found = usage((1.0,), processes(0.98, polls=True))
        assert limited_by_processors(found) is None
        assert time_left(found) == "nobody knows how much processor time was free"

    def test_shares_of_who_used_it_are_in_words(self):
        said = usage_in_words(usage((0.5, 0.5), processes(0.3, 0.2), processes(0.25, name="switch")))
        assert said[0] == "the server's 2 processors were 50 % busy"
        assert "the switch 25 %, the middleboxes 50 %, the kernel and others 25 %" in said[-1]


class TestUnderAHypervisor:
    """The server's own system is dom0, one domain among others."""

    @given(st.integers(2, 8), st.data())
    def test_domain_that_polls_changes_nothing_but_that_one_processor_is_gone(self, number, data):
        dom0 = tuple(data.draw(st.lists(SHARES, min_size=1, max_size=number - 1)))
        left = number - sum(dom0)
        working = tuple(share * min(1.0, left / 2) for share in data.draw(st.lists(SHARES, max_size=2)))
        polling = data.draw(st.lists(ALL, min_size=1, max_size=8))
        full = (1.0,) * len(polling)
        assert cause(on_xen(number + len(full), dom0, working, full)) == cause(on_xen(number, dom0, working))

    @given(st.integers(1, 8), st.lists(SHARES, min_size=1, max_size=8), NOT_ALL)
    def test_domain_that_polls_and_had_to_wait_shows_that_processors_are_too_few(self, number, others, got):
        decided = limited_by_processors(on_xen(number, (0.3,), polling=(got, *others)))
        assert decided is not None
        assert decided[0] == "server CPU"
        assert decided[1].startswith("poller-1 polls, and got ")
        assert decided[1].endswith(" % of the processor that it always wants")

    @given(st.lists(ALL, min_size=1, max_size=2), st.lists(NOT_ALL, max_size=3), st.integers(0, 3))
    def test_busy_dom0_is_the_switchs_limit_while_the_machine_has_time(self, dom0, working, polling):
        decided = limited_by_processors(on_xen(12, tuple(dom0), tuple(working), (1.0,) * polling))
        assert decided is not None
        assert decided[0] == "switch"
        assert decided[1].startswith("all of dom0's processors were used up while ")

    @given(st.integers(1, 4), SHARES)
    def test_busy_dom0_is_the_servers_limit_where_the_machine_has_no_time_either(self, number, of_dom0):
        dom0 = (of_dom0,) * number
        assert cause(on_xen(number, dom0, working=(1 - of_dom0,) * number)) == "server CPU"

    @given(ALL, NOT_ALL)
    def test_domain_that_works_and_used_up_its_processor_is_to_blame(self, own, dom0):
        assert cause(on_xen(4, (dom0,), working=(own,))) == "middlebox"

    @given(NOT_ALL, st.lists(NOT_ALL, max_size=3), st.integers(0, 4))
    def test_nobody_is_to_blame_while_all_domains_have_what_they_want(self, dom0, working, polling):
        assert cause(on_xen(12, (dom0,), tuple(working), (1.0,) * polling)) is None

    def test_time_of_domains_is_not_taken_for_dom0s(self):
        said = usage_in_words(on_xen(4, (0.5,), working=(0.9,), polling=(1.0,)))
        assert said[:2] == [
            "dom0's one processor was 50 % busy",
            "the machine's 4 processors were 60 % busy (25 % with polling)",
        ]
        assert "the kernel and others 50 %" in said[-1]

    @given(SHARES, SHARES, SHARES)
    def test_shares_of_a_machine_are_of_one_span_whatever_dom0s_kernel_counts(self, polled, worked, counted):
        """What one domain gets another one cannot: on one processor a poller and dom0 together use it up."""
        found = on_xen(1, (counted,), polling=(polled,))
        machine = found.machine.model_copy(update={"dom0_s": (1 - polled) * ELAPSED_S})
        said = usage_in_words(found.model_copy(update={"machine": machine}))
        assert said[1].startswith("the machine's one processor was 100 % busy")

    def test_domain_with_one_processor_never_used_more_than_one(self):
        said = usage_in_words(on_xen(4, (0.2,), working=(1.59,)))
        assert "the middleboxes 100 %" in said[-1]


def test_share_of_emulated_links_is_of_all_of_the_servers_processors():
    used = usage(server=(1.0, 1.0)).model_copy(update={"links": processes(0.25, name="links")})
    assert links_share(used) == pytest.approx(0.125)
    assert "the emulated links 25 %" in "; ".join(usage_in_words(used))


@given(SHARES, st.floats(0.1, 3), st.floats(0.1, 3), st.floats(0.1, 3))
def test_what_processes_used_after_the_traffic_is_no_share_of_it(busy, switch, middlebox, links):
    used = usage((busy,), processes(middlebox), processes(switch, name="switch"))
    used = used.model_copy(update={"links": processes(links, name="links")})
    in_traffic = min(1.0, busy / (switch + middlebox + links))
    assert links_share(used) == pytest.approx(links * in_traffic, abs=1e-6)


def test_process_that_went_on_after_the_traffic_did_not_limit_it():
    assert cause(usage((0.5,), processes(1.0))) is None


@given(SHARES, SHARES, SHARES)
def test_share_of_other_programs_is_what_the_servers_programs_used_beside_ours(ours, kernel, others):
    scale = max(1.0, ours + kernel + others)
    ours, kernel, others = (each / scale for each in (ours, kernel, others))
    (server,) = processors(ours + kernel + others)
    server = server.model_copy(update={"user_s": (ours + others) * TRAFFIC_S})
    (switch,) = processes(ours + kernel, name="switch")
    switch = switch.model_copy(update={"user_s": ours * TRAFFIC_S})
    used = usage((), switch=(switch,)).model_copy(update={"middlebox_server": (server,)})
    assert others_share(used) == pytest.approx(others, abs=1e-6)


def test_programs_that_used_all_there_was_left_nothing_to_others_whichever_mode_the_kernel_sampled():
    (server,) = processors(1.0)
    (switch,) = processes(1.0, name="switch")
    used = usage((), switch=(switch.model_copy(update={"user_s": 0.7 * TRAFFIC_S}),))
    server = server.model_copy(update={"user_s": 0.8 * TRAFFIC_S})
    assert others_share(used.model_copy(update={"middlebox_server": (server,)})) == 0


def test_share_of_other_programs_is_unknown_where_an_older_record_does_not_say():
    assert others_share(usage((0.5,), processes(0.2))) is None
    assert others_share(on_xen(1, (0.5,))) is None


def test_where_no_link_is_emulated_its_share_is_not_known():
    assert links_share(usage()) is None
