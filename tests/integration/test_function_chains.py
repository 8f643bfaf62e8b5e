"""Functions along a chain: probes know what each hop does, and one that does wrong is refused and named."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers import PROJECT, compose, standing
from middlebench.config.functions import functions_of, load_functions
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.model.frames import udp_frame
from middlebench.model.functions.function import Function
from middlebench.model.plan import Plan
from middlebench.model.topologies import plan_of
from middlebench.system.errors import TrialError
from middlebench.trials.convergence import converge, deploy, read_live
from middlebench.trials.probing import prove_paths

if TYPE_CHECKING:
    from middlebench.testbed import Testbed

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
    with standing(compose(middlebox=MIDDLEBOXES[request.param])) as testbed:
        yield testbed


@pytest.fixture
def machines(runtime: Path, wrong_unikernel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Testbed]:
    monkeypatch.setattr(qemu, "UNIKERNEL", wrong_unikernel)
    with standing(compose(middlebox=MIDDLEBOXES["qemu"])) as testbed:
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
    ("right", "wrong", "complaint"),
    [
        ("nat", "wrong_nat", "did it: its UDP checksum is wrong"),
        ("filter", "leaky_filter", "let through what it must stop"),
        ("balance", "splitting_balance", "did it: its flow was changed in another way before"),
    ],
)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_function_that_does_wrong_is_named_by_its_hop(machines, right, wrong, complaint, place):
    functions = list(functions_of("+".join(right if hop == place else "forward" for hop in (1, 2, 3)), 3, KNOWN))
    functions[place - 1] = dataclasses.replace(functions[place - 1], name=wrong)
    plan = chain(machines, functions)
    with pytest.raises(TrialError, match=rf"middlebox {place} \(mbench-{place}-{wrong}-\w+\) {complaint}"):
        deploy_and_prove(machines, plan)


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
