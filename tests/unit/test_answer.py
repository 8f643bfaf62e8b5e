"""The first thing that a reader sees: how many middleboxes, at which sizes, at what throughput."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from middlebench.analysis.data.flags import DRIFT, adding
from middlebench.analysis.data.measurements import from_records
from middlebench.analysis.data.publications import load_cells
from middlebench.analysis.report.answer import answer, answers, topology_table
from sweeps import record

COUNTS = st.dictionaries(st.integers(0, 20), st.integers(0, 75_000), min_size=1)


def chains(received):
    """Return measurements at 800 B by chain length; a frame received is 12.8 kb/s."""
    return from_records(record(n=n, received=count, offered=75_000) for n, count in received.items())


def test_published_answer_is_that_of_the_papers_tables():
    found = answer(load_cells("maksic"))
    assert found.sentences == (
        "Of frames of 60 to 1500 B, 114 to 602 Mb/s arrive through one middlebox, "
        "0.5 to 13 Mb/s arrive through a chain of 20.",
        "At 800 B, one middlebox passes on 509 Mb/s; up to n = 4 at least 90 % of it arrives, "
        "up to n = 7 at least half.",
        "The publication gives one value of each, and nothing of their spread.",
    )
    assert found.steps_mbps == (10, 20, 50, 100, 200, 500)
    assert found.longest[800] == (15, 10, 10, 10, 8, 4)
    assert found.longest[60] == (10, 7, 4, 1, None, None)


def test_answer_says_how_sure_it_is():
    once, several = (
        from_records(record(repetition=k, received=20_000 + 100 * k) for k in range(1, times + 1)) for times in (1, 3)
    )
    assert answer(once).sentences[-1] == "Each was measured once, so that nothing is known of the spread."
    assert "none is unstable" in answer(several).sentences[-1]
    assert "mean" in answer(several).sentences[-1]
    wild = from_records(record(n=n, repetition=k, received=9_000 * k) for n in (1, 2) for k in (1, 2, 3))
    assert "At 800 B, one middlebox passes on 230 ± 286 Mb/s" in answer(wild).sentences[1]
    assert "2 are unstable." in answer(wild).sentences[-1]
    drifted = adding(wild, DRIFT, (wild["n"] == 1).to_numpy())
    assert answer(drifted).sentences[-1].endswith("2 are unstable, and 1 has a repetition near drift.")


def test_chain_beyond_one_that_falls_short_does_not_count():
    found = answer(chains({1: 40_000, 2: 1_000, 3: 40_000}))
    assert dict(zip(found.steps_mbps, found.longest[800], strict=True))[500] == 1


@given(COUNTS)
def test_more_throughput_is_never_had_by_a_longer_chain(received):
    found = answer(chains(received))
    if found is None:
        assert set(received) == {0}
        return
    for lengths in found.longest.values():
        longest = [n or 0 for n in lengths]
        assert longest == sorted(longest, reverse=True)


def test_each_topology_has_an_answer_of_its_own_in_the_same_columns():
    chain, pipeline = (chains({n: count // n for n in (1, 2, 4)}) for count in (30_000, 60_000))
    several = pd.concat([chain, pipeline.assign(topology="pipeline")])
    found = answers(several)
    assert list(found) == ["chain", "pipeline"]
    assert found["pipeline"].sentences[0].endswith("192 Mb/s arrive through a pipeline of 4.")
    assert found["chain"].steps_mbps == found["pipeline"].steps_mbps
    table = topology_table(several, "made").frame.set_index("topology")
    assert (table.loc["chain", "n_100"], table.loc["pipeline", "n_100"]) == (2, 4)


def test_of_middleboxes_side_by_side_the_largest_number_counts_that_passes_on_enough():
    rising = chains({1: 7_000, 2: 15_000, 4: 12_000, 8: 7_000})
    asked = [100]
    assert answer(rising.assign(topology="parallel"), asked).longest == {800: (4,)}
    assert answer(rising.assign(topology="pipeline"), asked).longest == {800: (None,)}


def test_without_a_middlebox_there_is_no_answer():
    assert answer(chains({0: 40_000})) is None
    assert answer(from_records([])) is None
