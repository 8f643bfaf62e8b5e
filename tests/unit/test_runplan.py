"""A run's plan says what is measured and why, in a screen, and how long it takes by what is known of the past."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.config.study import Controls, Study
from middlebench.model.cell import Cell
from middlebench.model.record import Settings
from middlebench.run.jobs import Finished, Job, Past
from middlebench.run.pace import Pace
from middlebench.run.plan import UNTIMED_S, plan_run
from middlebench.run.reasons import NEW
from middlebench.run.summary import MOST_REASONS, summary
from middlebench.system.text import changes, duration
from sweeps import ENVIRONMENT, environment

SETTINGS = {"window_s": 1.0, "warm_up_s": 1.0, "sample_interval_s": 1.0, "offered_load": "maximum"}
NEWER = environment(kernel="6.2")
STUDY = Study(
    testbeds=("made",),
    chain_lengths=(1,),
    frame_sizes=(800,),
    trial="quick",
    trials={"quick": {"window_s": 1, "warm_up_s": 1}},
    controls="none",
)
SEARCHING = STUDY.model_copy(update={"offered_load": "ndr"})


def cell(n=1, size=800, rep=1, *, runs=True, **values):
    name = named(n, size, rep)
    return Job("measure", {"testbed": "made", "cell": name.key}, (f"{name.key}.json",), runs=runs, **values)


def named(n, size, rep):
    return Cell(testbed="made", n=n, frame_bytes=size, repetition=rep)


def past(environment=ENVIRONMENT, seconds=None, **changed):
    return Past(environment, Settings.model_validate(SETTINGS | changed), seconds)


def controlled(every, sizes=1):
    """Return what a study says that measures controls of so many sizes after every so many cells."""
    return Controls(every=every, frame_sizes=tuple(range(60, 60 + sizes)))


def planned(jobs, cells=(), *, deployment_s=None, present=ENVIRONMENT, kinds=1, overhead_s=None, **wanted):
    """Return the plan of one testbed of which these cells are finished, and the whole."""
    found = {named(*name): value for name, value in dict(cells).items()}
    finished = Finished(found, deployment_s or {}, kinds, overhead_s)
    plan = plan_run(jobs, {"made": finished}, {"made": present}, STUDY.model_copy(update=wanted))
    return plan.testbeds[0], summary(plan)


def job(rule, *, runs=True):
    return Job(rule=rule, wildcards={"testbed": "made"}, outputs=(f"{rule}.made",), runs=runs)


TABLE = job("aggregate")


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
        (cell(renewed=("results/made/provision.json",)), "results/made/provision.json is made again"),
        (cell(newer=("results/made/deployments/n1.json",)), "results/made/deployments/n1.json changed since"),
        (cell(forced=True), "asked for, or interrupted"),
    ],
)
def test_each_reason_is_told_in_words(job, told):
    plan, _ = planned([job], {(1, 800, 1): past()})
    assert plan.reasons == {told: [named(1, 800, 1)]}


def test_cell_without_a_record_is_new_whatever_else_changed():
    plan, text = planned([cell(forced=True, params_now=params("2"))])
    assert plan.reasons == {NEW: [named(1, 800, 1)]}
    assert "1 of 1 cell to measure, 0 kept" in text
    assert "n = 1, 800 B" in text


def test_root_of_what_is_made_anew_is_named():
    image, provision = "build/unikernel.elf", "results/made/provision.json"
    jobs = [
        Job("build_image", {}, (image,), runs=True, newer=("main.c",)),
        Job("provision", {}, (provision,), runs=True, renewed=(image,)),
        cell(renewed=(provision,)),
    ]
    plan, text = planned(jobs, {(1, 800, 1): past()})
    assert plan.reasons.keys() == {f"{image} is made again"}
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
        [cell(1, newer=("build/environments/made.json",)), cell(2, runs=False)],
        finished,
        on_environment_change="remeasure",
    )
    assert again.reasons.keys() == {"other environment: middlebox server: kernel 6.2 → 6.1"}
    assert not again.mixes


def elsewhere(*repetitions, **changed):
    return {(1, 800, k): past(NEWER, **changed) for k in repetitions}


def test_cell_that_is_asked_for_by_name_would_stand_beside_all_that_is_there():
    finished = elsewhere(1, 2)
    by_name, text = planned([cell(rep=3)], finished)
    assert by_name.mixes
    assert by_name.kept_of_others.total() == 2
    assert "1 of 3 cells to measure, 2 kept" in text
    assert not planned([cell(rep=3)], elsewhere(1, 2, window_s=5.0))[0].mixes, "no table holds both"
    assert not planned([cell(rep=1), cell(rep=2)], finished)[0].mixes, "nothing of the other environment is left"


def test_finished_cells_that_the_config_does_not_ask_for_are_in_no_table_and_told():
    plan, text = planned([cell(rep=3), TABLE], elsewhere(1, 2))
    assert (plan.mixes, plan.kept, plan.left_out) == (False, 0, 2)
    assert "2  finished that the config does not ask for" in text


def test_controls_are_counted_with_the_time_they_take():
    every = [cell(n, priority=-n) for n in range(1, 6)]
    wanted = {"controls": controlled(2, sizes=3)}
    known = {
        "kinds": 2,
        "overhead_s": 2.0,
        "deployment_s": dict.fromkeys(range(9), 0.0),
    }
    finished = {(9, 800, 1): past(seconds=3.0)}
    plan, text = planned([*every, job("close")], finished, **known, **wanted)
    assert plan.control_sets == 3 + 1
    assert plan.control_set_s == 2 * 3 * 2.0 + 2.0
    assert plan.seconds == 5 * 3.0 + 4 * 14.0
    assert "controls: 4 sets, 56 s of the time" in text
    assert "in total about 1 min 11 s" in text
    assert planned(every, finished, **known, **wanted)[0].control_sets == 3
    assert planned([cell(runs=False), job("close")], finished, **known, **wanted)[0].control_sets == 1
    assert planned(every, finished, **known)[0].control_sets == 0


@given(cells=st.integers(1, 60), every=st.integers(1, 60))
def test_there_is_a_set_of_controls_before_the_first_cell_and_after_every_so_many(cells, every):
    plan, _ = planned([cell(n) for n in range(cells)], controls=controlled(every))
    due, since = 0, every
    for _ in range(cells):
        due, since = (due + 1, 0) if since >= every else (due, since)
        since += 1
    assert plan.control_sets == due


def test_first_run_is_said_to_take_its_traffic_at_least():
    plan, text = planned([cell(1), cell(2), job("close")], controls=controlled(48))
    assert plan.seconds == 2 * 2.0 + 2 * 2.0, "cells, and a bridge alone before and after them"
    assert "2 of 2 cells to measure, 0 kept; at least 8 s" in text
    assert "in total at least 8 s; some of it was never timed here" in text


def test_jobs_that_were_never_timed_are_taken_for_notebooks():
    plan = plan_run([job("plot"), job("report"), replace(job("law"), seconds=2.0)], {}, {}, STUDY)
    assert plan.other_seconds == 2 * UNTIMED_S + 2.0
    assert "at least 14 s; some of it was never timed here" in summary(plan)


def test_overhead_of_a_throughput_search_is_no_overhead_of_anything_else():
    searched = {(1, 800, 1): past(seconds=60.0, search=SEARCHING.search)}
    plan, text = planned([cell(2)], searched, deployment_s={2: 1.0})
    assert plan.cell_s == 2.0
    assert "at least 3 s" in text
    finished = Finished({named(1, 800, 1): past(seconds=3.0)}, {2: 1.0})
    assert "at least 4 s" in summary(plan_run([cell(2)], {"made": finished}, {"made": ENVIRONMENT}, SEARCHING))


def test_those_who_show_the_time_left_are_told_of_cells_and_controls():
    jobs = [*(cell(n) for n in range(5)), job("close"), TABLE]
    wanted = STUDY.model_copy(update={"controls": controlled(4)})
    assert plan_run(jobs, {}, {}, wanted).ahead == Pace(
        5, control_sets=2, closing_sets=1, set_in_cells=pytest.approx(1.0)
    )
    assert plan_run([cell(runs=False)], {}, {}, wanted).ahead == Pace(0)


@pytest.mark.parametrize(("choosing", "left"), [(True, 21), (False, 0)])
def test_what_an_adaptive_sweep_may_yet_choose_is_told_as_the_most(choosing, left):
    jobs = [cell(runs=False), cell(2), cell(4), job("choose_cells", runs=choosing)]
    study = STUDY.model_copy(update={"sweep": "adaptive", "chain_lengths": tuple(range(24))})
    plan = plan_run(jobs, {}, {}, study)
    assert (plan.testbeds[0].cells, plan.testbeds[0].open) == (2, left)
    assert (plan.ahead.total, plan.ahead.at_most) == (2 + left, choosing)
    assert plan_run([jobs[-1]], {}, {}, study).ahead.total == 24 * choosing


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
