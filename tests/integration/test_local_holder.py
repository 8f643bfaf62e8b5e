"""The holder of a testbed of this machine: found again, replaced, killed, ended when idle, and taken down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cells import CELL, PACED, cell_command, measure_cell
from footprint import Footprint, kill
from helpers import compose, composition, eventually, standing
from middlebench.model.traffic import Load
from middlebench.sites.shared import holder_process
from middlebench.sites.shared.ports import poll_for, polled_by, sender_waits
from middlebench.system.errors import HostError
from middlebench.system.locks import lock
from middlebench.system.processes import may_administer
from middlebench.testbed import Testbed, site_of, stand_up
from middlebench.trials.convergence import deploy, plan_for


@pytest.fixture
def runtime(own_runtime: Path) -> Path:
    """A holder of its own for each of these tests."""
    return own_runtime


@pytest.fixture
def footprint(runtime: Path) -> Footprint:
    return Footprint(runtime)


@pytest.fixture
def testbed(runtime: Path) -> Iterator[Testbed]:
    with standing(compose()) as testbed:
        yield testbed


POLLED = """
set -eu
mount -t sysfs sysfs /sys
ip link add name mine0 type veth peer name other0
for port in mine0 other0; do
    ethtool -K "$port" gro on > /dev/null
    ip link set dev "$port" up
    echo 1 > /sys/class/net/$port/threaded
