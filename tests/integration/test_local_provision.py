"""A testbed of this machine is provisioned: each alternative is measured, and the fastest that works is chosen."""

from __future__ import annotations

import os

import middlebench.trials.provision
from helpers import compose, settings
from middlebench.testbed import site_of, stand_up
from middlebench.trials.convergence import read_live
from middlebench.trials.provision import provision


def test_fastest_alternative_that_works_is_chosen(runtime, monkeypatch):
    monkeypatch.setattr(middlebench.trials.provision, "TRY_LENGTHS", (1, 2))
    monkeypatch.setattr(middlebench.trials.provision, "TRY_SETTINGS", settings())
    asked = compose(switch={"driver": "private-openvswitch", "datapath": "userspace", "port_type": "auto"})
    try:
        found, environment = provision("tests", asked, print)
        testbed = stand_up("tests", compose(switch=found.options["switch"]))
        assert read_live(testbed).switch.bridges == {}, "what was tried was torn down"
        assert read_live(testbed).middleboxes == {}
    finally:
        site_of("tests", asked).close()
    assert len(found.choices) == 2, "a namespace cannot be joined by vhost-user"
    (chosen,) = [each for each in found.choices if each["chosen"]]
    assert found.options["switch"]["port_type"] in chosen["alternative"].split()
    assert chosen["failure"] == ""
    assert all(each["received_pps"] or each["failure"] for each in found.choices)
    assert chosen["received_pps"].keys() == {"n=1, 60 B", "n=1, 1514 B", "n=2, 60 B", "n=2, 1514 B"}
    assert found.environment == environment.id
    assert environment.unprivileged == (os.getuid() != 0)
    assert environment.limits is not None, "it stood when it was looked at"
    assert environment.middlebox_server.programs["ovs-vswitchd"].startswith("ovs-vswitchd (Open vSwitch)")
    assert environment.test_computer.programs["trafgen"].startswith("trafgen ")
