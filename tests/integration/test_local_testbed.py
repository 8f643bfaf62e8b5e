"""The ``namespaces`` site with a real switch, real middleboxes and real traffic, from deployment to record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import middlebench.trials.provision
import pytest
import yaml
from helpers import compose, composition, eventually, kill, once_traffic_runs, pass_frames, settings
from middlebench.config.study import Study
from middlebench.config.study_file import write_study
from middlebench.diagnosis.processors import BUSY, busy_ratio
from middlebench.generators.shared import agents
from middlebench.model import record_file
from middlebench.model.cell import Cell
from middlebench.model.frames import udp_frame
from middlebench.model.provision import Provision
from middlebench.model.record import GENERATOR_LIMITED, LINKS_COSTLY, Record
from middlebench.sites.shared import holder_process
from middlebench.switches.private_openvswitch import FOLDER
from middlebench.system.errors import HostError, TrialError
from middlebench.testbed import site_of, stand_up
from middlebench.trials.cell import measure
from middlebench.trials.convergence import deploy, plan_for, read_live
from middlebench.trials.probing import PROBES, prove_paths
from middlebench.trials.provision import provision

if TYPE_CHECKING:
    from middlebench.testbed import Testbed

PACED = {"offered_load": 1.0}
"""1000 packets/s, which any machine carries without loss."""


def measure_cell(
    testbed: Testbed, n: int, frame_bytes: int = 800, tell: Callable[[str], None] = print, **changes: Any
) -> Record:
    cell = Cell(testbed=testbed.name, n=n, frame_bytes=frame_bytes, repetition=1)
    return measure(testbed, cell, settings(**changes), tell)[0]


def on_server(testbed: Testbed, *argv: str) -> str:
    """Do something by hand on the middlebox server, and return what it said."""
    return testbed.hosts.middlebox_server.run(["env", f"OVS_RUNDIR={FOLDER}", *argv]).stdout


class TestMeasuring:
    @pytest.mark.parametrize("n", [0, 1, 3])
    def test_cells_of_one_chain_are_measured_and_attested(self, testbed, n):
        records = [measure_cell(testbed, n, size) for size in (60, 800, 1514)]
        for each in records:
            counts = each.counts
            assert counts.received_packets > 0
            assert 0 < counts.offered_packets <= counts.intended_packets * 1.01
            assert counts.offered_bytes in (
                counts.offered_packets * each.cell.frame_bytes,
                counts.offered_packets * (each.cell.frame_bytes - 14),
            )
            assert counts.received_bytes == counts.received_packets * each.cell.frame_bytes
            assert 0 < counts.trial_received_packets <= counts.trial_sent_packets
            assert each.attestation.probes_returned == each.attestation.probes_sent > 0
            assert set(each.flags) <= {GENERATOR_LIMITED, LINKS_COSTLY}
            assert each.usage.links[0].cpu_s >= 0
            assert [hop.bridge for hop in each.hops] == [f"mbench-br{index}" for index in range(n + 1)]
        assert len({each.attestation.fingerprint for each in records}) == 1, "the chain was deployed once"

    def test_single_bridge_loses_nothing_at_a_paced_load(self, testbed):
        measured = measure_cell(testbed, 0, **PACED)
        counts = measured.counts
        assert counts.trial_received_packets == counts.trial_sent_packets > 0
        assert [(hop.rx_packets, hop.tx_packets, sum(hop.dropped.values())) for hop in measured.hops] == [
            (counts.trial_sent_packets, counts.trial_sent_packets, 0)
        ]

    def test_every_hop_of_a_chain_counts_what_passes_it(self, testbed):
        measured = measure_cell(testbed, 2, **PACED)
        assert measured.counts.trial_received_packets == measured.counts.trial_sent_packets > 0
        for hop in measured.hops:
            passed = (hop.rx_packets, hop.matched_packets, hop.forwarded_packets, hop.tx_packets)
            assert passed == (measured.counts.trial_sent_packets,) * len(passed)
        assert (
            measured.bottleneck.place,
            measured.bottleneck.lost_packets,
            measured.bottleneck.unaccounted_packets,
        ) == ("", 0, 0)

    def test_record_survives_its_way_over_the_disk(self, testbed, tmp_path):
        measured = measure_cell(testbed, 1)
        record_file.write(measured, tmp_path / "rep1.json")
        found = record_file.read(Record, tmp_path / "rep1.json")
        assert found.model_copy(update={"digest": ""}) == measured


class TestConvergence:
    def test_deployed_chain_passes_frames_and_took_no_longer_than_it_says(self, testbed):
        begin = time.monotonic()
        deployment = deploy(testbed, plan_for(testbed, 2))
        assert 0 < deployment.total_s <= time.monotonic() - begin
        frames = [udp_frame(size, b"deployed") for size in (60, 800, 1514)]
        assert pass_frames(testbed.hosts.test_computer, *testbed.hosts.test_ports, frames) == frames
        assert read_live(testbed).fingerprint == deployment.fingerprint

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (("ovs-vsctl", "del-br", "mbench-br1"), "mbench-br1 is missing"),
            (("ip", "netns", "delete", "mbench-1"), "mbench-1 is missing"),
            (("ip", "link", "delete", "dev", "mbench-2-out"), "mbench-2-out"),
        ],
        ids=["bridge", "namespace", "interface"],
    )
    def test_chain_that_somebody_damaged_is_repaired_before_it_is_measured(self, testbed, footprint, command, words):
        deploy(testbed, plan_for(testbed, 2))
        on_server(testbed, *command)
        told = []
        assert measure_cell(testbed, 2, tell=told.append).counts.received_packets > 0
        assert len(told) == 1
        assert words in told[0]
        assert [len(footprint.named(daemon)) for daemon in ("ovsdb-server", "ovs-vswitchd")] == [1, 1]

    def test_middlebox_that_looks_right_but_does_not_forward_is_found(self, testbed, monkeypatch):
        monkeypatch.setattr(agents, "PROBE_SECONDS", 0.5)
        plan = plan_for(testbed, 2)
        deploy(testbed, plan)
        on_server(testbed, "ip", "-netns", "mbench-1", "link", "set", "dev", "forward", "down")
        assert read_live(testbed).differences(plan) == []
        with pytest.raises(TrialError, match="lost before middlebox 1, where they should leave at mbench-1-out"):
            prove_paths(testbed, plan, 60)
        told = []
        assert measure_cell(testbed, 2, tell=told.append).counts.received_packets > 0
        assert "does not forward: deploying it anew" in told[0]


class TestChangeDuringATrial:
    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (
                ("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "mbench-br0", "priority=7,dl_type=0x0806,actions=drop"),
                "mbench-br0: flow priority=7,arp,actions=drop is not ours",
            ),
            (("ip", "netns", "delete", "mbench-2"), "middlebox mbench-2 ended"),
            (("ip", "link", "delete", "dev", "mbench-1-in"), "mbench-br0: port mbench-1-in"),
        ],
        ids=["flow added", "namespace removed", "interface removed"],
    )
    def test_trial_is_void_and_the_next_one_is_right(self, testbed, command, words):
        deploy(testbed, plan_for(testbed, 2))
        with (
            pytest.raises(TrialError, match="void: .*" + re.escape(words)),
            once_traffic_runs(testbed, lambda: on_server(testbed, *command)),
        ):
            measure_cell(testbed, 2, window_s=1.5, sample_interval_s=0.5)
        assert measure_cell(testbed, 2, **PACED).counts.received_packets > 0


class TestWherePacketsDie:
    def test_drop_rule_put_in_by_hand_during_a_trial_is_named_with_its_bridge_to_the_packet(self, testbed):
        deploy(testbed, plan_for(testbed, 3))
        rule = ("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "mbench-br2", "priority=40000,actions=drop")
        with (
            pytest.raises(TrialError) as caught,
            once_traffic_runs(testbed, lambda: on_server(testbed, *rule)),
        ):
            measure_cell(testbed, 3, window_s=1.0, **PACED)
        said = on_server(testbed, "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "mbench-br2")
        (dropped,) = (int(each) for each in re.findall(r"n_packets=(\d+).*priority=40000", said))
        assert "mbench-br2: flow priority=40000,actions=drop is not ours" in str(caught.value)
        found = re.search(
            r"of ([\d,]+) packets ([\d,]+) arrived; lost at bridge 2 \(flow table\): ([\d,]+)"
            r"(?:, ([\d,]+) more counted as dropped by the flow table of bridge 2, which had left it before)?\n",
            str(caught.value),
        )
        assert found, caught.value
        sent, arrived, lost, credited = (int((each or "0").replace(",", "")) for each in found.groups())
        assert sent - arrived == lost > 0
        assert dropped == lost + credited, "what the rule itself says"

    def test_drops_that_no_flow_shows_are_named_with_their_bridge_to_the_packet(self, testbed):
        deploy(testbed, plan_for(testbed, 3))
        shaper = "rate 1mbit burst 10kb limit 10kb"
        on_server(testbed, *f"tc qdisc replace dev mbench-3-in root tbf {shaper}".split())
        measured = measure_cell(testbed, 3, window_s=0.4, **PACED)
        (qdisc,) = json.loads(on_server(testbed, "tc", "-json", "-statistics", "qdisc", "show", "dev", "mbench-3-in"))
        limit = measured.bottleneck
        assert (limit.place, limit.unaccounted_packets) == ("bridge 2 (out)", 0)
        assert sum(measured.hops[2].dropped.values()) == 0, "a shaper drops by its own rule, whatever its port takes"
        # When a port refuses a frame, Open vSwitch drops what is left of its batch without asking it any more.
        assert 0 < qdisc["drops"] <= limit.lost_packets
        assert limit.lost_packets == measured.counts.trial_sent_packets + 2 * PROBES - qdisc["packets"]
        assert f"{limit.lost_packets:,} of them at bridge 2 (out)" in limit.evidence
        assert limit.cause in ("switch", "server CPU"), "the latter where other work takes all of this machine"

    def test_what_the_queue_of_a_middleboxs_port_drops_is_what_it_refused_to_the_packet(self, testbed):
        deploy(testbed, plan_for(testbed, 3))

        def limit_queue(verb: str, frames: int) -> None:
            on_server(testbed, *f"tc qdisc {verb} dev mbench-3-in root handle 9: pfifo limit {frames}".split())

        def refuse_for_a_while() -> None:
            limit_queue("replace", 0)
            time.sleep(0.2)
            limit_queue("change", 1000)

        with once_traffic_runs(testbed, refuse_for_a_while):
            measured = measure_cell(testbed, 3, window_s=1.5, **PACED)
        (qdisc,) = json.loads(on_server(testbed, "tc", "-json", "-statistics", "qdisc", "show", "dev", "mbench-3-in"))
        assert measured.bottleneck.place == "bridge 2 (out)"
        assert 0 < sum(measured.hops[2].dropped.values()) == qdisc["drops"] <= measured.bottleneck.lost_packets

    def test_middlebox_that_is_slowed_by_hand_is_named_with_what_died_in_it_to_the_packet(self, testbed):
        deploy(testbed, plan_for(testbed, 3))
        slow = "tc qdisc replace dev out root tbf rate 1mbit burst 10kb limit 10kb"
        on_server(testbed, *f"ip netns exec mbench-2 {slow}".split())
        measured = measure_cell(testbed, 3, window_s=0.4, **PACED)
        limit, lost = measured.bottleneck, measured.hops[1].tx_packets - measured.hops[2].rx_packets
        assert (limit.place, limit.unaccounted_packets) == ("middlebox 2", 0)
        assert limit.lost_packets == lost > 0
        if busy_ratio(measured.usage.middlebox_server) >= BUSY:
            assert limit.cause == "server CPU", "other work took all of this machine"
        else:
            assert limit.cause == "middlebox"
            assert "100 % of what was lost was lost at a middlebox" in limit.evidence
            assert f"{lost:,} packets at middlebox 2" in limit.evidence

    def test_every_side_says_what_it_used(self, testbed):
        usage = measure_cell(testbed, 1, **PACED).usage
        assert [each.cpu for each in usage.test_computer] == list(testbed.hosts.test_computer.cpus)
        assert [each.cpu for each in usage.middlebox_server] == list(testbed.hosts.middlebox_server.cpus)
        generator, cards = usage.generator
        assert (generator.name, cards.name) == ("generator", "links")
        for process in (generator, *usage.switch):
            assert process.cpu_s >= process.busiest_thread_s >= 0
            assert process.context_switches is None or process.context_switches > 0
        assert usage.middleboxes == (), "a namespace has no process of its own"
        assert usage.traffic_s >= settings().warm_up_s + settings().window_s


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
        stand_up("tests", compose(idle_s=1.0))
        footprint.demand_nothing_left(footprint.namespaces())
        assert not (runtime / "holder.json").exists()

    def test_holder_that_cannot_be_found_again_ends_itself(self, runtime, footprint):
        stand_up("tests", compose())
        namespaces = footprint.namespaces()
        (runtime / "holder.json").unlink()
        footprint.demand_nothing_left(namespaces)


CELL = Cell(testbed="tests", n=1, frame_bytes=800)


def cell_command(folder: Path, testbed: Testbed, **changes: float) -> list[str]:
    """Return the command that measures a cell of chain(1), and writes its record into the results ``folder``."""
    found = Provision(
        testbed=testbed.name,
        description="",
        options=testbed.options.model_dump(mode="json"),
        components=testbed.components(),
        choices=(),
        environment="",
    )
    record_file.write(found, folder / testbed.name / "provision.json")
    trial = settings(**changes).model_dump(include={"window_s", "warm_up_s", "sample_interval_s"})
    study = Study(
        testbeds=(testbed.name,),
        chain_lengths=(1,),
        frame_sizes=(800,),
        trial="short",
        trials={"short": trial},
        controls="none",
    )
    write_study("a session", study, {testbed.name: testbed.options}, folder)
    return [sys.executable, "-m", "middlebench", "measure", str(folder / testbed.name / CELL.path)]


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


class TestProvision:
    def test_fastest_alternative_that_works_is_chosen(self, runtime, monkeypatch):
        monkeypatch.setattr(middlebench.trials.provision, "TRY_LENGTHS", (1, 2))
        monkeypatch.setattr(middlebench.trials.provision, "TRY_SETTINGS", settings())
        asked = compose(switch={"driver": "private-openvswitch", "datapath": "userspace", "port_type": "auto"})
        try:
            found, environment = provision("tests", asked, print)
            testbed = stand_up("tests", compose(switch=found.options["switch"]))
            assert read_live(testbed).switch.bridges == {}, "what was tried was torn down"
            assert read_live(testbed).middleboxes == {}
        finally:
            site_of("tests", asked).close()
        assert len(found.choices) == 2, "a namespace cannot be joined by vhost-user"
        (chosen,) = [each for each in found.choices if each["chosen"]]
        assert found.options["switch"]["port_type"] in chosen["alternative"].split()
        assert chosen["failure"] == ""
        assert all(each["received_pps"] or each["failure"] for each in found.choices)
        assert chosen["received_pps"].keys() == {"n=1, 60 B", "n=1, 1514 B", "n=2, 60 B", "n=2, 1514 B"}
        assert found.environment == environment.id
        assert environment.unprivileged == (os.getuid() != 0)
        assert environment.limits is not None, "it stood when it was looked at"
        assert environment.middlebox_server.programs["ovs-vswitchd"].startswith("ovs-vswitchd (Open vSwitch)")
        assert environment.test_computer.programs["trafgen"].startswith("trafgen ")
