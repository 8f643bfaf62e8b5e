"""Connections to a real sshd: who is let in, by which way, and what a lost connection leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import eventually
from middlebench.hosts.ssh import SshHost, driver
from middlebench.system.errors import HostError
from ssh_server import Home, Sshd, make_key, needs_sshd, refused, running_sshd

pytestmark = needs_sshd


def test_a_key_that_the_host_does_not_take(host: SshHost, home: Home, tmp_path: Path) -> None:
    make_key(home.ssh / "key")
    said = refused(host, tmp_path / "touched")
    assert "none of our keys" in said
    assert "authorized_keys" in said


def test_a_locked_key_asks_for_the_agent_and_not_for_a_passphrase(host: SshHost, home: Home, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", home.ssh / "key"], check=True, capture_output=True)
    said = refused(host, tmp_path / "touched")
    assert "ssh-add" in said
    assert "secret" not in said


def test_nobody_there(home: Home, server: Sshd, tmp_path: Path) -> None:
    home.add("server", server)
    server.stop()
    assert "cannot be reached" in refused(SshHost("server", "server"), tmp_path / "touched")


@pytest.mark.usefixtures("home")
def test_an_unknown_name(tmp_path: Path) -> None:
    assert "no host of this name" in refused(SshHost("server", "no-such-host.invalid"), tmp_path / "touched")


@pytest.mark.parametrize("keep_stdin_open", [False, True])
def test_sshd_killed_during_a_command(host: SshHost, server: Sshd, tmp_path: Path, keep_stdin_open: bool) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ > {pids}; trap 'echo tidied > {pids}.end' EXIT; cat > /dev/null; sleep 63.1 & wait"
    caught: list[HostError] = []

    def run() -> None:
        try:
            host.run(
                ["sh", "-c", script if keep_stdin_open else f"echo $$ > {pids}; sleep 63.2 & wait"],
                keep_stdin_open=keep_stdin_open,
            )
        except HostError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(pids.exists, "the command runs")
    for session in server.sessions():
        os.kill(session, signal.SIGKILL)
    eventually(lambda: not thread.is_alive(), "the lost connection is noticed")
    assert "connection was lost" in str(caught[0])
    limit = 12 if keep_stdin_open else 2
    eventually(lambda: "sleep 63." not in listed(), "the remote process group is gone", limit)
    with pytest.raises(HostError, match="connection was lost"):
        host.run(["true"])
    host.connect()
    assert host.run(["true"]).status == 0


def listed() -> str:
    return subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout


def test_a_host_behind_a_jump_host(home: Home, server: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "jump", home) as jump:
        home.add("jump", jump)
        home.add("server", server, "ProxyJump jump")
        host = SshHost("server", "server")
        connection = host.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.split()
        assert connection[3] == str(server.port)
        assert len(jump.sessions()) == len(server.sessions()) > 0
        host.close()


def test_included_config_counts(host: SshHost, home: Home) -> None:
    (home.ssh / "config").rename(home.ssh / "more.conf")
    (home.ssh / "config").write_text(f"Include {home.ssh}/*.conf\n")
    assert host.run(["true"]).status == 0


def test_a_proxy_command_carries_the_connection_and_ends_with_it(home: Home, server: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "jump", home) as jump:
        home.add("jump", jump)
        home.add("server", server, "ProxyCommand ssh -W %h:%p jump")
        host = SshHost("server", "server")
        assert host.run(["cat"], stdin="x" * 300_000).stdout == "x" * 300_000
        assert len(jump.sessions()) > 0
        assert " -W " in listed()
        host.close()
        eventually(lambda: f" -W {server.address}:{server.port}" not in listed(), "the proxy command is gone")


def test_a_proxy_command_that_ends_is_noticed_and_quoted(home: Home, server: Sshd, tmp_path: Path) -> None:
    home.add("server", server, "ProxyCommand echo no way through >&2; exit 3")
    assert "no way through" in refused(SshHost("server", "server"), tmp_path / "touched")


@pytest.mark.parametrize("text", ["Host *\n  NoSuchWord yes\n", "Match host server weather fine\n  User nobody\n"])
def test_a_word_that_ssh_does_not_know_is_refused(host: SshHost, home: Home, tmp_path: Path, text: str) -> None:
    config = home.ssh / "config"
    config.write_text(text + config.read_text())
    assert "ended with status 255" in refused(host, tmp_path / "touched")


def test_a_match_that_does_not_match_is_not_applied(host: SshHost, home: Home) -> None:
    config = home.ssh / "config"
    config.write_text("Match host server exec false\n  Port 1\nMatch all\n" + config.read_text())
    assert host.run(["true"]).status == 0


class TestAgent:
    @pytest.fixture
    def agent(self, tmp_path: Path) -> Iterator[Path]:
        """The socket of an agent that has the user's key, of which the disk keeps the public half only."""
        socket = tmp_path / "agent socket"
        with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
            eventually(socket.exists, "the agent listens")
            yield socket
            process.kill()

    def load(self, agent: Path, *keys: Path) -> None:
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True, capture_output=True)

    def others(self, agent: Path, folder: Path, count: int = 7) -> None:
        """Load so many other keys that sshd gives up before it is shown the right one (MaxAuthTries is 6)."""
        for number in range(count):
            make_key(folder / f"other{number}")
            self.load(agent, folder / f"other{number}")

    def test_a_public_key_names_the_agents_key(
        self, home: Home, server: Sshd, agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.others(agent, tmp_path)
        self.load(agent, home.ssh / "key")
        (home.ssh / "key").unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        home.add("server", server, f"IdentityFile {home.ssh}/key.pub")
        host = SshHost("server", "server")
        assert host.run(["true"]).status == 0
        host.close()

    def test_a_locked_key_is_used_from_the_agent_that_the_config_names(
        self, home: Home, server: Sshd, agent: Path, tmp_path: Path
    ) -> None:
        self.others(agent, tmp_path)
        self.load(agent, home.ssh / "key")
        lock = ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", home.ssh / "key"]
        subprocess.run(lock, check=True, capture_output=True)
        (home.ssh / "key.pub").unlink()
        home.add("server", server, f'IdentityAgent "{agent}"')
        host = SshHost("server", "server")
        assert host.run(["true"]).status == 0
        assert "SSH_AUTH_SOCK" not in os.environ
        host.close()

    def test_identity_agent_none_leaves_the_agent_aside(
        self, home: Home, server: Sshd, agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.load(agent, home.ssh / "key")
        (home.ssh / "key").unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        home.add("server", server, "IdentityAgent none")
        assert "offered: no key" in refused(SshHost("server", "server"), tmp_path / "touched")

    def test_a_key_of_the_agent_that_no_file_names(
        self, home: Home, server: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.load(agent, home.ssh / "key")
        (home.ssh / "key").rename(home.ssh / "elsewhere")
        (home.ssh / "key.pub").unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        home.add("server", server, "IdentitiesOnly no")
        host = SshHost("server", "server")
        assert host.run(["true"]).status == 0
        host.close()
        home.add("strict", server)
        with pytest.raises(HostError, match="offered: no key"):
            SshHost("strict", "strict").run(["true"])

    def test_a_public_key_without_an_agent_is_named(self, home: Home, server: Sshd, tmp_path: Path) -> None:
        home.add("server", server, f"IdentityFile {home.ssh}/key.pub")
        assert "key.pub is a public key" in refused(SshHost("server", "server"), tmp_path / "touched")


def test_programs_for_administration_are_found_whatever_the_login_shells_path(home: Home, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd", home, options=["SetEnv PATH=/usr/bin:/bin"]) as server:
        home.add("server", server)
        host = SshHost("server", "server")
        assert host.run(["sh", "-c", "command -v ethtool && command -v tc"]).status == 0
        host.close()


ORDINARY_USER = """
for file in passwd shadow group sudoers; do cp -a /etc/$file {folder}/$file; done
echo 'bench:x:4242:4242::/tmp:/bin/sh' >> {folder}/passwd
echo 'bench:*:19000:0:99999:7:::' >> {folder}/shadow
echo 'bench:x:4242:' >> {folder}/group
echo '{rule}' >> {folder}/sudoers
for file in passwd shadow group sudoers; do mount --bind {folder}/$file /etc/$file; done
"""


@pytest.mark.skipif(not Path("/usr/bin/sudo").exists(), reason="needs sudo")
@pytest.mark.parametrize(("rule", "allowed"), [("bench ALL=(root) NOPASSWD: ALL", True), ("", False)])
def test_an_ordinary_user_becomes_root_by_sudo_or_is_told(home: Home, tmp_path: Path, rule: str, allowed: bool) -> None:
    folder = tmp_path / "sshd"
    prepare = "{ " + ORDINARY_USER.format(folder=folder, rule=rule) + "}"
    with running_sshd(folder, home, prepare=prepare) as server:
        home.add("server", server, "User bench")
        host = SshHost("server", "server")
        if allowed:
            assert host.run(["id", "-u"]).stdout == "0\n"
            assert host.run(["cat"], stdin="text").stdout == "text"
            assert len(host.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.split()) == 4
        else:
            with pytest.raises(HostError, match="is refused to bench") as caught:
                host.run(["id", "-u"])
            assert "NOPASSWD" in str(caught.value)
        host.close()


def test_a_noisy_login_shell_is_named(home: Home, tmp_path: Path) -> None:
    noise = 'ForceCommand echo welcome; eval "$SSH_ORIGINAL_COMMAND"'
    with running_sshd(tmp_path / "sshd", home, options=[noise]) as server:
        home.add("server", server)
        with pytest.raises(HostError, match="welcome"):
            SshHost("server", "server").run(["true"])


def test_a_login_shell_that_takes_too_long_is_named(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "CONNECT_SECONDS", 2.0)
    with running_sshd(tmp_path / "sshd", home, options=["ForceCommand sleep 64.1"]) as server:
        home.add("server", server)
        with pytest.raises(HostError, match="start-up file of the login shell"):
            SshHost("server", "server").run(["true"])
