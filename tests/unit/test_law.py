"""The law of the time per frame: found again where it is known, chosen by left-out chains, and honest in predicting."""

import re

import numpy as np
import pytest
import sweeps
from hypothesis import given, settings
from hypothesis import strategies as st
from middlebench.analysis.claims.findings import Verdict
from middlebench.analysis.data.measurements import from_rows
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.law.cells import Cells, cells_of
from middlebench.analysis.law.choice import choose
from middlebench.analysis.law.cores import judge_cores
from middlebench.analysis.law.derivation import law_of, usual_kind
from middlebench.analysis.law.fitting import Fit, fit
from middlebench.analysis.law.knee import knees
from middlebench.analysis.law.prediction import predictor
from middlebench.analysis.law.resources import resources_of
from middlebench.analysis.law.results import Law
from middlebench.analysis.law.terms import PARAMETERS, Shape, candidates
from middlebench.model import frames
from middlebench.model.record_file import read, write
from middlebench.system.errors import RecordError

SIZES = (60, 400, 800, 1500)
ALL_SIZES = (60, *range(100, 1600, 100))
LENGTHS = (1, 2, 4, 8)
ALL_LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20)

MACHINE = {"p0": 5.0, "r": 1000.0, "b": 3.0, "c": 0.001}
"""A machine whose port takes 5 µs, whose link carries 1 Gb/s, and whose hops take 3 µs and 1 ns a byte."""

CONTAINERS = {
    "t22, 1 chain": (6.4, 3.8, 2.2, 1.6, 1.2),
    "t22, 2 chains": (5.8, 3.4, 1.8, 1.2, 0.9),
    "packet.net, 1 chain": (5.6, 3.3, 1.9, 1.3, 1.0),
}
"""Chains of 1, 2, 4, 6 and 8 containers in the CNCF CNF Testbed (2019), 64 B with FCS: received Mpkt/s."""


def rows(time_us, lengths, sizes, *, noise=0.0, repetitions=1, offered_kpps=None, seed=1):
    """Return measurements of chains whose time per frame is known, up to noise."""
    generator = np.random.default_rng(seed)
    for n in lengths:
        for size in sizes:
            for repetition in range(1, repetitions + 1):
                kpps = 1e3 / time_us(n, size) * np.exp(generator.normal(0, noise) if noise else 0)
                kpps = min(kpps, offered_kpps) if offered_kpps else kpps
                offered = {}
                if offered_kpps:
                    sent = min(offered_kpps, frames.line_rate_pps(sweeps.LINK_BPS, size) / 1e3)
                    offered = {"offered_kpps": sent, "offered_raw_mbps": frames.raw_mbps(sent * 1e3, size)}
                yield {
                    "testbed": "made",
                    "n": n,
                    "frame_bytes": size,
                    "repetition": repetition,
                    "received_kpps": kpps,
                    "received_mbps": frames.throughput_mbps(kpps * 1e3, size),
                    **offered,
                }


def machine(n, size, p0=5.0, r=1000.0, b=3.0, c=0.001):
    """Return the time per frame of a known machine in µs."""
    return max(p0, 8 * (size + 24) / r, n * (b + c * size))


def measured(*args, **kwargs):
    return from_rows(rows(*args, **kwargs))


@pytest.fixture(scope="module")
def paper():
    return law_of(load_cells("maksic"), "maksic", 1e9)


def test_the_papers_table_follows_ports_hops_and_waiting(paper):
    assert paper.formula == "t = max(p0 + p1·s, n·(b + c·s)) + w·max(0, n − k)"
    values = {name: estimate.value for name, estimate in paper.parameters.items()}
    assert values == pytest.approx({"p0": 2.92, "p1": 0.0117, "b": 2.56, "c": 0.001, "w": 91, "k": 9.8}, rel=0.01)
    assert paper.errors.median == pytest.approx(0.052, abs=0.002)
    assert paper.errors.p90 == pytest.approx(0.207, abs=0.005)


def test_the_papers_chains_foresee_each_other_but_not_the_one_beside_the_break(paper):
    left_out = dict(paper.errors.left_out_median)
    assert left_out.pop("10") == pytest.approx(1.3, abs=0.05)
    assert max(left_out.values()) < 0.18
    assert len(paper.remarks) == 1
    assert "n = 10" in paper.remarks[0]


def test_the_plain_line_is_tried_and_predicts_the_paper_worse(paper):
    by_formula = {tried.formula: tried for tried in paper.terms}
    line = by_formula["t = a + n·(b + c·s)"]
    assert not line.chosen
    assert line.left_out_error > 4 * next(tried.left_out_error for tried in paper.terms if tried.chosen)


