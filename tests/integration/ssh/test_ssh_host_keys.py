"""Whose host key is believed, against a real sshd: before anything runs there, a host is known or refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from middlebench.hosts.ssh import SshHost
from ssh_server import Home, Sshd, make_key, needs_sshd, refused, running_sshd

pytestmark = needs_sshd


def fingerprint(public_key: Path) -> str:
    """Return a key's fingerprint in ssh-keygen's own words."""
    return subprocess.run(["ssh-keygen", "-lf", public_key], capture_output=True, text=True, check=True).stdout.split()[
        1
    ]


def test_an_unknown_key_is_refused_with_its_fingerprint(
    host: SshHost, server: Sshd, home: Home, tmp_path: Path
) -> None:
    home.known_hosts.write_text("")
    said = refused(host, tmp_path / "touched")
    assert "is not known" in said
    assert fingerprint(server.folder / "host_key.pub") in said
    assert "ssh-keyscan" in said
    assert "Accepted" not in (server.folder / "sshd.log").read_text()


def test_a_changed_key_stops_before_anything_is_touched(
    host: SshHost, server: Sshd, home: Home, tmp_path: Path
) -> None:
    host.run(["true"])
    host.close()
    before = fingerprint(server.folder / "host_key.pub")
    server.stop()
    make_key(server.folder / "host_key")
    (server.folder / "sshd.log").unlink()
    server.start(home.public_key)
    said = refused(host, tmp_path / "touched")
    assert "CHANGED" in said
    assert before in said
    assert fingerprint(server.folder / "host_key.pub") in said
    assert "ssh-keygen -R" in said
    assert "Accepted" not in (server.folder / "sshd.log").read_text()


def test_strictness_cannot_be_configured_away(host: SshHost, home: Home, tmp_path: Path) -> None:
    config = home.ssh / "config"
    config.write_text("Host *\n  StrictHostKeyChecking no\n" + config.read_text())
    home.known_hosts.write_text("")
    assert "is not known" in refused(host, tmp_path / "touched")


def test_a_revoked_key_is_refused(host: SshHost, server: Sshd, home: Home, tmp_path: Path) -> None:
    with home.known_hosts.open("a") as known:
        known.write(f"@revoked * {server.host_key}\n")
    assert "revoked" in refused(host, tmp_path / "touched")


def test_a_hashed_entry_is_known(host: SshHost, home: Home) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", home.known_hosts], check=True, capture_output=True)
    assert "|1|" in home.known_hosts.read_text()
    assert host.run(["true"]).status == 0


def test_the_known_type_of_key_is_asked_for(tmp_path: Path, home: Home) -> None:
    rsa = tmp_path / "rsa_key"
    make_key(rsa, "rsa")
    with running_sshd(tmp_path / "sshd", home, options=[f"HostKey {rsa}"]) as server:
        home.add("server", server)
        known = " ".join(rsa.with_suffix(".pub").read_text().split()[:2])
        home.known_hosts.write_text(f"[127.0.0.1]:{server.port} {known}\n")
        host = SshHost("server", "server")
        assert host.run(["true"]).status == 0
        host.close()


def test_an_unknown_jump_host_is_refused(home: Home, server: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "jump", home) as jump:
        home.add("jump", jump)
        home.add("server", server, "ProxyJump jump")
        home.known_hosts.write_text(server.entry)
        assert "connecting to jump" in refused(SshHost("server", "server"), tmp_path / "touched")


@pytest.mark.parametrize("files", ["/dev/null", "none"])
def test_no_file_of_known_hosts_accepts_nobody(home: Home, server: Sshd, tmp_path: Path, files: str) -> None:
    options = ["StrictHostKeyChecking no", f"UserKnownHostsFile {files}", "GlobalKnownHostsFile /dev/null"]
    home.add("server", server, *options)
    said = refused(SshHost("server", "server"), tmp_path / "touched")
    assert fingerprint(server.folder / "host_key.pub") in said
    assert "UserKnownHostsFile" in said
    assert "Accepted" not in (server.folder / "sshd.log").read_text()


def test_a_name_in_capitals_is_found_in_hashed_known_hosts(home: Home, server: Sshd) -> None:
    home.add("server", server, "HostKeyAlias CamelCase.Example")
    home.known_hosts.write_text(f"camelcase.example {server.host_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", home.known_hosts], check=True, capture_output=True)
    host = SshHost("server", "server")
    assert host.run(["true"]).status == 0
    host.close()


def test_known_hosts_in_a_folder_with_a_blank(home: Home, server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "a b" / "known hosts"
    known.parent.mkdir()
    known.write_text(server.entry)
    home.add("server", server, f'UserKnownHostsFile /dev/null "{known}" /nowhere')
    host = SshHost("server", "server")
    assert host.run(["true"]).status == 0
    host.close()


@pytest.mark.parametrize("form", ["list", "krl"])
def test_a_key_in_the_file_of_revoked_keys_is_refused(home: Home, server: Sshd, tmp_path: Path, form: str) -> None:
    revoked, key = tmp_path / "revoked", server.folder / "host_key.pub"
    if form == "list":
        revoked.write_text(key.read_text())
    else:
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, key], check=True)
    home.add("server", server, f"RevokedHostKeys {revoked}")
    assert "revoked" in refused(SshHost("server", "server"), tmp_path / "touched")
