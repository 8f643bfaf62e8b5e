"""The in-memory host and site do what their protocols say, as far as anything in memory can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from memory.hosts import Answer, MemoryHost
from memory.sites import Options
from middlebench.sites.base import Hosts, Inventory, Site
from middlebench.system.errors import HostError


def echo(argv: Sequence[str], stdin: str) -> Answer:
    return Answer(stdout=f"{' '.join(argv[1:])}{stdin}", stderr="heard", status=len(argv) - 2)


def test_a_program_is_a_function() -> None:
    host = MemoryHost("there", {"echo": echo})
    assert host.run(["echo", "a"], stdin="b").stdout == "ab"
    assert host.run(["echo", "a", "b"], check=False).status == 1
    with pytest.raises(HostError, match="status 1"):
        host.run(["echo", "a", "b"])
    with pytest.raises(HostError, match="no program"):
        host.run(["ls"])
    host.lost = True
    with pytest.raises(HostError, match="connection was lost"):
        host.run(["echo", "a"])
    assert host.commands == [("echo", "a"), ("echo", "a", "b"), ("echo", "a", "b"), ("ls",), ("echo", "a")]


def test_a_site_opens_closes_and_opens_again(tmp_path: Path) -> None:
    torn_down: list[Hosts] = []

    def site() -> Site:
        return Options(folder=tmp_path).build("one", torn_down.append)

    assert site().environment(Inventory(), Inventory()).limits is None
    assert site().open().test_ports == site().open().test_ports
    assert site().environment(Inventory(), Inventory()).limits == ()
    assert site().close() is True
    assert len(torn_down) == 1
    assert site().close() is False


def test_a_site_tells_that_another_testbed_stood_there(tmp_path: Path) -> None:
    told: list[str] = []
    Options(folder=tmp_path).build("one", lambda _: None).open(told.append)
    Options(folder=tmp_path).build("two", lambda _: None).open(told.append)
    assert len(told) == 1


def test_a_site_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no power"):
        Options(folder=tmp_path, failure="no power").build("one", lambda _: None).open()
