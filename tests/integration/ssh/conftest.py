"""One real sshd, and a home folder whose ``.ssh`` knows what a test has put into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from middlebench.hosts.ssh import SshHost
from ssh_server import Home, Sshd, running_sshd


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.use(monkeypatch)
    return home


@pytest.fixture
def server(tmp_path: Path, home: Home) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd", home) as server:
        yield server


@pytest.fixture
def host(home: Home, server: Sshd) -> Iterator[SshHost]:
    home.add("server", server)
    host = SshHost("middlebox-server", "server")
    yield host
    host.close()
