"""What known_hosts files say of a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from middlebench.hosts.ssh.known_hosts import entry_name, read_known_keys

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGlG+ZHi8py83DA0Bu+306iltJf26u8VG/vT+fHK1F8w"


def known(tmp_path: Path, text: str, name: str) -> tuple[int, int]:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    trusted, revoked = read_known_keys([file, tmp_path / "missing"], name)
    return len(trusted), len(revoked)


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
