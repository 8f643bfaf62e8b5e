"""Results of others beside one's own: the same within a margin is a result, and not significantly different is none."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from middlebench.analysis.comparing import other_results
from middlebench.analysis.comparing.equivalence import Sameness, compare_cells, tally
from middlebench.analysis.data.measurements import from_rows, write_measurements
from middlebench.analysis.law.derivation import law_of
from middlebench.config.other_results import file_of, names_of
from middlebench.system.errors import RecordError

LENGTHS, SIZES = (1, 2, 4, 8), (60, 400, 800, 1500)


def sweep(seed, *, noise=0.02, repetitions=3, changed=None, lengths=LENGTHS, link=1000.0):
    """Return a sweep of a known machine; rates of the cells in ``changed`` are multiplied."""
    generator = np.random.default_rng(seed)
    rows = []
    for n in lengths:
        for size in SIZES:
            for repetition in range(1, repetitions + 1):
                kpps = 1e3 / max(8 * (size + 24) / link, n * (3 + 0.001 * size)) * np.exp(generator.normal(0, noise))
                kpps *= (changed or {}).get((n, size), 1.0)
                rows.append(
                    {
                        "testbed": "made",
                        "n": n,
                        "frame_bytes": size,
                        "repetition": repetition,
                        "received_kpps": kpps,
                        "received_mbps": kpps * size * 8 / 1e3,
                    }
                )
    return from_rows(rows)


def test_the_same_machine_measured_twice_is_the_same_in_nearly_every_cell():
    counted = [tally(compare_cells(sweep(2 * seed), sweep(2 * seed + 1))) for seed in range(10)]
    assert sum(each[Sameness.EQUIVALENT] for each in counted) >= 0.95 * 160
    assert sum(each[Sameness.DIFFERENT] for each in counted) == 0


def test_cells_that_a_hog_slowed_down_are_named():
    hogged = {(4, 60): 0.6, (8, 800): 0.7}
    compared = compare_cells(sweep(1), sweep(2, changed=hogged))
    apart = compared[compared["sameness"] == "different"]
    assert set(zip(apart["n"], apart["frame_bytes"], strict=True)) == set(hogged)
    words = other_results.describe(compared, "other", 0.1)
    assert "n = 4 at 60 B" in words
    assert "n = 8 at 800 B" in words


def test_too_few_and_noisy_repetitions_are_no_proof_of_sameness():
    counted = tally(compare_cells(sweep(1, noise=0.3, repetitions=2), sweep(2, noise=0.3, repetitions=2)))
    assert counted[Sameness.EQUIVALENT] <= 1
    assert counted[Sameness.UNDECIDED] >= 12


def test_as_many_repetitions_as_are_called_needed_decide_most_cells_and_half_as_many_do_not():
    noise, seeds = 0.06, range(6)
    before = [compare_cells(sweep(2 * seed, noise=noise), sweep(2 * seed + 1, noise=noise)) for seed in seeds]
    needed = round(pd.concat(before)["repetitions_needed"].mean())

    def equivalent(repetitions):
        pairs = ([sweep(at, noise=noise, repetitions=repetitions) for at in (seed, seed + 20)] for seed in seeds)
        return sum(tally(compare_cells(*pair))[Sameness.EQUIVALENT] for pair in pairs) / (len(seeds) * 16)

    assert equivalent(needed) == pytest.approx(0.8, abs=0.1)
    assert equivalent(needed // 2) < 0.5


def test_cells_that_were_measured_once_have_a_ratio_and_no_verdict():
    compared = compare_cells(sweep(1), sweep(2, repetitions=1))
    assert set(compared["sameness"]) == {"measured once"}
    assert compared["ratio"].notna().all()
    assert compared["ratio_low"].isna().all()
    assert compared["repetitions_needed"].isna().all()


@given(st.integers(0, 1000), st.floats(0.01, 0.5))
@settings(max_examples=30, deadline=None)
def test_who_is_compared_with_whom_does_not_matter(seed, margin):
    one, other = sweep(seed), sweep(seed + 1, changed={(1, 60): 0.9, (2, 400): 1.3})
    there, back = compare_cells(one, other, margin), compare_cells(other, one, margin)
    assert list(there["sameness"]) == list(back["sameness"])
    assert np.allclose(there["ratio_low"], 1 / back["ratio_high"])


def test_a_wider_margin_never_makes_cells_less_the_same():
    one, other = sweep(1), sweep(2, changed={(1, 60): 0.9})
    narrow, wide = (compare_cells(one, other, margin)["sameness"] for margin in (0.05, 0.2))
    assert (wide[narrow == "equivalent"] == "equivalent").all()


def test_only_cells_that_both_have_are_compared():
    compared = compare_cells(sweep(1, lengths=(1, 2)), sweep(2, lengths=(2, 4)))
    assert set(compared["n"]) == {2}
    assert other_results.describe(compare_cells(sweep(1, lengths=(1,)), sweep(2, lengths=(2,))), "other", 0.1)


def test_the_parameter_that_differs_is_named_and_the_others_are_not():
    mine, theirs = sweep(1, lengths=(1, 2, 3, 4, 8)), sweep(2, lengths=(1, 2, 3, 4, 8), link=500.0)
    law = law_of(mine, "made")
    assert law.basis.shape.flat == "link"
    frame = other_results.laws_table(law, theirs, "other").frame
    assert list(frame["parameter"][frame["differs"] == "differs"]) == ["r"]


@pytest.fixture
def folder(tmp_path):
    """Return the results folder of a colleague."""
    write_measurements(sweep(1), tmp_path / "colleague/results/local/measurements.csv")
    return tmp_path / "colleague/results/local"


def test_a_folder_and_a_zip_file_of_it_read_the_same(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "local.zip", "w") as packed:
        packed.write(folder / "measurements.csv", "measurements.csv")
    assert other_results.read_others(folder).equals(other_results.read_others(tmp_path / "local.zip"))
    assert Path(file_of(str(folder))).is_file()
    assert Path(file_of(str(tmp_path / "local.zip"))).is_file()


@pytest.mark.parametrize(
    "content", [{}, {"a/measurements.csv": "", "b/measurements.csv": ""}, {"measurements.csv": "x\n"}]
)
def test_a_zip_file_without_one_good_table_is_refused(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed:
        for name, text in content.items():
            packed.writestr(name, text)
    with pytest.raises(RecordError):
        other_results.read_others(tmp_path / "other.zip")


def test_what_is_no_zip_file_is_refused(tmp_path):
    (tmp_path / "other.zip").write_text("no")
    with pytest.raises(RecordError):
        other_results.read_others(tmp_path / "other.zip")


def test_others_go_by_names_of_their_own():
    names = names_of(("/a/results/local", "/b/results/local", "mine.zip"), ("local",))
    assert list(names.values()) == ["/a/results/local", "/b/results/local", "mine.zip"]
    assert list(names) == ["results-local", "b-results-local", "mine"]
