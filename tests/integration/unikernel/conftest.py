"""The computer that virtual machines of the unikernel run on, and the plan of a chain of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import machines
from middlebench.hosts.base import Host
from middlebench.model.plan import Plan
from middlebench.model.topologies import plan_of
from middlebench.sites.base import Hosts


@pytest.fixture
def server(hosts: Hosts, unikernel: Path) -> Iterator[Host]:
    yield hosts.middlebox_server
    machines(hosts.middlebox_server).destroy()


@pytest.fixture
def plan(hosts: Hosts) -> Plan:
    return plan_of("chain", 1, hosts.server_ports)
