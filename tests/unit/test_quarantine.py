"""A testbed whose controls drift is measured on no more until it is released, where the study asks for that."""

from __future__ import annotations

import pytest
from helpers import composition
from middlebench.analysis.data.dataset import load_dataset
from middlebench.analysis.report.first_screen import warnings_of
from middlebench.cli import main
from middlebench.config.study import Controls
from middlebench.config.study_file import write_study
from middlebench.config.testbed import composed
from middlebench.model.controls import ControlLog
from middlebench.model.quarantine import FILE, demand_released, judge, quarantine_of
from middlebench.model.record_file import write
from middlebench.system.errors import DriftError
from sweeps import STUDY, control, write_results

BAND = 0.1


def controls(*received, **others):
    return [control(received=each, sequence=place, **others) for place, each in enumerate(received, 1)]


@pytest.mark.parametrize("latest", [112_000, 80_000])
def test_control_out_of_the_band_is_named_with_its_median(latest):
    found = judge(controls(100_000, 101_000, latest), 2, BAND)
    assert found is not None
    assert (found.kind, found.frame_bytes, found.sequence, found.band) == ("switch-only", 60, 3, BAND)
    assert found.kpps == latest / 500  # the window is half a second
    assert found.median_kpps == (200 if latest < 100_000 else 202)


@pytest.mark.parametrize(
    "log",
    [
        controls(50_000),
        controls(100_000, 95_000, 105_000),
        controls(50_000, 100_000, 100_000),  # the first one is no news
        [*controls(100_000, 100_000), *controls(0, 0, 0, kind="links-only")],
        [*controls(100_000, 100_000), control(received=50_000, sequence=3, environment="another")],
        [*controls(100_000, 100_000), control(frame_bytes=800, received=50_000, sequence=3)],
    ],
    ids=["alone", "within", "earlier", "links only", "another environment", "another size"],
)
def test_nothing_is_quarantined_for_what_cannot_be_compared_or_lies_within(log):
    assert judge(log, 2, BAND) is None


@pytest.mark.parametrize("latest", [0, 100_000])
def test_testbed_is_quarantined_where_controls_receive_nothing(latest):
    found = judge(controls(0, 0, latest), 2, BAND)
    assert found is not None
    assert (found.kpps, found.median_kpps) == (latest / 500, 0)


@pytest.fixture
def quarantined(tmp_path):
    """The results of a testbed that is in quarantine, whose study stops at drift."""
    write_results(tmp_path, repetitions=2)
    study = STUDY.model_copy(update={"controls": Controls(if_drifting="stop")})
    write_study("a run", study, {"made": composed(composition(), "here")}, tmp_path)
    write(judge(controls(100_000, 100_000, 50_000), 2, BAND), tmp_path / "made" / FILE)
    return tmp_path


@pytest.mark.parametrize("target", ["cells/n1/size60/rep1.json", "deployments/n1.json"])
def test_nothing_is_measured_on_it_until_it_is_released(quarantined, target, capsys):
    verb = "measure" if target.startswith("cells") else "deploy"
    assert main([verb, str(quarantined / "made" / target)]) == DriftError.exit_status
    told = capsys.readouterr().err
    assert "switch-only, 60 B" in told
    assert "`middlebench release made`" in told
    assert main(["release", "--results", str(quarantined)]) == 0
    assert quarantine_of(quarantined / "made") is None
    demand_released(quarantined / "made", "measuring")
    assert len([*quarantined.glob("made/archive/*/quarantine.*.json")]) == 1


def test_report_names_it_with_the_command_that_ends_it(quarantined):
    (told,) = warnings_of(load_dataset("made", quarantined))
    assert "switch-only, 60 B" in told
    assert "`middlebench release made`" in told


def test_log_of_controls_is_judged_by_the_numbers_it_gave(tmp_path):
    log = ControlLog(tmp_path)
    for received in (100_000, 100_000):
        log.add(control(received=received))
    before = log.sequence.last
    log.add(control(received=50_000))
    found = judge(log.controls(), before, BAND)
    assert found is not None
    assert found.sequence == before + 1
