"""What a computer tells of itself, read from folders that are laid out as the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest
from middlebench.sites.shared import facts_agent

NOTE = bytes.fromhex("040000001400000003000000474e5500") + bytes(range(20))
"""A build id as /sys has it: sizes, type and owner of the note (elf(5)), then 20 bytes."""


@pytest.fixture
def sys_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /sys with netmap, a driver that knows it and one that does not, and a port of each."""
    monkeypatch.setattr(facts_agent, "SYS", str(tmp_path))
    for module in ("netmap", "e1000", "r8169"):
        notes = tmp_path / "module" / module / "notes"
        notes.mkdir(parents=True)
        (notes / ".note.gnu.build-id").write_bytes(NOTE)
    (tmp_path / "module/netmap/holders/e1000").mkdir(parents=True)
    (tmp_path / "module/netmap/parameters").mkdir()
    (tmp_path / "module/netmap/parameters/admode").write_text("0\n")
    for port, driver in (("eth2", "e1000"), ("eth3", "r8169")):
        device = tmp_path / "class/net" / port / "device/driver"
        device.mkdir(parents=True)
        (device / "module").symlink_to(tmp_path / "module" / driver)
    return tmp_path


def test_mode_of_netmap_follows_from_who_calls_its_module(sys_folder: Path) -> None:
    assert facts_agent.netmap_facts("eth2") == {"driver build": "000102030405", "netmap": "native"}
    assert facts_agent.netmap_facts("eth3")["netmap"] == "emulated"


def test_netmap_that_may_only_emulate_does_so_with_every_driver(sys_folder: Path) -> None:
    (sys_folder / "module/netmap/parameters/admode").write_text("2\n")
    assert facts_agent.netmap_facts("eth2")["netmap"] == "emulated"


def test_module_without_a_version_is_told_by_its_build(sys_folder: Path) -> None:
    assert facts_agent.module_version("netmap") == "000102030405"
    assert facts_agent.module_version("absent") == ""


def test_without_netmap_nothing_is_said_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_agent, "SYS", str(tmp_path))
    assert facts_agent.netmap_facts("eth2") == {}


def test_program_that_does_not_tell_its_version_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pkt-gen"
    program.write_bytes(b"one build")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert facts_agent.locate("pkt-gen") == facts_agent.locate(str(program)) == str(program)
    assert facts_agent.locate("other") == facts_agent.locate(str(tmp_path / "other")) == ""