def test_the_papers_knee_moves_with_the_frame_size(paper):
    wanted = dict.fromkeys((60, 100, 200), 1) | dict.fromkeys((300, 400, 500), 2) | {600: 3}
    wanted |= dict.fromkeys((700, 800, 900, 1000), 4) | dict.fromkeys((1100, 1200, 1300), 5)
    wanted |= dict.fromkeys((1400, 1500), 6)
    assert {int(size): knee.n for size, knee in paper.knee.items()} == wanted
    assert all(knee.low <= knee.n <= knee.high for knee in paper.knee.values())


def test_intervals_hold_what_they_promise_of_left_out_cells_of_the_paper(paper):
    assert paper.calibration.cells == 192
    assert paper.calibration.inside >= 0.9


def test_a_law_reads_back_as_written_and_predicts_the_same(paper, tmp_path):
    write(paper, tmp_path / "law.json")
    again = read(Law, tmp_path / "law.json")
    assert again == paper
    n, size = np.array([12.0]), np.array([1000.0])
    assert [float(each[0]) for each in again.predictor.kpps(n, size)] == pytest.approx(
        [float(each[0]) for each in paper.predictor.kpps(n, size)]
    )


@pytest.mark.parametrize("name", CONTAINERS)
def test_container_chains_are_foreseen_chain_by_chain_within_five_percent(name):
    rates = CONTAINERS[name]
    table = from_rows(
        {"testbed": "cnf", "n": n, "frame_bytes": 60, "repetition": 1, "received_kpps": 1e3 * rate}
        for n, rate in zip((1, 2, 4, 6, 8), rates, strict=True)
    )
    law = law_of(table, "cnf")
    predicted = law.predictor.kpps(np.array([1.0, 2, 4, 6, 8]), np.full(5, 60.0))[0] / 1e3
    assert predicted == pytest.approx(rates, rel=0.05)


def test_hidden_cells_are_predicted_from_four_lengths_and_four_sizes():
    law = law_of(
        measured(machine, LENGTHS, SIZES, noise=0.02, repetitions=3, offered_kpps=400), "made", sweeps.LINK_BPS
    )
    hidden = [(n, size) for n in ALL_LENGTHS for size in ALL_SIZES if n not in LENGTHS or size not in SIZES]
    n, size = (np.array(each, dtype=float) for each in zip(*hidden, strict=True))
    truth = np.array([1e3 / machine(*cell) for cell in hidden])
    rate, low, high = law.predictor.kpps(n, size)
    assert np.median(np.abs(rate / truth - 1)) < 0.1
    assert np.mean((low <= truth) & (truth <= high)) >= 0.9


@pytest.mark.parametrize(
    ("moved", "times"), [({"r": 500.0}, 0.5), ({"p0": 10.0}, 2.0), ({"b": 4.0}, 4 / 3)], ids=["link", "port", "hop"]
)
def test_only_the_term_that_was_changed_moves(moved, times):
    def changed(n, size):
        return machine(n, size, **moved)

    lengths = (1, 2, 3, 4, 6, 8, 12)
    shape = Shape("port and link", "hop by byte", "none")
    before, after = (
        fit(shape, cells_of(measured(each, lengths, ALL_SIZES, noise=0.02))).values for each in (machine, changed)
    )
    for name in MACHINE:
        wanted = before[name] * (times if name in moved else 1)
        assert after[name] == pytest.approx(wanted, rel=0.15 if name == "c" else 0.05), name


def test_a_term_that_no_cell_shows_is_absent_whatever_the_search_began_with():
    shape = Shape("port", "hop", "none")
    begun = Fit(shape, {"p0": 5.0, "b": 3.0})
    assert fit(shape, cells_of(measured(machine, (4, 8), SIZES)), near=begun).values["p0"] == 0


def test_the_simpler_of_two_laws_that_predict_alike_is_chosen():
    cells = cells_of(measured(lambda n, size: n * 10.0, (1, 2, 3, 4, 6, 8), SIZES, noise=0.01))
    chosen, tried = choose(cells)
    assert chosen.whole.shape == Shape("none", "hop", "none")
    assert tried[0].left_out_error <= chosen.left_out_error


