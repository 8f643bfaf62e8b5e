"""Functions along a chain: probes know what each hop does, and one that does wrong is refused and named."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import dpkt
import pytest
from helpers import PROJECT, compose, settings, without_chain
from middlebench.config.functions import functions_of, load_functions
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.model.frames import UDP_PORT, udp_frame
from middlebench.model.functions.function import Function
from middlebench.model.plan import Plan
from middlebench.model.topologies import plan_of
from middlebench.system.errors import TrialError
from middlebench.testbed import Testbed
from middlebench.trials.convergence import converge, deploy, read_live
from middlebench.trials.probing import prove_paths
from middlebench.trials.trial import Outcome, load_of, prepare, run_trial
from oracle import FORWARDS, Oracle

KNOWN = load_functions()
MIDDLEBOXES = {
    "netns": {"driver": "netns"},
    "qemu": {"driver": "qemu", "accelerator": "tcg"},
}


@pytest.fixture(scope="module")
def wrong_unikernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our image with functions that do wrong."""
    folder = tmp_path_factory.mktemp("wrong")
    sources = PROJECT / "tests" / "unikernel"
    command = ["make", "--silent", "-C", PROJECT / "workflow/unikernel", f"BUILD={folder}", f"FUNCTIONS={sources}"]
    subprocess.run(command, check=True)
    return folder / "unikernel.elf"


@pytest.fixture(params=MIDDLEBOXES)
def testbed(request: pytest.FixtureRequest, runtime: Path, unikernel: Path) -> Iterator[Testbed]:
    with without_chain(compose(middlebox=MIDDLEBOXES[request.param])) as testbed:
        yield testbed


@pytest.fixture
def machines(runtime: Path, wrong_unikernel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Testbed]:
    monkeypatch.setattr(qemu, "UNIKERNEL", wrong_unikernel)
    with without_chain(compose(middlebox=MIDDLEBOXES["qemu"])) as testbed:
        yield testbed


def chain(testbed: Testbed, functions: Sequence[Function]) -> Plan:
    return plan_of("chain", len(functions), testbed.hosts.server_ports, functions)


def deploy_and_prove(testbed: Testbed, plan: Plan) -> None:
    """One probe is enough to see most faults, but not that a flow is split."""
    deploy(testbed, plan)
    prove_paths(testbed, plan, 60)


def test_mixed_chain_is_proven_and_another_one_is_deployed_anew(testbed):
    plan = chain(testbed, functions_of("forward+nat+filter+balance+monitor", 5, KNOWN))
    deploy(testbed, plan)
    assert [probe.returned for probe in prove_paths(testbed, plan, 60)] == [3]
    assert [probe.returned for probe in prove_paths(testbed, plan, 1500)] == [3]
    other = chain(testbed, functions_of("forward+nat+filter-rules=5+balance+monitor", 5, KNOWN))
    differences = read_live(testbed).differences(other)
    assert len(differences) == 2
    assert all("mbench-3-filter" in each for each in differences)
    told: list[str] = []
    converge(testbed, other, told.append)
    assert "mbench-3-filter" in told[0]
    assert read_live(testbed).differences(other) == []


def test_two_translations_and_two_balancers_in_a_row_are_proven(testbed):
    plan = chain(testbed, functions_of("nat+balance", 4, KNOWN))
    deploy(testbed, plan)
    assert [probe.returned for probe in prove_paths(testbed, plan, 200)] == [3]


@pytest.mark.parametrize(
    ("right", "wrong", "place", "complaint"),
    [
        ("nat", "wrong_nat", 1, "did it: its UDP checksum is wrong"),
        ("nat", "wrong_nat", 3, "did it: its UDP checksum is wrong"),
        ("filter", "leaky_filter", 1, "let through what it must stop"),
        ("filter", "leaky_filter", 2, "let through what it must stop"),
        ("balance", "splitting_balance", 3, "did it: its flow was changed in another way before"),
    ],
)
def test_function_that_does_wrong_is_named_by_its_hop(machines, right, wrong, place, complaint):
    functions = list(functions_of("+".join(right if hop == place else "forward" for hop in (1, 2, 3)), 3, KNOWN))
    functions[place - 1] = dataclasses.replace(functions[place - 1], name=wrong)
    plan = chain(machines, functions)
    with pytest.raises(TrialError, match=rf"middlebox {place} \(mbench-{place}-{wrong}-\w+\) {complaint}"):
        deploy_and_prove(machines, plan)


FLOWS = range(100)
DENIED = range(40, 100)


def denying(function: Function) -> Function:
    """Return a filter that also denies the flows of :data:`DENIED`."""
    ports = f"{UDP_PORT + DENIED[0]}-{UDP_PORT + DENIED[-1]}"
    return dataclasses.replace(
        function,
        unikernel=f"rule=deny:17:0.0.0.0/0:{ports}:0.0.0.0/0:0-65535 {function.unikernel}",
        nftables=function.nftables.replace("policy drop;\n", f"policy drop;\n ether type ip udp sport {ports} drop\n"),
    )


def full_load(testbed: Testbed, plan: Plan, frame_bytes: int) -> Outcome:
    """Send all that the link carries, of many flows, through the chain."""
    before, _ = prepare(testbed, plan, frame_bytes)
    asked = settings(flows=len(FLOWS), window_s=1.0)
    return run_trial(testbed, plan, load_of(frame_bytes, asked, testbed.options.site.link.rate_bps), before)


def test_frames_at_full_load_are_those_of_the_oracle_and_forbidden_flows_are_absent(testbed):
    guard, translator = functions_of("filter+nat", 2, KNOWN)
    sample = full_load(testbed, chain(testbed, [denying(guard), translator]), 100).traffic.sample
    oracle = Oracle(translator)
    for frame, _ in sample:
        oracle.demand(FORWARDS, udp_frame(100, flow=dpkt.ethernet.Ethernet(frame).data.id), frame)
    allowed = {flow for flow in FLOWS if flow not in DENIED}
    assert {sport - UDP_PORT for _, _, _, sport, _ in oracle.mappings} == allowed
    assert len(sample) == len(allowed), "each flow has one translation"
    assert sum(count for _, count in sample) > 1000


def test_translation_that_does_wrong_only_now_and_then_voids_the_trial_by_its_hop(machines):
    functions = list(functions_of("forward+nat+forward", 3, KNOWN))
    functions[1] = dataclasses.replace(functions[1], name="wrong_nat", unikernel=f"{functions[1].unikernel} every=211")
    with pytest.raises(TrialError, match=r"under load: .*; middlebox 2 \(mbench-2-wrong_nat-\w+\) did it: its UDP"):
        full_load(machines, chain(machines, functions), 60)


def test_lost_probe_is_still_named_by_its_hop(machines):
    """A filter that denies everything stands where one is wanted that passes the load."""
    functions = list(functions_of("nat+filter+monitor", 3, KNOWN))
    plan = chain(machines, functions)
    functions[1] = dataclasses.replace(functions[1], unikernel="rule=accept:17:192.0.2.0/24:0-65535:0.0.0.0/0:0-65535")
    deaf = chain(machines, functions)
    machines.switch.start()
    machines.switch.create_bridges(deaf)
    machines.middleboxes.create(deaf)
    machines.switch.connect(deaf)
    machines.middleboxes.wait_until_ready(deaf)
    with pytest.raises(TrialError, match="lost before middlebox 2, where they should leave at mbench-2-out"):
        prove_paths(machines, plan, len(udp_frame(60)))
