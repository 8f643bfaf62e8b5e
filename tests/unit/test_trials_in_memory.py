"""Converge, measure, search and controls, and what they do when a part misbehaves, on a testbed in memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from memory.hosts import Answer, MemoryHost
from memory.network import MemoryMiddleboxes
from memory.testbeds import InMemory, in_memory
from middlebench.model.cell import Cell
from middlebench.model.controls import ControlLog
from middlebench.model.frames import line_rate_pps
from middlebench.model.live import STOPPED, PortState
from middlebench.model.load import SearchParameters
from middlebench.model.record import GENERATOR_LIMITED, Record
from middlebench.system.errors import MiddlebenchError, MiddleboxError, SwitchError, TrialError
from middlebench.trials import convergence
from middlebench.trials.cell import measure
from middlebench.trials.controls import measure_controls, whole_set
from middlebench.trials.convergence import converge, deploy, plan_for, read_live
from middlebench.trials.probing import PROBES
from middlebench.trials.search import NO_LOWER_BOUND
from middlebench.trials.trial import prepare

PACED = {"offered_load": 10.0, "window_s": 1.0, "warm_up_s": 0.2}
DEPLOYING = ["create_bridges", "create", "connect", "wait_until_ready"]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InMemory:
    monkeypatch.setattr(convergence, "FIRST_PROBE_SECONDS", 0.0)
    return in_memory(tmp_path)


def measured(memory: InMemory, n: int = 2, tell: Callable[[str], None] = lambda _: None, **changes) -> Record:
    cell = Cell(testbed="memory", n=n, frame_bytes=800, repetition=1)
    return measure(memory.testbed, cell, settings(**PACED | changes), tell)[0]


class TestConverging:
    @pytest.mark.parametrize("n", [0, 1, 3])
    def test_chain_that_is_not_live_is_deployed_step_by_step_and_then_left(self, memory, n):
        plan = plan_for(memory.testbed, n)
        told: list[str] = []
        before = converge(memory.testbed, plan, told.append)
        assert before.live.differences(plan, 1500) == []
        assert [call for call in memory.network.calls if call in DEPLOYING] == DEPLOYING
        assert converge(memory.testbed, plan, told.append).live.fingerprint == before.live.fingerprint
        assert len(told) == 1

    def test_another_chain_replaces_the_live_one(self, memory):
        for n in (3, 0, 2):
            plan = plan_for(memory.testbed, n)
            assert converge(memory.testbed, plan).live.differences(plan) == []

    def test_chain_of_another_environment_is_deployed_anew(self, memory):
        before = converge(memory.testbed, plan_for(memory.testbed, 2)).live
        elsewhere = replace(memory.testbed, environment="another")
        after = converge(elsewhere, plan_for(elsewhere, 2)).live
        assert after.fingerprint != before.fingerprint
        assert before.differences(plan_for(elsewhere, 2)) != [] == after.differences(plan_for(elsewhere, 2))

    @pytest.mark.parametrize(
        "damage",
        [
            lambda network: network.bridges.pop("mbench-br1"),
            lambda network: network.on_bridges["mbench-br0"].discard("mbench-1-in"),
            lambda network: network.bridges["mbench-br0"].clear(),
            lambda network: network.foreign.update({"mbench-br0": ("flow drop is not ours",)}),
            lambda network: network.identities.pop("mbench-1"),
            lambda network: network.identities.update({"mbench-9": "another"}),
            lambda network: network.identities.update({"mbench-1": network.identities["mbench-1"] + STOPPED}),
            lambda network: network.states.update({"mbench-1-in": PortState(up=False, mtu=1500)}),
            lambda network: network.states.update({"mbench-2-out": PortState(up=True, mtu=100)}),
            lambda network: setattr(network, "running", False),
        ],
        ids=["bridge", "port", "flows", "flow", "gone", "too many", "stopped", "down", "MTU", "switch"],
    )
    def test_chain_that_somebody_damaged_is_repaired_before_it_is_measured(self, memory, damage):
        converge(memory.testbed, plan_for(memory.testbed, 2))
        damage(memory.network)
        told: list[str] = []
        counts = measured(memory, tell=told.append).counts
        assert counts.trial_received_packets == counts.trial_sent_packets > 0
        assert len(told) == 1

    def test_uplink_that_is_down_is_named_and_not_measured(self, memory):
        memory.network.states["server1"] = PortState(up=False, mtu=1500)
        with pytest.raises(TrialError, match="server1"):
            measured(memory)

    @pytest.mark.parametrize("step", DEPLOYING)
    def test_step_that_fails_says_so_and_the_next_try_works(self, memory, step):
        memory.network.broken[step] = "no room"
        with pytest.raises((SwitchError, MiddleboxError), match="no room"):
            converge(memory.testbed, plan_for(memory.testbed, 2))
        memory.network.broken.clear()
        assert measured(memory).counts.received_packets > 0

    @pytest.mark.parametrize("step", ["create_bridges", "connect"])
    def test_switch_that_crashes_while_a_chain_is_built_is_started_anew_once(self, memory, step):
        plan = plan_for(memory.testbed, 2)
        memory.network.crashes = [step]
        assert deploy(memory.testbed, plan).switch_crashes == 1
        assert memory.network.calls.count("answers") == 1
        assert "read" not in memory.network.calls, "a short question tells whether the switch hangs, not a reading"
        assert deploy(memory.testbed, plan).switch_crashes == 0
        memory.network.crashes = [step, step]
        with pytest.raises(SwitchError):
            deploy(memory.testbed, plan)

    @pytest.mark.parametrize(("name", "where"), [("mbench-br1", "bridge 1"), ("mbench-2", "middlebox 2")])
    def test_chain_that_passes_nothing_is_no_deployment_and_the_place_is_named(self, memory, name, where):
        memory.network.loss[name] = 1.0
        with pytest.raises(TrialError, match=f"lost before {where}, where they should leave"):
            deploy(memory.testbed, plan_for(memory.testbed, 2))

    def test_chain_that_looks_right_but_forwards_nothing_is_deployed_anew_once(self, memory):
        converge(memory.testbed, plan_for(memory.testbed, 2))
        memory.network.middleboxes["mbench-1"] = ("mbench-1-in", "nowhere")
        memory.network.ports["nowhere"] = memory.network.ports["mbench-1-in"]
        told: list[str] = []
        assert measured(memory, tell=told.append).counts.received_packets > 0
        assert "mbench-1-out" in told[0]

    def test_deployment_is_timed_by_its_steps(self, memory):
        begin = time.monotonic()
        deployment = deploy(memory.testbed, plan_for(memory.testbed, 2))
        assert 0 < deployment.removing_s + deployment.total_s <= time.monotonic() - begin
        assert list(deployment.steps_s) == ["bridges", "middleboxes", "ports and flows", "ready", "first probe"]
        assert deployment.plan["n"] == 2
        assert [start["name"] for start in deployment.middleboxes] == ["mbench-1", "mbench-2"]


class TestMeasuring:
    @pytest.mark.parametrize("n", [0, 1, 3])
    def test_every_hop_counts_every_frame_and_no_probe(self, memory, n):
        record = measured(memory, n)
        sent = record.counts.trial_sent_packets
        assert sent == record.counts.trial_received_packets == 12_000
        for hop in record.hops:
            assert {hop.rx_packets, hop.matched_packets, hop.forwarded_packets, hop.tx_packets} == {sent}
        assert (record.bottleneck.cause, record.bottleneck.lost_packets) == ("offered load", 0)
        assert record.attestation.probes_returned == record.attestation.probes_sent == PROBES
        assert record.attestation.fingerprint == read_live(memory.testbed).fingerprint

    def test_chain_is_offered_no_more_than_its_link_carries(self, memory):
        record = measured(memory, offered_load="maximum", window_s=0.1)
        assert memory.generator.loads[-1].saturating
        assert record.counts.intended_packets == round(line_rate_pps(1e9, 800) * 0.1)

    def test_frames_above_the_capacity_are_lost_at_the_first_bridge(self, memory):
        memory.network.capacity_pps = 4000
        record = measured(memory)
        assert record.counts.received_packets == pytest.approx(4000, rel=0.01)
        assert record.bottleneck.place == "bridge 0 (in)"

    def test_loss_in_a_middlebox_is_told_to_the_packet(self, memory):
        converge(memory.testbed, plan_for(memory.testbed, 2))
        memory.network.in_traffic = lambda step: memory.network.loss.update({"mbench-2": 0.25 if step == 3 else 0.0})
        record = measured(memory)
        assert (record.bottleneck.place, record.bottleneck.cause) == ("middlebox 2", "middlebox")
        assert record.bottleneck.lost_packets == 250

    def test_generator_that_offers_too_little_is_flagged(self, memory, monkeypatch):
        run = memory.generator.run
        monkeypatch.setattr(
            memory.generator, "run", lambda load, cancel: replace(run(load, cancel), offered_packets=9000)
        )
        assert GENERATOR_LIMITED in measured(memory).flags

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda network: network.bridges["mbench-br0"].clear(), "mbench-br0: the flow"),
            (lambda network: network.bridges.pop("mbench-br1"), "bridge mbench-br1 is gone"),
            (lambda network: network.foreign.update({"mbench-br0": ("flow drop",)}), "mbench-br0: flow drop"),
            (lambda network: network.identities.pop("mbench-1"), "middlebox mbench-1 ended"),
            (lambda network: network.identities.update({"mbench-1": "new"}), "mbench-1 is another one"),
            (
                lambda network: network.identities.update({"mbench-1": network.identities["mbench-1"] + STOPPED}),
                "mbench-1 is stopped",
            ),
            (lambda network: network.states.update({"mbench-1-in": PortState(up=False, mtu=1500)}), "mbench-1-in"),
            (lambda network: network.states.update({"server1": PortState(up=True, mtu=100)}), "port server1 is up"),
            (lambda network: network.ports.pop("mbench-1-in"), "nothing is counted at mbench-1-in"),
            (lambda network: setattr(network, "running", False), "cannot be read any more: it does not run"),
            (lambda network: setattr(network, "unexpected", 1), "not ours"),
            (lambda network: setattr(network, "late", 5), "had arrived when the drain ended"),
            (lambda network: network.loss.update({"mbench-2": 1.0}), "frames do not pass any more"),
        ],
        ids=[
            *("flow", "bridge", "foreign flow", "gone", "another", "stopped", "down", "MTU", "no counter", "switch"),
            *("unexpected", "late", "dead path"),
        ],
    )
    def test_change_behind_the_traffic_voids_the_trial_and_the_next_one_is_right(self, memory, change, words):
        converge(memory.testbed, plan_for(memory.testbed, 2))
        memory.network.after_traffic = lambda: change(memory.network)
        with pytest.raises(TrialError, match=f"void: .*{words}"):
            measured(memory)
        memory.network.after_traffic = lambda: None
        memory.network.unexpected = memory.network.late = 0
        memory.network.loss.clear()
        memory.network.states.clear()
        assert measured(memory).counts.received_packets > 0

    @pytest.mark.parametrize("silent_from", [0, 4])
    def test_chain_that_falls_silent_voids_the_trial_though_it_passes_frames_again_afterwards(
        self, memory, silent_from
    ):
        converge(memory.testbed, plan_for(memory.testbed, 2))
        network = memory.network
        network.in_traffic = lambda step: network.loss.update({"mbench-1": float(step >= silent_from)})
        network.after_traffic = network.loss.clear
        with pytest.raises(TrialError, match="nothing arrived"):
            measured(memory)

    def test_middlebox_that_ends_cancels_the_traffic_and_is_named(self, memory):
        middleboxes = memory.testbed.middleboxes
        assert isinstance(middleboxes, MemoryMiddleboxes)
        memory.network.in_traffic = lambda step: middleboxes.watched.fire("mbench-2 ended") if step == 2 else None
        with pytest.raises(TrialError, match=r"void: mbench-2 ended; until then: all [\d,]+ packets arrived"):
            measured(memory)

    def test_port_of_the_site_that_was_changed_voids_the_cell(self, memory):
        hosts = replace(memory.testbed.hosts, changes=lambda: ["server0 shaper gone"])
        with pytest.raises(TrialError, match="server0 shaper gone"):
            measured(replace(memory, testbed=replace(memory.testbed, hosts=hosts)))

    def test_frames_that_arrive_after_the_drain_are_waited_for_and_counted(self, memory, monkeypatch):
        memory.network.late = 5
        run, host = memory.generator.run, memory.testbed.hosts.test_computer
        assert isinstance(host, MemoryHost)
        counted = iter((100, 103, 105))
        host.programs["ip"] = lambda argv, stdin: Answer(json.dumps([{"stats64": {"rx": {"packets": next(counted)}}}]))
        monkeypatch.setattr(
            memory.generator, "run", lambda load, cancel: replace(run(load, cancel), receiver_counter=100)
        )
        record = measured(memory)
        assert record.counts.trial_received_packets == record.counts.trial_sent_packets
        assert record.bottleneck.lost_packets == 0

    @pytest.mark.parametrize("rests_after", [0, 1, 3])
    def test_counters_that_were_read_while_frames_moved_are_read_again(self, memory, monkeypatch, rests_after):
        readings, read = iter(range(rests_after, 0, -1)), memory.testbed.switch.read

        def moving():
            """Return a reading whose last counter lags behind, each time less."""
            found, behind = read(), next(readings, 0)
            last = found.ports["server1"]
            return replace(found, ports={**found.ports, "server1": replace(last, tx_packets=last.tx_packets - behind)})

        converge(memory.testbed, plan_for(memory.testbed, 2))
        memory.network.after_traffic = lambda: monkeypatch.setattr(memory.testbed.switch, "read", moving)
        record = measured(memory)
        assert record.hops[-1].tx_packets == record.counts.trial_received_packets

    def test_counters_that_contradict_each_other_at_rest_are_read_twice_and_void_the_trial(self, memory, monkeypatch):
        read, reads = memory.testbed.switch.read, []

        def contradicting():
            reads.append(found := read())
            last = found.ports["server1"]
            return replace(found, ports={**found.ports, "server1": replace(last, tx_packets=last.tx_packets - 5)})

        converge(memory.testbed, plan_for(memory.testbed, 2))
        memory.network.after_traffic = lambda: monkeypatch.setattr(memory.testbed.switch, "read", contradicting)
        with pytest.raises(TrialError, match="had arrived when the drain ended"):
            measured(memory)
        assert len(reads) == 2

    def test_frames_that_overflow_the_ring_behind_the_first_link_are_lost_there_and_void_nothing(
        self, memory, monkeypatch
    ):
        run = memory.generator.run

        def overflowing(load, cancel):
            traffic = run(load, cancel)
            return replace(traffic, trial_sent_packets=traffic.trial_sent_packets + 5, overflowed_packets=5)

        monkeypatch.setattr(memory.generator, "run", overflowing)
        record = measured(memory)
        assert record.counts.trial_sent_packets - record.hops[0].rx_packets == 5
        assert (record.bottleneck.lost_packets, record.bottleneck.unaccounted_packets) == (5, 0)

    def test_generator_that_fails_is_no_void_trial(self, memory):
        memory.network.broken["run"] = "no such device"
        with pytest.raises(MiddlebenchError, match="no such device") as caught:
            measured(memory)
        assert not isinstance(caught.value, TrialError)


SEARCH = SearchParameters(
    relative_width=0.02,
    initial_trial_s=1.0,
    final_trial_s=1.0,
    duration_sum_s=1.0,
    preceding_targets=1,
    warm_up_s=0,
)


class TestSearching:
    @hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(capacity_pps=st.floats(min_value=2000, max_value=100_000), loss_ratio=st.sampled_from([0.0, 0.005, 0.1]))
    def test_bounds_enclose_the_capacity_of_the_chain(self, tmp_path, capacity_pps, loss_ratio):
        memory = in_memory(tmp_path)
        memory.network.capacity_pps = capacity_pps
        goal = f"pdr({loss_ratio})" if loss_ratio else "ndr"
        record = measured(memory, 1, offered_load=goal, search=SEARCH)
        found = record.search
        assert found.lower_bound_pps * (1 - loss_ratio) <= capacity_pps * 1.001
        assert found.upper_bound_pps * (1 - loss_ratio) >= capacity_pps * 0.999
        assert 1 - found.lower_bound_pps / found.upper_bound_pps <= SEARCH.relative_width
        assert record.counts.intended_packets == round(found.lower_bound_pps * record.counts.window_s)
        assert record.bottleneck.place == "bridge 0 (in)", "the verdict is of a trial above the throughput"
        assert f"trial {found.limiting_trial} of the search" in record.bottleneck.evidence

    def test_chain_that_carries_the_line_rate_has_no_upper_bound(self, memory):
        record = measured(memory, 1, offered_load="ndr", search=SEARCH)
        assert record.search.upper_bound_pps is None
        assert record.search.lower_bound_pps == pytest.approx(line_rate_pps(1e9, 800))
        assert record.bottleneck.cause == "link"

    def test_chain_that_loses_at_any_load_has_no_lower_bound_and_is_no_error(self, memory):
        memory.network.capacity_pps = 20
        record = measured(memory, 1, offered_load="ndr", search=SEARCH)
        assert (record.search.lower_bound_pps, record.search.conditional_throughput_pps) == (None, 0)
        assert NO_LOWER_BOUND in record.flags

    def test_no_frame_of_a_search_but_those_of_its_trials_is_counted(self, memory):
        memory.network.capacity_pps = 10_000
        record = measured(memory, 2, offered_load="ndr", search=SEARCH)
        assert {hop.tx_packets for hop in record.hops} == {record.counts.trial_sent_packets}

    def test_change_of_the_chain_voids_the_search(self, memory):
        memory.network.capacity_pps = 10_000

        def change_in_the_third_trial() -> None:
            if len(memory.generator.loads) == 3:
                memory.network.identities["mbench-1"] = "another"

        memory.network.after_traffic = change_in_the_third_trial
        with pytest.raises(TrialError, match="void: middlebox mbench-1 is another one"):
            measured(memory, 1, offered_load="ndr", search=SEARCH)
        assert len(memory.generator.loads) == 3

    def test_search_that_does_not_end_in_time_is_an_error_with_what_to_change(self, memory):
        memory.network.capacity_pps = 10_000
        hurried = SEARCH.model_copy(update={"timeout_s": 1e-6, "relative_width": 1e-5})
        with pytest.raises(TrialError, match="has not ended") as caught:
            measured(memory, 1, offered_load="ndr", search=hurried)
        assert "search.timeout_s" in caught.value.advice


class TestControls:
    def test_both_kinds_are_measured_at_the_maximum_and_kept_in_order(self, memory, tmp_path):
        log = ControlLog(tmp_path)
        series = whole_set(memory.testbed, [60, 800])
        names = measure_controls(memory.testbed, series, settings(**PACED), log, "a run").controls
        assert len(names) == len(series) == 4
        kept = log.controls()
        assert [(each.kind, each.frame_bytes) for each in kept] == series
        assert [each.sequence for each in kept] == [1, 2, 3, 4]
        assert all(each.counts.received_packets == each.counts.offered_packets > 0 for each in kept)
        assert len(read_live(memory.testbed).switch.bridges) == 1, "the chain is one bridge now"

    def test_cable_that_loses_a_probe_is_no_control(self, memory, tmp_path):
        direct = memory.testbed.direct
        broken = replace(memory.testbed, direct=type(direct)(memory.network, lambda frames: frames - 1))
        with pytest.raises(TrialError, match="probes"):
            measure_controls(broken, whole_set(broken, [60]), settings(**PACED), ControlLog(tmp_path), "a run")

    def test_site_without_a_direct_cable_has_the_switch_alone(self, memory):
        assert len(whole_set(replace(memory.testbed, direct=None), [60])) == 1


def test_prepared_chain_has_counted_its_probes(memory):
    plan = plan_for(memory.testbed, 2)
    reading, (probe,) = prepare(memory.testbed, plan, 800)
    assert (probe.sent, probe.returned) == (PROBES, PROBES)
    assert reading.switch.ports == memory.testbed.switch.read().ports