done
echo ready
cat
"""


@pytest.mark.parametrize(
    ("release", "waits"),
    [
        *(("6.16.0", True), ("6.16-rc1", True), ("6.18.44", True), ("7.0.1-amd64", True)),
        *(("6.12.9+deb13", False), ("5.19", False)),
    ],
)
def test_senders_wait_for_room_in_a_ring_since_the_version_that_made_them(release, waits):
    assert sender_waits(release) == waits


@pytest.mark.skipif(not may_administer(), reason="only root has ports polled")
def test_polling_threads_of_other_ports_that_are_set_up_meanwhile_are_left_alone():
    cpus, limits = {min(os.sched_getaffinity(0))}, list[str]()
    command = ["unshare", "--net", "--mount", "sh", "-c", POLLED]
    with ExitStack() as stack:
        with polled_by(sorted(cpus), ["mine0"], limits) as threads:  # which may wait for other tests' ports at first
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            meanwhile = stack.enter_context(process)
            assert meanwhile.stdout is not None
            assert meanwhile.stdout.readline() == "ready\n"
        names = [Path(f"/proc/{thread}/comm").read_text("utf-8") for thread in threads]
        assert [name.partition("-")[0] for name in names] == ["napi/mine0"]
        assert limits or os.sched_getaffinity(threads[0]) == cpus
        batches = os.SCHED_BATCH if sender_waits(os.uname().release) else os.SCHED_OTHER
        flood = Load(60, 1e6, True, 0.0, 1.0, 1.0)
        for load, policy in (
            (flood, batches),
            (replace(flood, saturating=False), os.SCHED_OTHER),
            (flood, batches),
            (replace(flood, latency=True), os.SCHED_OTHER),
        ):
            poll_for(threads, load)
            assert limits or os.sched_getscheduler(threads[0]) == policy
        meanwhile.communicate()


class TestHolder:
    def test_second_opening_finds_the_same_holder_also_after_a_trial(self, testbed, footprint):
        holder = footprint.holder()
        measure_cell(testbed, 1)
        told = []
        stand_up(testbed.name, testbed.options, tell=told.append)
        assert footprint.holder() == holder
        assert told == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"ip link delete dev eth0": "eth0 of test-computer is gone"},
            {
                "tc qdisc del dev eth0 root": "test-computer eth0 shaper",
                "tc qdisc replace dev eth1 root handle 1: tbf rate 1mbit burst 9k limit 9k": "eth1 shaper",
                "ip link set dev eth1 mtu 100": "eth1 MTU 1500 → 100",
                "ip link set dev direct0 down": "direct0 up True → False",
                "ethtool -K direct1 tx on": "direct1 offloads",
            },
        ],
        ids=["deleted", "changed"],
    )
    def test_ports_that_were_changed_between_cells_are_set_up_again_and_told(self, testbed, changes):
        for command in changes:
            testbed.hosts.test_computer.run(command.split())
        told = []
        again = stand_up(testbed.name, testbed.options, tell=told.append)
        assert len(told) == 1
        assert [words for words in changes.values() if words not in told[0]] == []
        assert measure_cell(again, 0, **PACED).counts.received_packets > 0
        stand_up(testbed.name, testbed.options, tell=told.append)
        assert len(told) == 1, "it is as it was set up"

    def test_error_is_not_what_the_holder_before_said(self, testbed, runtime, monkeypatch):
        (runtime / "holder.log").write_text("the last words of another holder\n")
        monkeypatch.setattr(holder_process, "__file__", str(runtime / "missing.py"))
        site_of(testbed.name, testbed.options).close()
        with pytest.raises(HostError, match="ended at once") as caught:
            stand_up(testbed.name, testbed.options)
        assert "another holder" not in str(caught.value)
        assert "missing.py" in caught.value.happened

    @pytest.mark.skipif(os.getuid() != 0, reason="only root makes folders in /run")
    def test_project_and_runtime_folder_below_run_with_blanks_in_their_names(self, monkeypatch):
        with tempfile.TemporaryDirectory(prefix="a test ", dir="/run") as folder:
            runtime, project = Path(folder) / "run time", Path(folder) / "project"
            project.mkdir()
            (project / "file").write_text("still here")
            monkeypatch.setenv("MIDDLEBENCH_RUNTIME", str(runtime))
            monkeypatch.chdir(project)
            testbed = stand_up("tests", compose())
            try:
                assert measure_cell(testbed, 1).counts.received_packets > 0
                assert testbed.hosts.middlebox_server.run(["cat", str(project / "file")]).stdout == "still here"
                seen = testbed.hosts.middlebox_server.run(["ls", "/run"]).stdout.splitlines()
                assert set(seen) & {path.name for path in Path("/run").iterdir()} <= {
                    Path(folder).name,
                    "netns",
                    "mount",
                }
            finally:
                site_of("tests", testbed.options).close()

    @pytest.mark.parametrize("change", ["another link", "another testbed"])
    def test_holder_that_does_not_fit_is_replaced(self, testbed, footprint, change):
        holder = footprint.holder()
        if change == "another link":
            other = stand_up(testbed.name, compose(rate_mbps=10.0))
        else:
            other = stand_up("another", testbed.options)
        assert footprint.holder() != holder
        assert not Path(f"/proc/{holder}").exists()
        assert measure_cell(other, 0).counts.received_packets > 0
        assert site_of(other.name, other.options).close()

    def test_network_of_the_user_never_sees_the_chain(self, testbed, footprint):
        plan = plan_for(testbed, 1)
        deploy(testbed, plan)
        names = {name for bridge in plan.bridges for name in (bridge.name, *bridge.ports)} - set(plan.uplinks)
        assert not names & {path.name for path in Path("/sys/class/net").iterdir()}
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        assert not [each for each in footprint.namespaces() if each in mounts]

    def test_killed_holder_leaves_nothing_and_the_next_opening_works(self, testbed, footprint):
        deploy(testbed, plan_for(testbed, 2))
        namespaces = footprint.namespaces()
        assert len(footprint.processes()) >= 3, "holder, database server and switch daemon are seen"
        assert len(namespaces) >= 5, "those of the holder, of the two computers and of the middleboxes are seen"
        kill(footprint.holder())
        footprint.demand_nothing_left(namespaces)
        again = stand_up(testbed.name, testbed.options)
        assert measure_cell(again, 2).counts.received_packets > 0

    def test_holder_that_is_killed_during_a_trial_ends_it_with_an_error(self, testbed, footprint, tmp_path):
        with subprocess.Popen(
            cell_command(tmp_path, testbed, window_s=60.0, sample_interval_s=60.0), stderr=subprocess.PIPE, text=True
        ) as caller:
            eventually(lambda: footprint.named("trafgen"), "the generator runs")
            kill(footprint.holder())
            _, said = caller.communicate()
        assert caller.returncode not in (0, 1)
        assert "error: " in said
        assert not (tmp_path / "tests" / CELL.path).exists()

    def test_idle_holder_ends_itself(self, runtime, footprint):
        options = compose(idle_s=1.0)
        with lock(site_of("tests", options).trial_lock, "a job"):  # as all do that open one
            stand_up("tests", options)
            namespaces = footprint.namespaces()
        footprint.demand_nothing_left(namespaces)
        assert not (runtime / "holder.json").exists()

    def test_holder_that_cannot_be_found_again_ends_itself(self, runtime, footprint):
        stand_up("tests", compose())
        namespaces = footprint.namespaces()
        (runtime / "holder.json").unlink()
        footprint.demand_nothing_left(namespaces)


class TestDown:
    @pytest.fixture
    def down(self, tmp_path) -> Callable[[], str]:
        """``middlebench down``, which returns what it said."""
        folder = tmp_path / "testbeds"
        folder.mkdir()
        (folder / "tests.yaml").write_text(yaml.safe_dump(composition()))
        command = [sys.executable, "-m", "middlebench", "down", "tests", "--testbed-folder", str(folder)]
        return lambda: subprocess.run(command, check=True, capture_output=True, text=True).stderr

    def test_nothing_there_is_no_error(self, runtime, down):
        assert down() == "tests: nothing to remove\n"

    def test_live_chain_is_removed_with_all_that_belongs_to_it(self, testbed, footprint, down):
        deploy(testbed, plan_for(testbed, 2))
        namespaces = footprint.namespaces()
        assert down() == "tests: taken down\n"
        footprint.demand_nothing_left(namespaces)
        assert down() == "tests: nothing to remove\n"

    def test_testbed_of_another_name_is_left_as_it_is(self, testbed, footprint):
        other = site_of("other", testbed.options)
        holder = footprint.holder()
        assert other.occupied_by() == testbed.name
        assert not other.close()
        assert footprint.holder() == holder

    def test_testbed_whose_file_is_gone_is_taken_down_with_all_others(self, testbed, footprint, tmp_path):
        namespaces = footprint.namespaces()
        (tmp_path / "another.yaml").write_text(yaml.safe_dump(composition()))
        command = [sys.executable, "-m", "middlebench", "down", "--testbed-folder", str(tmp_path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        assert said == f"{testbed.name}: taken down\n"
        footprint.demand_nothing_left(namespaces)

    def test_trial_that_runs_is_ended_and_leaves_no_record(self, testbed, footprint, down, tmp_path):
        with subprocess.Popen(
            cell_command(tmp_path, testbed, window_s=60.0, sample_interval_s=60.0), stderr=subprocess.PIPE, text=True
        ) as caller:
            eventually(lambda: footprint.named("trafgen"), "the generator runs")
            namespaces = footprint.namespaces()
            down()
            caller.communicate()
        assert caller.returncode not in (0, 1)
        assert not (tmp_path / "tests" / CELL.path).exists()
        footprint.demand_nothing_left(namespaces)

    def test_process_that_has_the_number_of_a_holder_of_old_is_left_alone(self, runtime, down):
        with subprocess.Popen(["sleep", "600"]) as other:
            (runtime / "holder.json").write_text(json.dumps({"pid": other.pid, "started_ticks": 1, "site": {}}))
            assert down() == "tests: nothing to remove\n"
            assert other.poll() is None
            other.kill()
        assert not (runtime / "holder.json").exists()
