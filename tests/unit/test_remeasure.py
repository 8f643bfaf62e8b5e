"""Which cells are worth measuring again; what carries a flag is moved, whole, and nothing is deleted."""

import pytest
import yaml
from helpers import composition
from middlebench import cli
from middlebench.analysis.data.flags import DRIFT
from middlebench.model.record_file import write
from middlebench.run.remeasure import archive_flagged, widest_cells
from middlebench.system.errors import ConfigError, RecordError
from sweeps import record, write_results


@pytest.fixture
def results(tmp_path):
    """Results of three cells, of which the first two carry the flag, each with its raw output."""
    cells = [record(repetition=k, flags=(DRIFT,) if k < 3 else ()) for k in (1, 2, 3)]
    write_results(tmp_path, cells=cells)
    for k in (1, 2, 3):
        (tmp_path / f"made/cells/n1/size800/rep{k}.generator.txt").write_text(f"raw {k}")
    return tmp_path / "made"


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("**/rep*")}


def test_flagged_cells_move_with_all_their_files_and_the_others_stay(results):
    before = files(results)
    moved = archive_flagged(results, DRIFT)
    assert [path.name for path in moved] == ["rep1.json", "rep2.json"]
    assert {path.name for path in (results / "cells/n1/size800").iterdir()} == {"rep3.json", "rep3.generator.txt"}
    assert sorted(files(results).values()) == sorted(before.values())


def test_cell_that_was_measured_again_since_stays(results):
    newer = record(repetition=1).model_copy(update={"started_at": "2026-02-03T04:05:06.789+00:00"})
    write(newer, results / "cells/n1/size800/rep1.json")
    told = []
    assert [path.name for path in archive_flagged(results, DRIFT, told.append)] == ["rep2.json"]
    assert "rep1.json" in told[0]


def test_second_call_moves_nothing(results):
    archive_flagged(results, DRIFT)
    before = files(results)
    assert archive_flagged(results, DRIFT) == []
    assert files(results) == before


def test_record_that_cannot_be_read_is_named_and_nothing_of_it_moves(results):
    (results / "cells/n1/size800/rep1.json").write_text("{")
    with pytest.raises(RecordError, match=r"rep1\.json"):
        archive_flagged(results, DRIFT)
    assert (results / "cells/n1/size800/rep1.generator.txt").exists()


def test_flag_that_does_not_exist_is_an_error_that_names_those_that_do(results):
    before = files(results)
    with pytest.raises(ConfigError, match=r"offered-below-intended, .*did you mean drift\?"):
        archive_flagged(results, "drfit")
    assert files(results) == before


@pytest.fixture
def project(tmp_path, own_runtime, monkeypatch):
    """A project whose config names another results folder than the usual one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/testbeds").mkdir(parents=True)
    (tmp_path / "config/testbeds/made.yaml").write_text(yaml.safe_dump(composition()))
    study = {
        "testbeds": ["made"],
        "chain_lengths": [1],
        "frame_sizes": [800],
        "trial": "short",
        "trials": {"short": {"window_s": 1, "warm_up_s": 1}},
        "results_folder": "elsewhere",
    }
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(study))
    return tmp_path


def test_verb_looks_in_the_results_folder_of_the_config(project):
    write_results(project / "elsewhere", cells=[record(flags=(DRIFT,))])
    assert cli.main(["archive"]) == 0
    assert list(project.glob("elsewhere/made/archive/*/cells/n1/size800/rep1.*.json"))
    assert not list(project.glob("elsewhere/made/cells/n1/size800/*"))


@pytest.mark.parametrize(("argv", "folder"), [([], "elsewhere"), (["--results", "results-paper"], "results-paper")])
def test_verb_without_any_table_says_where_it_looked(project, capsys, argv, folder):
    (project / folder / "made/cells").mkdir(parents=True)
    assert cli.main(["archive", *argv]) == RecordError.exit_status
    assert f"in {folder}: none has a table" in capsys.readouterr().err


def test_testbed_without_a_table_yet_keeps_no_other_from_being_looked_at(project):
    (project / "elsewhere/interrupted/cells").mkdir(parents=True)
    write_results(project / "elsewhere", cells=[record(flags=(DRIFT,))])
    assert cli.main(["archive"]) == 0
    assert list(project.glob("elsewhere/made/archive/*/cells/n1/size800/rep1.*.json"))


def test_mistyped_flag_fails_the_verb(project, capsys):
    write_results(project / "elsewhere", cells=[record(flags=(DRIFT,))])
    assert cli.main(["archive", "--flag", "drfit"]) == ConfigError.exit_status
    assert "did you mean drift?" in capsys.readouterr().err


def test_widest_interval_comes_first_and_a_point_without_any_before_all(tmp_path):
    twice = [record(n, repetition=k, received=10_000 + n * k) for n in (1, 2) for k in (1, 2)]
    write_results(tmp_path, cells=[*twice, record(4)])
    found = widest_cells(tmp_path / "made", 2)
    assert [(cell.n, cell.repetition) for cell in found] == [(4, 2), (2, 3)]


def test_verb_names_the_records_to_ask_for(project, capsys):
    write_results(project / "elsewhere", cells=[record(repetition=k) for k in (1, 2)])
    assert cli.main(["repeat", "--cells", "1"]) == 0
    assert capsys.readouterr().out.split() == ["elsewhere/made/cells/n1/size800/rep3.json"]


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_bad_number_of_cells_is_a_mistake_of_the_command_line(count):
    with pytest.raises(SystemExit) as ended:
        cli.main(["repeat", f"--cells={count}"])
    assert ended.value.code == 2
