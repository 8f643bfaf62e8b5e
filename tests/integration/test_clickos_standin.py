"""The Xen driver with ClickOS, against a stand-in for guests, ``xl``, ``cosmos`` and xenstore.

The stand-in behaves as real guests were seen to, in each of their bad cases; see ``clickos_standin.py``.
Every bad case must end in an error of its own, and nothing that the tools merely claim be believed.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT
from middlebench.diagnosis.usage import machine_between, process_between
from middlebench.hosts.local import LocalHost
from middlebench.middleboxes.xen import clickos, dom0
from middlebench.middleboxes.xen import driver as xen
from middlebench.middleboxes.xen.clickos import ClickosOptions
from middlebench.model.topologies import plan_of
from middlebench.system.errors import MiddleboxError

STANDIN = PROJECT / "tests" / "clickos_standin.py"
TOOLS = ("xl", "cosmos", "xenstore-ls", "xenstore-write", "xenstore-rm", "xenstore-watch")
PLAN = plan_of("chain", 1, ("eth0", "eth1"))
TWO = plan_of("chain", 2, ("eth0", "eth1"))


@dataclass
class Server:
    """A server on which the stand-in plays Xen."""

    folder: Path
    host: LocalHost

    def behaves(self, **behaviour: Any) -> None:
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "state.json").read_text())

    def calls(self, verb: str, tool: str = "xl") -> list[str]:
        calls = (self.folder / "calls.log").read_text().splitlines()
        return [line for line in calls if line.startswith(f"{tool} {verb}")]

    def crash(self, domain: str) -> None:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state()
            state["domains"][domain]["crashed"] = True
            (self.folder / "state.json").write_text(json.dumps(state))

    def middleboxes(self, **options: Any) -> xen.XenMiddleboxes:
        image = {"kind": "clickos", "kernel": str(self.folder / "clickos_x86_64"), "click": self.folder / "click"}
        return xen.XenMiddleboxes(xen.Options(driver="xen", image=ClickosOptions(**(image | options))), self.host)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(STANDIN)
    monkeypatch.setattr(xen, "FOLDER", str(tmp_path / "run"))
    monkeypatch.setattr(clickos, "FOLDER", str(tmp_path / "run"))
    monkeypatch.setattr(dom0, "CONSOLES", (f"{tmp_path}/guest-{{name}}.log",))
    monkeypatch.setattr(xen, "BOOT_SECONDS", 5.0)
    monkeypatch.setattr(xen, "READY_SECONDS", 2.0)
    monkeypatch.setattr(xen, "LONGEST_PAUSE_SECONDS", 0.2)
    (tmp_path / "clickos_x86_64").touch()
    (tmp_path / "click").write_text((PROJECT / "config/click/forward.click").read_text())
    environment = ("env", f"PATH={tools}:{os.environ['PATH']}", f"STANDIN={tmp_path}")
    server = Server(tmp_path, LocalHost("standin", prefix=environment))
    server.behaves()
    return server


@pytest.mark.parametrize("starter", ["cosmos", "xenstore"])
def test_a_chain_starts_and_is_gone_after_destroy(server, starter):
    middleboxes = server.middleboxes(starter=starter)
    middleboxes.create(TWO)
    starts = middleboxes.wait_until_ready(TWO)
    assert [start.name for start in starts] == ["mbench-1", "mbench-2"]
    assert all(start.ready_s > 0 and start.resident_kib == 100 * 1024 for start in starts)
    assert middleboxes.live().keys() == {"mbench-1", "mbench-2"}
    middleboxes.destroy()
    assert middleboxes.live() == {}
    assert server.state()["domains"] == {}
    assert not (server.folder / "run").exists()


def test_a_router_is_asked_for_only_once_the_guest_has_booted(server):
    server.behaves(boot_s=1.5)
    middleboxes = server.middleboxes()
    begin = time.monotonic()
    middleboxes.create(TWO)
    assert time.monotonic() - begin > 3.0
    assert middleboxes.live().keys() == {"mbench-1", "mbench-2"}


def test_a_guest_that_missed_its_router_is_told_apart_from_one_that_runs(server):
    server.behaves(deaf=True)
    with pytest.raises(MiddleboxError, match="never took its router") as raised:
        server.middleboxes().create(PLAN)
    assert "starting domain mbench-1" in str(raised.value)
    assert "1/2, 1/2" in str(raised.value)
    assert '"main"' in str(raised.value)


def test_a_guest_that_looks_elsewhere_is_told_apart(server):
    server.behaves(path="clickos")
    with pytest.raises(MiddleboxError, match="xenstore_path: clickos"):
        server.middleboxes().create(PLAN)
    server.middleboxes().destroy()
    server.middleboxes(starter="xenstore", xenstore_path="clickos").create(PLAN)


def test_a_bad_click_configuration_is_told_in_clicks_words(server):
    (server.folder / "click").write_text("FromDevice(0) -> X;\n")
    with pytest.raises(MiddleboxError, match="refused the Click configuration") as raised:
        server.middleboxes().create(PLAN)
    assert "undeclared element 'X'" in str(raised.value)
    assert "mbench-1" in str(raised.value)


@pytest.mark.parametrize(("wrong", "right"), [("id", "name"), ("name", "id")])
def test_a_name_for_a_number_is_noticed_and_its_traces_are_removed(server, wrong, right):
    server.behaves(cosmos_takes=right)
    with pytest.raises(MiddleboxError, match=f"cosmos_takes: {right}"):
        server.middleboxes(cosmos_takes=wrong).create(PLAN)
    assert not [path for path in server.state()["keys"] if path.startswith("/local/domain/-2")]
    server.middleboxes().destroy()
    server.middleboxes(cosmos_takes=right).create(PLAN)


def test_a_crash_while_booting_shows_xens_own_log(server):
    server.behaves(crash=True)
    with pytest.raises(MiddleboxError, match="it crashed") as raised:
        server.middleboxes().create(PLAN)
    assert "booting domain mbench-1" in str(raised.value)
    assert "Domain 1 (vcpu#0) crashed on cpu#0" in raised.value.happened
    assert "page fault" in raised.value.happened
    assert "RIP:    e033:[<000000000000b0b0>]" in raised.value.happened
    assert "0000000000000000 0000000000000000" not in raised.value.happened
    assert server.middleboxes().live() == {}


def test_a_crashed_domain_is_a_leftover_that_destroy_removes(server):
    server.behaves(crash=True)
    with pytest.raises(MiddleboxError):
        server.middleboxes().create(PLAN)
    server.middleboxes().destroy()
    assert server.state()["domains"] == {}


def test_a_missing_cosmos_is_told_with_what_else_there_is(server):
    with pytest.raises(MiddleboxError, match="starter: xenstore"):
        server.middleboxes(cosmos="no-such-cosmos").create(PLAN)


def test_a_missing_image_is_told_before_anything_is_made(server):
    with pytest.raises(MiddleboxError, match="there is no file /no/such/kernel"):
        server.middleboxes(kernel="/no/such/kernel").create(PLAN)
    assert not (server.folder / "calls.log").exists()


def test_a_full_server_is_told(server):
    server.behaves(create_fails="libxl: error: failed to free memory for the domain")
    with pytest.raises(MiddleboxError, match="no memory left") as raised:
        server.middleboxes().create(PLAN)
    assert "creating domain mbench-1" in str(raised.value)
    assert len(server.calls("create")) == 1


def test_a_network_script_that_libxl_killed_gets_a_second_try(server):
    server.behaves(create_fails="killing execution of vif-openvswitch because of timeout")
    with pytest.raises(MiddleboxError, match="took longer than the 40 s"):
        server.middleboxes().create(PLAN)
    assert len(server.calls("create")) == 2


def test_destroy_waits_for_domains_that_have_lost_their_name(server):
    server.behaves(dying_looks=4)
    middleboxes = server.middleboxes()
    middleboxes.create(TWO)
    middleboxes.destroy()
    assert server.state()["domains"] == {}


def test_a_domain_that_is_not_ours_is_left_alone(server):
    middleboxes = server.middleboxes()
    middleboxes.create(PLAN)
    state = server.state()
    state["domains"]["1"]["name"] = "somebody-elses"
    (server.folder / "state.json").write_text(json.dumps(state))
    assert middleboxes.live() == {}
    middleboxes.destroy()
    assert server.state()["domains"].keys() == {"1"}


def test_the_end_of_a_domain_is_noticed_at_once(server):
    middleboxes = server.middleboxes()
    middleboxes.create(TWO)
    with middleboxes.watch() as watch:
        assert not watch.fired.wait(0.5)
        threading.Timer(0.1, lambda: server.host.run(["xl", "destroy", "2"])).start()
        assert watch.fired.wait(5.0)
    assert watch.problem == "domain mbench-2 ended"


def test_the_crash_of_a_domain_is_told_with_its_cause(server):
    middleboxes = server.middleboxes()
    middleboxes.create(PLAN)
    with middleboxes.watch() as watch:
        assert not watch.fired.wait(0.5)
        server.crash("1")
        assert watch.fired.wait(5.0)
    assert watch.problem.startswith("domain mbench-1 crashed (state ---sc-)")
    assert "page fault" in watch.problem


def test_a_list_that_is_not_understood_ends_the_watch(server):
    middleboxes = server.middleboxes()
    middleboxes.create(PLAN)
    with middleboxes.watch() as watch:
        assert not watch.fired.wait(0.5)
        server.behaves(list_text="no list")
        server.crash("1")
        assert watch.fired.wait(5.0)
    assert "no list" in watch.problem


def test_a_watch_in_which_nothing_ends_says_nothing(server):
    middleboxes = server.middleboxes()
    middleboxes.create(PLAN)
    with middleboxes.watch() as watch:
        pass
    assert not watch.fired.is_set()
    assert watch.problem == ""


def counts(middleboxes: xen.XenMiddleboxes) -> dict[str, int | None]:
    return {name: each.rx_packets for name, each in middleboxes.read().items()}


def test_counts_are_read_at_the_named_source_and_the_second_answer_is_believed(server):
    middleboxes = server.middleboxes()
    middleboxes.create(TWO)
    assert counts(middleboxes) == {"mbench-1": 1001, "mbench-2": 1002}
    assert {call.split()[3] for call in server.calls("read", tool="cosmos")} == {"in0"}


@pytest.mark.parametrize("starter", ["cosmos", "xenstore"])
def test_no_count_is_asked_for_where_the_source_has_no_name_or_cosmos_is_not_there(server, starter):
    if starter == "cosmos":
        (server.folder / "click").write_text("FromDevice(0) -> ToDevice(1); FromDevice(1) -> ToDevice(0);\n")
    middleboxes = server.middleboxes(starter=starter)
    middleboxes.create(PLAN)
    assert counts(middleboxes) == {"mbench-1": None}
    assert server.calls("read", tool="cosmos") == []


def test_counter_that_never_answers_leaves_the_rest_of_the_reading_as_it_is(server, monkeypatch):
    monkeypatch.setattr(clickos, "COUNT_SECONDS", 1)
    middleboxes = server.middleboxes()
    middleboxes.create(TWO)
    server.behaves(silent=True)
    readings = middleboxes.read()
    assert {name: each.identity for name, each in readings.items()} == middleboxes.live()
    assert [each.rx_packets for each in readings.values()] == [None, None]
    assert len(server.calls("read", tool="cosmos")) == 1, "the other domain would take as long"


def test_server_that_takes_too_long_to_read_counters_is_no_error(server, monkeypatch):
    monkeypatch.setattr(clickos, "COMMAND_SECONDS", 1.0 - 2 * clickos.COUNT_SECONDS)
    middleboxes = server.middleboxes()
    middleboxes.create(PLAN)
    server.behaves(silent=True)
    assert counts(middleboxes) == {"mbench-1": None}


@pytest.mark.parametrize(
    ("behaviour", "met", "version"),
    [
        ({"list_text": "Name  ID  State\nDomain-0  0  running"}, "Domain-0  0  running", "version 4.17.7"),
        ({"list_text": "no list", "version": "unknown\nword"}, "no list", "version unknown"),
    ],
)
def test_list_that_is_not_understood_is_an_error_with_host_and_version(server, behaviour, met, version):
    middleboxes = server.middleboxes()
    server.behaves(**behaviour)
    for act in (middleboxes.live, middleboxes.read, middleboxes.destroy, lambda: middleboxes.create(PLAN)):
        with pytest.raises(MiddleboxError) as raised:
            act()
        assert met in raised.value.happened
        assert f"Xen on standin, {version}" in raised.value.happened


def test_keys_that_are_not_understood_are_an_error_with_host_and_version(server):
    server.behaves(keys_text="/local/domain/1: a new kind of line\n")
    with pytest.raises(MiddleboxError, match=r"a new kind of line.*Xen on standin, version 4\.17\.7"):
        server.middleboxes().create(PLAN)


def test_version_that_is_none_is_an_error(server):
    server.behaves(version="command not found")
    with pytest.raises(MiddleboxError, match="not a version"):
        server.middleboxes().describe()


def test_changed_click_configuration_is_another_composition_and_is_told(server):
    first = server.middleboxes().describe()
    options = ClickosOptions(kind="clickos", kernel="/k", click=server.folder / "click")
    with (server.folder / "click").open("a") as file:
        file.write("// changed\n")
    changed = ClickosOptions(kind="clickos", kernel="/k", click=server.folder / "click")
    assert changed != options
    assert changed.configuration.endswith("// changed\n")
    assert server.middleboxes().describe() != first
    assert ClickosOptions.model_validate(options.model_dump()) == options, "a record keeps the text that was used"


def test_what_a_router_used_is_no_evidence_and_stands_beside_what_all_of_them_used(server):
    middleboxes = server.middleboxes()
    middleboxes.create(PLAN)
    server.behaves(used_s={"Domain-0": 10.5, "mbench-1": 40.0})
    before = middleboxes.read()["mbench-1"].usage
    server.behaves(used_s={"Domain-0": 11.0, "mbench-1": 42.0})
    after = middleboxes.read()["mbench-1"].usage
    used, machine = process_between("mbench-1", before, after), machine_between(before, after)
    assert (used.cpu_s, used.polls) == (2.0, True)
    assert (machine.processors, machine.dom0_s, machine.domains_s) == (8, 0.5, 2.0)
    assert machine.elapsed_s > 0


def test_a_list_whose_program_crashed_is_asked_for_again(server):
    server.behaves(list_crashes=2)
    assert server.middleboxes().live() == {}
    server.behaves(list_crashes=100)
    with pytest.raises(MiddleboxError, match="listing domains"):
        server.middleboxes().live()
