"""A dataset is all that lies in a results folder, or the paper's data in the same form."""

from pathlib import Path

import pytest
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.data.environments import mixture
from middlebench.system.errors import RecordError
from sweeps import ENVIRONMENT, environment, record, write_results


def test_measured_dataset_has_what_its_folder_has(tmp_path):
    write_results(tmp_path)
    data = load_dataset("made", tmp_path)
    assert len(data.measurements) == 9
    assert sorted(data.plans) == [1, 2, 4]
    assert data.facts["both computers"]["kernel"] == "6.1"
    assert list(data.environments.values()) == [ENVIRONMENT]
    assert data.link_bps == 1e9
    assert len(data.setups) == 1
    assert data.middlebox == "a middlebox"
    assert data.note == ""


def test_published_dataset_needs_no_results_folder():
    data = load_dataset("maksic", Path("nowhere"))
    assert len(data.measurements) == 192
    assert data.plan_nearest(max(data.plans))["n"] == 20
    assert data.link_bps == 1e9


def test_emulated_host_is_noted(tmp_path):
    write_results(tmp_path, environments=[ENVIRONMENT.model_copy(update={"emulated": True})])
    assert load_dataset("made", tmp_path).note == "emulated"


def test_cells_of_several_environments_are_noted_and_that_of_most_cells_comes_first(tmp_path):
    newer = environment(kernel="6.2", cpus=(1,))
    cells = [record(n=1, environment=newer), record(n=2), record(n=4)]
    write_results(tmp_path, environments=[newer, ENVIRONMENT], cells=cells)
    data = load_dataset("made", tmp_path)
    assert data.note == "2 environments mixed"
    assert list(data.environments) == [ENVIRONMENT.id, newer.id]
    assert data.server_cpus is None
    first, second = mixture(data.measurements, data.environments)
    assert (first["cells"], second["cells"]) == (2, 1)
    assert second["differs from the first in"] == (
        "middlebox server: cpus 0, 1 → 1; middlebox server: kernel 6.1 → 6.2"
    )


def test_missing_environment_is_refused_by_name(tmp_path):
    write_results(tmp_path)
    (tmp_path / f"made/environments/{ENVIRONMENT.id}.json").unlink()
    with pytest.raises(RecordError, match=ENVIRONMENT.id):
        load_dataset("made", tmp_path)


def test_figures_of_one_chain_take_the_nearest_that_ran(tmp_path):
    write_results(tmp_path, lengths=(3, 6))
    data = load_dataset("made", tmp_path)
    assert data.plan_nearest(1)["n"] == 3
    assert data.plan_nearest(max(data.plans))["n"] == 6


def test_missing_deployment_is_refused_by_name(tmp_path):
    write_results(tmp_path)
    (tmp_path / "made/deployments/n4.json").unlink()
    with pytest.raises(RecordError, match=r"n4\.json"):
        load_dataset("made", tmp_path)