def test_a_law_that_the_longest_chain_alone_contradicts_is_not_chosen():
    half = {  # kpkt/s by chain length and frame size of a machine whose link carries 500 Mb/s
        1: (217.9, 128.8, 75.1, 40.9),
        2: (253.8, 143.7, 75.5, 40.9),
        4: (207.6, 134.5, 75.4, 40.7),
        8: (80.5, 73.3, 70.8, 39.9),
    }
    offered = (265.1, 140.4, 74.8, 40.1)
    cells = Cells(
        n=np.repeat(np.array(LENGTHS, dtype=float), len(SIZES)),
        size=np.tile(np.array(SIZES, dtype=float), len(LENGTHS)),
        kpps=np.array([rate for rates in half.values() for rate in rates]),
        offered=tuple(zip(SIZES, offered, strict=True)),
        repetitions=tuple(np.array([rate]) for rates in half.values() for rate in rates),
    )
    chosen, _ = choose(cells)
    assert chosen.whole.shape.hops != "none"
    assert chosen.chain_errors.max() < 0.15


def test_what_the_generator_could_not_send_is_not_blamed_on_the_chain():
    law = law_of(measured(machine, LENGTHS, SIZES, noise=0.01, offered_kpps=100), "made", sweeps.LINK_BPS)
    one = np.array([1.0])
    assert float(law.predictor.kpps(one, np.array([60.0]))[0][0]) == pytest.approx(100, rel=0.05)


def test_a_cell_that_received_nothing_is_named_and_left_out():
    table = list(rows(machine, (1, 2, 4, 8), (60, 800)))
    table[-1]["received_kpps"] = 0.0
    law = law_of(from_rows(table), "made")
    assert law.formula
    assert any("n = 8 at 800 B" in remark for remark in law.remarks)
    assert "800" in law.knee


@pytest.mark.parametrize("lengths", [(1,), (1, 2)])
def test_too_few_chain_lengths_give_knees_and_a_reason_but_no_law(lengths, tmp_path):
    law = law_of(measured(machine, lengths, SIZES), "made")
    assert law.predictor is None
    assert not law.parameters
    assert law.remarks
    assert set(law.knee) == set(map(str, SIZES))
    write(law, tmp_path / "law.json")
    assert read(Law, tmp_path / "law.json") == law


def test_nothing_measured_gives_a_law_file_all_the_same():
    assert law_of(from_rows([]), "made").knee == {}


def test_the_bridge_alone_is_no_chain():
    table = measured(machine, (0, *LENGTHS), SIZES)
    assert cells_of(table).n.min() == 1


def test_the_longest_chain_for_a_rate_agrees_with_the_prediction(paper):
    n = paper.predictor.longest(64.0, 800)[0]
    rates = paper.predictor.kpps(np.array([n, n + 1.0]), np.full(2, 800.0))[0]
    assert rates[0] >= 10.0 > rates[1]


def test_cells_outside_of_what_was_measured_are_extrapolated(paper):
    assert not paper.predictor.extrapolates(12, 1000)
    assert paper.predictor.extrapolates(21, 1000)
    assert paper.predictor.extrapolates(12, 1501)


@given(st.floats(0.001, 0.2), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_a_knee_lies_in_its_interval_whatever_the_scatter(scatter, last_flat):
    n = np.arange(1.0, 9.0)
    rates = np.where(n <= last_flat, 100.0, 50.0)
    cells = Cells(n, np.full(8, 60.0), rates, (), tuple(np.array([rate]) for rate in rates))
    knee = knees(cells, dict.fromkeys(range(1, 9), scatter))["60"]
    assert knee.low <= knee.n == last_flat <= knee.high


SHAPES = list(dict.fromkeys((*candidates(1, 6), *candidates(4, 6))))


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.formula for shape in SHAPES])
def test_every_law_has_the_parameters_in_its_formula_and_none_besides(shape):
    words = re.findall(r"[A-Za-z]\w*", shape.formula)
    assert set(words) & set(PARAMETERS) == set(shape.parameters)


def test_the_same_measurements_give_the_same_law():
    table = measured(machine, LENGTHS, SIZES, noise=0.05, repetitions=2)
    assert law_of(table, "made") == law_of(table, "made")


def test_intervals_are_wider_where_no_chain_was_measured(paper):
    sizes = np.full(2, 800.0)
    beside_the_break, measured_well = paper.predictor.half_width(np.array([11.0, 3.0]), sizes)
    assert beside_the_break > measured_well


def test_more_repetitions_of_a_noisy_machine_make_the_knee_surer():
    def flat(n, size):
        return 10.0 if n <= 4 else 13.0

    few, many = (
        knees(cells, {n: spread.of_mean for n, spread in cells.spreads().items()})["60"]
        for cells in (cells_of(measured(flat, range(1, 9), (60,), noise=0.05, repetitions=times)) for times in (2, 100))
    )
    assert many.n == 4
    assert many.high - many.low <= few.high - few.low


