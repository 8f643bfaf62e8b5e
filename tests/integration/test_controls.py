"""The instrument measured by itself, on a real testbed."""

from __future__ import annotations

import json

import pytest
from helpers import settings
from middlebench.diagnosis.processors import links_share
from middlebench.model.controls import ControlLog
from middlebench.model.record import LINKS_SHARE
from middlebench.system.errors import GeneratorError
from middlebench.system.processes import may_administer
from middlebench.trials.controls import links_only, measure_controls, whole_set
from middlebench.trials.convergence import read_live


def test_controls_measure_the_generator_alone_and_a_bridge_alone(testbed, tmp_path):
    log = ControlLog(tmp_path)
    series = [*whole_set(testbed, (60, 800)), *links_only(testbed, (800, 60))]
    measured = measure_controls(testbed, series, settings(offered_load=1), log, "a run")
    *controls, links = log.controls()
    assert (links.kind, links.frame_bytes, links.counts.received_packets) == ("links-only", 60, 0)
    assert links.counts.offered_packets > 0
    assert links_share(links.usage) <= LINKS_SHARE
    if may_administer():
        *_, cards = links.usage.generator
        assert (cards.name, cards.cpu_s > 0) == ("links", True)
    assert read_live(testbed).switch.bridges == {}
    assert [(each.kind, each.frame_bytes) for each in controls] == [
        ("back-to-back", 60),
        ("back-to-back", 800),
        ("switch-only", 60),
        ("switch-only", 800),
    ]
    assert sorted(measured.controls) == sorted(path.name for path in (tmp_path / "controls").glob("*.json"))
    for each in controls:
        assert each.settings.offered_load == "maximum"
        assert 0 < each.counts.received_packets <= each.counts.intended_packets * 1.01
        assert (each.usage is None) == (each.kind == "back-to-back")


def test_direct_control_crosses_no_switch(testbed, tmp_path):
    def counted() -> dict[str, dict[str, dict[str, int]]]:
        told = testbed.hosts.middlebox_server.run(["ip", "-json", "-statistics", "link"]).stdout
        return {each["ifname"]: each["stats64"] for each in json.loads(told)}

    before = counted()
    testbed.direct.probe(60, 3)
    assert counted() == before
    assert len(before) > 1


def test_cut_cable_is_told_and_nothing_is_recorded(testbed, tmp_path):
    testbed.hosts.test_computer.run(["ip", "link", "delete", "dev", testbed.hosts.direct_ports[1]])
    with pytest.raises(GeneratorError, match="direct"):
        measure_controls(testbed, whole_set(testbed, (60,)), settings(), ControlLog(tmp_path), "a run")
    assert ControlLog(tmp_path).controls() == []
