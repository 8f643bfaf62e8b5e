"""Runs over time: a change of level is found where it is, with what changed in the environment, and noise is none."""

import numpy as np
import pytest
from middlebench.analysis.comparing.history import describe, level_changes
from middlebench.analysis.data.measurements import from_records
from middlebench.cli import main
from middlebench.model.environment import keep
from middlebench.model.record_file import write
from sweeps import environment, record

OLD, NEW = environment(kernel="6.1"), environment(kernel="6.12")


def runs(levels, *, noise=0.02, lengths=(1, 4), seed=1):
    """Return the records of runs, one a level and a day; the second half of them in a new environment."""
    generator = np.random.default_rng(seed)
    made = []
    for day, level in enumerate(levels):
        for n in lengths:
            for size in (60, 400, 800, 1500):
                received = round(20_000 / n * level.get(n, 1.0) * np.exp(generator.normal(0, noise)))
                found = OLD if 2 * day < len(levels) else NEW
                one = record(n, size, received=received, environment=found, session=f"run {day}", repetition=day + 1)
                made.append(one.model_copy(update={"started_at": f"2026-01-{day + 1:02d}T00:00:00+00:00"}))
    return made


def test_a_change_of_level_is_found_at_its_run_and_its_chain_alone():
    (change,) = level_changes(from_records(runs([{}] * 4 + [{4: 0.8}] * 4)))
    assert change.n == 4
    assert change.before.session == "run 3"
    assert change.after.session == "run 4"
    assert change.factor == pytest.approx(0.8, rel=0.03)


def test_the_environments_change_is_named_at_that_point():
    (change,) = level_changes(from_records(runs([{}] * 4 + [{4: 0.8}] * 4)))
    words = describe(change, {OLD.id: OLD, NEW.id: NEW})
    assert "6.1 → 6.12" in words
    assert "n = 4: -2" in words
    assert "not described" in describe(change, {})


def test_a_change_within_one_environment_is_said_to_be_so():
    (change,) = level_changes(from_records(runs([{}] * 2 + [{1: 1.5}] * 6)))
    assert change.n == 1
    assert "the environment is the same" in describe(change, {OLD.id: OLD, NEW.id: NEW})


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_change_of_level(seed):
    assert level_changes(from_records(runs([{}] * 8, seed=seed))) == []


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_changes_in_less_than_two_runs(count):
    assert level_changes(from_records(runs([{}] * count))) == []


def test_history_reads_archived_records_and_leaves_other_settings_out(tmp_path, capsys):
    made = runs([{}] * 4 + [{4: 0.8}] * 4)
    for number, each in enumerate(made):
        cell = each.cell
        folder = tmp_path / ("archive/old" if number < len(made) / 2 else "")
        path = f"cells/n{cell.n}/size{cell.frame_bytes}/rep{cell.repetition}.json"
        write(each.model_copy(update={"cell": cell.model_copy(update={"repetition": 1})}), folder / path)
    other = made[0].model_copy(update={"settings": made[0].settings.model_copy(update={"warm_up_s": 5.0})})
    write(other, tmp_path / "cells/n1/size60/rep99.json")
    (tmp_path / "cells/n1/size60/rep98.json").write_text("{}")
    for each in (OLD, NEW):
        keep(each, tmp_path)
    assert main(["history", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "64 records of 8 runs, 1 level change\n" in said.out
    assert "n = 4: -2" in said.out
    assert "6.1 → 6.12" in said.out
    assert "1 records of other" in said.err
    assert "1 record cannot be read" in said.err


def test_history_of_nothing_is_an_error(tmp_path, capsys):
    assert main(["history", str(tmp_path)]) != 0
    assert "no record" in capsys.readouterr().err