def test_few_chains_that_agree_by_chance_do_not_make_a_law_too_sure():
    inside = []
    for seed in range(3):
        deployed = dict(zip(range(1, 13), np.random.default_rng(seed).lognormal(0, 0.05, 12), strict=True))
        whole = measured(lambda n, size, of=deployed: machine(n, size) * of[n], deployed, (60, 600, 1500))
        known = whole[whole.n.isin((1, 2, 4, 8))]
        hidden = whole[~whole.n.isin(known.n)]
        _, low, high = law_of(known, "made").predictor.kpps(
            *(hidden[axis].to_numpy(float) for axis in ("n", "frame_bytes"))
        )
        inside += list((low <= hidden.received_kpps) & (hidden.received_kpps <= high))
    assert np.mean(inside) >= 0.9


def test_predictor_of_three_chains_has_no_calibration_but_an_interval():
    chosen, _ = choose(cells_of(measured(machine, (1, 4, 8), SIZES, noise=0.02)))
    predicting, calibration = predictor(chosen)
    assert calibration is None
    rate, low, high = predicting.kpps(np.array([6.0]), np.array([60.0]))
    assert 0 < low[0] < rate[0] < high[0]


def test_a_file_that_is_no_law_is_refused(tmp_path):
    (tmp_path / "law.json").write_text("{}")
    with pytest.raises(RecordError):
        read(Law, tmp_path / "law.json")


def test_the_papers_knee_is_not_at_its_cores_for_it_moves(paper):
    verdict, evidence = judge_cores(paper, 4)
    assert verdict is Verdict.NOT_REPRODUCED
    assert "1 at 60 B" in evidence
    assert "6 at 1500 B" in evidence


def test_a_knee_at_the_cores_whatever_the_size_bears_the_explanation_out():
    def by_cores(n, size):
        return (3.0 + 0.01 * size) * max(1.0, n / 4)

    law = law_of(measured(by_cores, range(1, 9), SIZES, noise=0.005, repetitions=3), "made")
    assert law.formula == "t = (b + c·s)·max(1, n/C)"
    assert law.parameters["C"].value == pytest.approx(4, rel=0.02)
    assert judge_cores(law, 4)[0] is Verdict.REPRODUCED
    assert judge_cores(law, 2)[0] is Verdict.NOT_REPRODUCED
    assert judge_cores(law, None)[0] is Verdict.NOT_TESTABLE
    assert judge_cores(law, 8)[0] is Verdict.NOT_TESTABLE


@pytest.fixture(scope="module")
def simple():
    """Return measurements of a known machine and their law."""
    table = measured(machine, LENGTHS, SIZES, noise=0.01)
    return table, law_of(table, "made")


def test_counters_that_name_another_resource_than_the_law_are_listed(simple):
    table, law = simple
    verdicts = {(1, 1500): "link", (8, 60): "link", (4, 60): "unknown"}
    places = zip(table["n"], table["frame_bytes"], strict=True)
    told = resources_of(law.predictor, {}, table.assign(bottleneck=[verdicts.get(cell, "") for cell in places]), None)
    assert told.agreeing == 1
    (apart,) = told.disagreeing
    assert (apart.n, apart.frame_bytes, apart.term, apart.bottleneck) == (8, 60, "hops", "link")
    assert told.undecided == 14


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (2.0, False)])
def test_processor_time_a_hop_is_held_against_the_law(simple, factor, agrees):
    table, law = simple
    hop_us = factor * law.hop_us["60"].value
    known = (table["frame_bytes"] == 60) & table["n"].isin((2, 4, 8))
    counted = table.assign(bottleneck="server CPU", hop_processor_us=known.map({True: hop_us, False: np.nan}))
    told = resources_of(law.predictor, law.hop_us, counted, 1)
    assert told.hop_processor["60"].measured_us == pytest.approx(hop_us)
    assert told.hop_processor["60"].agrees is agrees
    unknown = counted.assign(hop_processor_us=np.nan)
    assert resources_of(law.predictor, law.hop_us, unknown, 1).hop_processor == {}


def test_chains_of_several_kinds_are_no_repetitions_of_each_other():
    both = [
        {**row, "middlebox": name, "repetition": repetition, "received_kpps": factor * row["received_kpps"]}
        for name, repetition, factor in (("a", 1, 1.0), ("b", 2, 0.1))
        for row in rows(machine, LENGTHS if name == "a" else (1,), SIZES)
    ]
    kept, (remark,) = usual_kind(from_rows(both))
    assert set(kept["middlebox"]) == {"a"}
    assert "left out: b" in remark
    assert usual_kind(kept)[1] == ()
