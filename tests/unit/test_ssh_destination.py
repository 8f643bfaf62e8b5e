"""What ``ssh -G`` makes of the user's configuration of a host."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from middlebench.hosts.ssh.destination import find_destination
from middlebench.system.errors import HostError
from ssh_server import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home", public_key="none is needed")
    home.use(monkeypatch)
    return home


@pytest.fixture
def config(home: Home) -> Path:
    return home.ssh / "config"


def test_the_config_is_followed(config: Path) -> None:
    config.write_text(
        "Host mb\n  HostName 203.0.113.5\n  Port 2222\n  User paper\n  AddressFamily inet\n  BindAddress 203.0.113.1\n"
        "  UserKnownHostsFile /known\n  ProxyJump a,%r@b:2200\n  IdentityFile /keys/%r@%h:%p-%%\n",
        encoding="utf-8",
    )
    found = find_destination("mb")
    assert (found.hostname, found.port, found.user, found.entry) == ("203.0.113.5", 2222, "paper", "[203.0.113.5]:2222")
    assert (found.family, found.bind_address) == (socket.AF_INET, "203.0.113.1")
    assert found.known_hosts_files[0] == Path("/known")
    assert found.identity_files == (Path("/keys/paper@203.0.113.5:2222-%"),)
    assert found.jump is not None
    assert (found.jump.hostname, found.jump.port, found.jump.user) == ("b", 2200, "paper")
    assert found.jump.jump is not None
    assert found.jump.jump.hostname == "a"


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("x", ("x", 22)),
        ("u@x:23", ("x", 23)),
        ("[2001:db8::1]:24", ("2001:db8::1", 24)),
        ("2001:db8::1", ("2001:db8::1", 22)),
        ("fe80::1%eth1", ("fe80::1%eth1", 22)),
        ("ssh://x:25", ("x", 25)),
        ("Capitals.Example", ("capitals.example", 22)),
    ],
)
@pytest.mark.usefixtures("config")
def test_a_host_may_be_named_with_user_and_port(alias: str, expected: tuple[str, int]) -> None:
    found = find_destination(alias)
    assert (found.hostname, found.port) == expected
    assert not alias.startswith("u@") or found.user == "u"


def test_tokens_of_a_proxy_command_are_filled_in_and_no_jump_is_left(config: Path) -> None:
    config.write_text("Host x\n  HostName y\n  Port 7\n  ProxyCommand nc %h %p # %n %%\n", encoding="utf-8")
    found = find_destination("x")
    assert (found.proxy_command, found.jump) == ("nc y 7 # x %", None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("none", ""), ("SSH_AUTH_SOCK", "/agent"), ("$OTHER", "/other"), ("/a b", "/a b"), ("${OTHER}", "/other")],
)
def test_the_agent_is_the_one_that_the_config_names(
    config: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: str
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setenv("OTHER", "/other")
    assert find_destination("x").agent == "/agent"
    config.write_text(f'Host *\n  IdentityAgent "{value}"\n', encoding="utf-8")
    assert find_destination("x").agent == expected


@pytest.mark.parametrize(
    ("text", "alias", "said"),
    [
        ("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", "a", "in a circle"),
        ("Host *\n  ProxyUseFdpass yes\n  ProxyCommand nc %h %p\n", "x", "ProxyUseFdpass"),
        ("Host *\n  IdentityFile /k/%C\n", "x", "the token %C"),
        ("Host *\n  HostName a;id\n", "x", "a;id"),
        ("Host *\n  User $(id)\n", "x", "$(id)"),
        ("", "-oProxyCommand=id", "cannot be the name"),
        ("", "a;id", "cannot be the name"),
        ("", "x:ssh", "not a port"),
        ("Nonsense\n", "x", "ended with status 255"),
    ],
)
def test_what_cannot_be_done_is_said(config: Path, text: str, alias: str, said: str) -> None:
    config.write_text(text, encoding="utf-8")
    with pytest.raises(HostError) as caught:
        find_destination(alias)
    assert said in caught.value.happened


def test_no_ssh_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostError, match="install openssh-client"):
        find_destination("x")
