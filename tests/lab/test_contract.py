"""Xen domains keep the contract of middleboxes: its own tests, on one chain on the emulated host.

Left out are those that would make chains anew, which takes minutes here; `test_lab.py` tests what they do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract.test_middleboxes import (  # noqa: F401 # pytest collects them here
    test_created_middleboxes_are_live_under_their_names,
    test_created_middleboxes_have_their_ports_on_the_server,
    test_description_is_not_empty,
    test_frames_of_every_size_pass_byte_for_byte,
    test_frames_that_are_not_ip_pass_as_well,
    test_middleboxes_do_not_forward_to_each_other,
    test_middleboxes_that_run_on_keep_their_identity,
    test_watch_is_silent_while_all_run,
)
from middlebench.hosts.base import Host
from middlebench.middleboxes.base import Middleboxes
from middlebench.model.plan import Plan
from middlebench.model.topologies import plan_of
from middlebench.testbed import Testbed
from middlebench.trials.convergence import tear_down


@pytest.fixture(scope="module")
def server(lab: Testbed) -> Host:
    return lab.hosts.middlebox_server


@pytest.fixture(scope="module")
def plan(lab: Testbed) -> Plan:
    return plan_of("chain", 2, lab.hosts.server_ports)


@pytest.fixture(scope="module")
def running(lab: Testbed, plan: Plan) -> Iterator[Middleboxes]:
    """Two domains on bridges without flows, so that frames go where a test sends them and no further."""
    tear_down(lab)
    lab.switch.create_bridges(plan)
    lab.middleboxes.create(plan)
    yield lab.middleboxes
    tear_down(lab)


@pytest.fixture
def middleboxes(running: Middleboxes) -> Middleboxes:
    return running
