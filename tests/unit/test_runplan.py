"""A run's plan says what is measured and why, in a screen, and how long it takes by what is known of the past."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.run.order import CellName
from middlebench.run.plan import MOST_REASONS, NEW, Finished, Job, Past, plan_run
from middlebench.words import changes, duration
from sweeps import ENVIRONMENT, environment

SETTINGS = {"window_s": 1.0, "warm_up_s": 1.0, "sample_s": 1.0, "offered_load": "maximum"}
NEWER = environment(kernel="6.2")


def cell(n=1, size=800, rep=1, *, runs=True, **values):
    where = {"testbed": "made", "n": str(n), "size": str(size), "rep": str(rep)}
    return Job(rule="measure", wildcards=where, outputs=(f"n{n}/size{size}/rep{rep}.json",), runs=runs, **values)


def past(environment=ENVIRONMENT, seconds=None, **changed):
    return Past(environment, SETTINGS | changed, seconds)


def planned(jobs, cells=(), *, deployment_s=None, present=ENVIRONMENT, remeasures=False):
    """Return the plan of one testbed of which these cells are finished, and the whole."""
    finished = Finished({CellName(*name): value for name, value in dict(cells).items()}, deployment_s or {})
    plan = plan_run(jobs, {"made": finished}, {"made": present}, SETTINGS, remeasures=remeasures)
    return plan.testbeds[0], plan.text


def params(*values):
    return tuple(repr(value if isinstance(value, str) else json.dumps(value)) for value in values)


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (
            cell(params_before=params(SETTINGS | {"window_s": 2.0}), params_now=params(SETTINGS)),
            "settings changed: window s 2.0 → 1.0",
        ),
        (cell(params_before=params("1"), params_now=params("2")), "protocol changed: version 1 → 2"),
        (
            cell(
                params_before=params({"site": {"link": {"mtu": 1500}}}),
                params_now=params({"site": {"link": {"mtu": 9000}}}),
            ),
            "testbed's file changed: site link mtu 1500 → 9000",
        ),
        (cell(renewed=("results/made/provision.json",)), "results/made/provision.json is made anew"),
        (cell(newer=("results/made/deployments/n1.json",)), "results/made/deployments/n1.json changed since"),
        (cell(forced=True), "asked for, or interrupted"),
    ],
)
def test_each_reason_is_told_in_words(job, told):
    plan, _ = planned([job], {(1, 800, 1): past()})
    assert plan.reasons == {told: [(1, 800, 1)]}


def test_cell_without_a_record_is_new_whatever_else_changed():
    plan, text = planned([cell(forced=True, params_now=params("2"))])
    assert plan.reasons == {NEW: [(1, 800, 1)]}
    assert "1 of 1 cell to measure, 0 kept" in text
    assert "n = 1, 800 B, repetition 1" in text


def test_root_of_what_is_made_anew_is_named():
    image, provision = "build/unikernel.elf", "results/made/provision.json"
    jobs = [
        Job("build_image", {}, (image,), runs=True, newer=("main.c",)),
        Job("provision", {}, (provision,), runs=True, renewed=(image,)),
        cell(renewed=(provision,)),
    ]
    plan, text = planned(jobs, {(1, 800, 1): past()})
    assert plan.reasons.keys() == {f"{image} is made anew"}
    assert "then: build_image, provision" in text


def test_cells_of_another_environment_are_kept_by_themselves_or_measured_again():
    finished = {(1, 800, 1): past(NEWER), (2, 800, 1): past()}
    kept, text = planned([cell(1, runs=False), cell(2, runs=False)], finished)
    assert (kept.kept, kept.kept_of_others) == (1, {"middlebox server: kernel 6.2 → 6.1": 1})
    assert not kept.mixes
    assert text.endswith("nothing")
    mixing, _ = planned([cell(1, runs=False), cell(2, runs=False), cell(3)], finished)
    assert mixing.mixes
    again, _ = planned(
        [cell(1, newer=("build/environments/made.json",)), cell(2, runs=False)], finished, remeasures=True
    )
    assert again.reasons.keys() == {"other environment: middlebox server: kernel 6.2 → 6.1"}
    assert not again.mixes


def test_nothing_is_said_of_an_environment_that_nobody_can_see():
    plan, _ = planned([cell(runs=False)], {(1, 800, 1): past(NEWER)}, present=None)
    assert (plan.kept, plan.kept_of_others) == (1, {})


def test_chains_are_deployed_as_often_as_the_order_changes_them():
    jobs = [cell(2, 60, priority=4), cell(1, 60, priority=3), cell(1, 800, priority=2), cell(2, 800, priority=1)]
    plan, text = planned(jobs, deployment_s={1: 2.0})
    assert plan.chains == (2, 1, 2)
    assert plan.seconds == 4 * 2.0 + (4.0 + 2.0 + 4.0), "the traffic's seconds, and those of a middlebox"
    assert "n = 1, 2, 3 times in all" in text
    assert "at least" in text, "no cell has ever told how long it takes besides"


def test_time_is_that_of_cells_that_were_measured_alike_or_else_their_overhead():
    slower = past(window_s=5.0, seconds=6.5)
    alike, _ = planned([cell(3)], {(1, 800, 1): past(seconds=3.5), (2, 800, 1): slower})
    assert alike.seconds == 3.5
    others, text = planned([cell(3)], {(1, 800, 1): past(), (2, 800, 1): slower}, deployment_s={3: 1.0})
    assert others.seconds == pytest.approx(2.0 + 0.5 + 1.0)
    assert "about 4 s" in text


@given(
    lengths=st.integers(min_value=1, max_value=24),
    reasons=st.lists(st.text(max_size=400), min_size=1, max_size=40),
)
def test_summary_fits_on_a_screen(lengths, reasons):
    jobs = [
        cell(n, size, renewed=(reasons[(n + size) % len(reasons)],), priority=n)
        for n in range(lengths)
        for size in range(60, 84)
    ]
    finished = {(n, size, 1): past() for n in range(lengths) for size in range(60, 84)}
    plan, text = planned(jobs, finished)
    assert plan.cells == len(jobs)
    assert text.count("\n") <= MOST_REASONS + 6


@given(
    before=st.dictionaries(st.text(max_size=3), st.integers() | st.dictionaries(st.text(max_size=2), st.integers())),
)
def test_what_is_equal_has_no_changes(before):
    assert list(changes(before, before)) == []
    assert list(changes({}, {"a_b": {"c": 1}})) == ["a b c none → 1"]
    assert duration(61) == "1 min 01 s"
