"""How provision chooses: what is tried, and what a failure says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers import compose
from middlebench.config.testbed import TestbedOptions
from middlebench.system.errors import HostError, MiddlebenchError, SwitchError, TrialError
from middlebench.trials import provision
from middlebench.trials.provision import TRIES, _measured, _try

QEMU = {"driver": "qemu"}
Answer = Callable[[TestbedOptions], float | MiddlebenchError]


def pairs() -> list[TestbedOptions]:
    """All pairs of two switches and two accelerators."""
    return [
        compose(
            switch={"driver": "private-openvswitch", "datapath": "userspace", "port_type": port_type},
            middlebox={**QEMU, "accelerator": accelerator},
        )
        for port_type in ("system", "afxdp")
        for accelerator in ("kvm", "tcg")
    ]


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[tuple[str, str]]]:
    """Let trials answer what a function says of a pair; return the pairs that were tried, one a try."""
    tried: list[tuple[str, str]] = []

    def let(answer: Answer) -> list[tuple[str, str]]:
        def measure(options: TestbedOptions, rates: dict[provision.Load, float]) -> None:
            tried.append((options.switch.port_type, options.middlebox.accelerator))
            found = answer(options)
            if isinstance(found, MiddlebenchError):
                raise found
            rates[1, 60] = found

        monkeypatch.setattr(provision, "stand_up", lambda _, options: options)
        monkeypatch.setattr(provision, "_measure", measure)
        return tried

    return let


def test_other_switches_are_tried_with_the_fastest_kind_of_middlebox(measuring):
    tried = measuring(lambda options: 2.0 if options.middlebox.accelerator == "tcg" else 1.0)
    attempts = _measured("tests", pairs())
    assert tried == [("system", "kvm"), ("system", "tcg"), ("afxdp", "tcg")]
    assert [attempt.score for attempt in attempts] == pytest.approx([1.0, 2.0, 2.0])


def test_where_nothing_works_with_the_first_switch_every_pair_of_the_next_is_tried(measuring):
    refused = SwitchError("setting up bridges", "Open vSwitch refused")
    measuring(lambda options: refused if options.switch.port_type == "system" else 1.0)
    attempts = _measured("tests", pairs())
    assert [attempt.failure for attempt in attempts] == ["setting up bridges: Open vSwitch refused"] * 2 + ["", ""]


def test_failure_that_passes_rules_nothing_out(measuring):
    answers = iter([TrialError("measuring", "the trial is void"), HostError("running", "it was cancelled"), 7.0])
    measuring(lambda _: next(answers))
    attempt = _try("tests", pairs()[0])
    assert (attempt.failure, attempt.score) == ("", 7.0)


def test_alternative_that_fails_each_time_does_not_work_here(measuring):
    tried = measuring(lambda _: TrialError("measuring", "the trial is void"))
    assert _try("tests", pairs()[0]).failure == "measuring: the trial is void"
    assert len(tried) == TRIES


def test_host_that_cannot_be_reached_says_nothing_of_an_alternative(measuring):
    measuring(lambda _: HostError("running", "it was cancelled"))
    with pytest.raises(HostError, match="cancelled"):
        _try("tests", pairs()[0])
