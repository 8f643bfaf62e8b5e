"""What known_hosts files say of a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from middlebench.hosts.ssh.destination import find_destination
from middlebench.hosts.ssh.known_hosts import entry_name, read_known_keys
from middlebench.system.errors import HostError

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGlG+ZHi8py83DA0Bu+306iltJf26u8VG/vT+fHK1F8w"


def known(tmp_path: Path, text: str, name: str) -> tuple[int, int]:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    found = read_known_keys([file, tmp_path / "missing"], name)
    return len(found.trusted), len(found.revoked)


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        (f"host ssh-ed25519 {KEY}", "host", (1, 0)),
        (f"HOST ssh-ed25519 {KEY} a comment", "host", (1, 0)),
        (f"host ssh-ed25519 {KEY}", "[host]:2222", (0, 0)),
        (f"[host]:2222 ssh-ed25519 {KEY}", "[host]:2222", (1, 0)),
        (f"*.lab,!b.lab ssh-ed25519 {KEY}", "a.lab", (1, 0)),
        (f"*.lab,!b.lab ssh-ed25519 {KEY}", "b.lab", (0, 0)),
        (f"@revoked * ssh-ed25519 {KEY}", "host", (0, 1)),
        (f"@cert-authority * ssh-ed25519 {KEY}", "host", (0, 0)),
        (f"# host ssh-ed25519 {KEY}", "host", (0, 0)),
        ("host ssh-ed25519 not-base64!", "host", (0, 0)),
        (f"|1|broken ssh-ed25519 {KEY}", "host", (0, 0)),
        ("", "host", (0, 0)),
    ],
)
def test_lines_are_read_as_ssh_reads_them(tmp_path: Path, line: str, name: str, expected: tuple[int, int]) -> None:
    assert known(tmp_path, line + "\n", name) == expected


def test_a_port_of_its_own_is_part_of_the_name() -> None:
    assert entry_name("host", 22) == "host"
    assert entry_name("host", 2222) == "[host]:2222"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ssh" / "config"


def test_the_config_is_followed(config: Path) -> None:
    config.write_text(
        "Host mb\n  HostName 203.0.113.5\n  Port 2222\n  User paper\n"
        "  UserKnownHostsFile ~/known\n  ProxyJump a,b:2200\n"
    )
    found = find_destination("mb")
    assert (found.hostname, found.port, found.user, found.entry) == ("203.0.113.5", 2222, "paper", "[203.0.113.5]:2222")
    assert found.known_hosts_files[0] == Path.home() / "known"
    assert found.jump is not None
    assert (found.jump.hostname, found.jump.port) == ("b", 2200)
    assert found.jump.jump is not None
    assert found.jump.jump.hostname == "a"


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("x", ("x", 22)),
        ("u@x:23", ("x", 23)),
        ("[2001:db8::1]:24", ("2001:db8::1", 24)),
        ("2001:db8::1", ("2001:db8::1", 22)),
        ("ssh://x:25", ("x", 25)),
    ],
)
@pytest.mark.usefixtures("config")
def test_a_host_may_be_named_with_user_and_port(alias: str, expected: tuple[str, int]) -> None:
    found = find_destination(alias)
    assert (found.hostname, found.port) == expected
    assert not alias.startswith("u@") or found.user == "u"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Host *\n  ProxyCommand nc %h %p\n", "ProxyCommand"),
        ("Host *\n  ProxyJump other\n", "in a circle"),
        ("Include config\n", "nests deeper"),
    ],
)
def test_what_cannot_be_done_is_said(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(HostError, match=said):
        find_destination("x")
