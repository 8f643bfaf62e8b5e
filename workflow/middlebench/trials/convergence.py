"""From what is live to what is planned, and the proof that it is what it seems.

A file cannot say what is live: before a cell is measured the live chain is read, made the wanted
one if it is not, and proven by frames that pass every hop.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from middlebench.model.deployment import Deployment
from middlebench.model.frames import MINIMUM_FRAME_BYTES
from middlebench.model.functions.function import Function
from middlebench.model.live import LiveChain
from middlebench.model.plan import CHAIN, Plan, Topology
from middlebench.model.reading import Reading
from middlebench.model.topologies import plan_of
from middlebench.model.traffic import Probe
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddlebenchError, TrialError
from middlebench.testbed import Testbed, remove_chains
from middlebench.trials.probing import dead_path, probe_path, prove_paths

RELEASES = 10
"""How often a probe may bring back frames of an earlier trial: each frees one buffer's worth at every port."""
FIRST_PROBE_SECONDS = 30.0
"""How long a fresh chain may take until a first probe passes all of it."""


def read_live(testbed: Testbed) -> LiveChain:
    """Return the live chain."""
    return LiveChain(switch=testbed.switch.live(), middleboxes=testbed.middleboxes.live())


def read_before(testbed: Testbed) -> Reading:
    """Read everything before traffic, the processors last: what reading costs is not the traffic's."""
    middleboxes = testbed.middleboxes.read()
    return Reading(testbed.switch.read(), middleboxes, testbed.hosts.links_usage())


def read_after(testbed: Testbed) -> Reading:
    """Read everything after traffic, the processors first."""
    links = testbed.hosts.links_usage()
    switch = testbed.switch.read()
    return Reading(switch, testbed.middleboxes.read(), links)


def plan_for(testbed: Testbed, n: int, functions: Sequence[Function] = (), topology: Topology = CHAIN) -> Plan:
    """Return the plan of n middleboxes on this testbed; without functions all of them forward."""
    plan = plan_of(topology, n, testbed.hosts.server_ports, functions)
    return dataclasses.replace(plan, composition=testbed.composition)


def converge(testbed: Testbed, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> Reading:
    """Make the live chain the one of ``plan`` if it is not, and return what is read of it.

    Raises:
        MiddlebenchError: a step failed, or the chain is still another one.
    """
    try:
        reading = read_before(testbed)
    except MiddlebenchError as error:  # such as a switch that does not run: deploying starts it, or says why not
        differences = [f"what is live cannot be read: {error.happened}"]
    else:
        differences = reading.live.differences(plan, testbed.options.site.link.mtu)
    if not differences:
        return reading
    tell(f"{plan} is not live ({differences[0]}): deploying it")
    deploy(testbed, plan)
    return read_before(testbed)


def deploy(testbed: Testbed, plan: Plan) -> Deployment:
    """Tear down what is there, build the chain of ``plan`` from nothing, and time each step.

    A switch whose daemon ends or hangs meanwhile is started anew, once: the error is the daemon's, not the chain's.

    Raises:
        MiddlebenchError: a step failed, or no probe passes the finished chain.
    """
    testbed.middleboxes.check(plan)
    try:
        return _deployed(testbed, plan)
    except MiddlebenchError:
        if testbed.switch.answers():
            raise
    return _deployed(testbed, plan).model_copy(update={"switch_crashes": 1})


def _deployed(testbed: Testbed, plan: Plan) -> Deployment:
    testbed.switch.start()
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    steps: dict[str, float] = {}
    removing = time.monotonic()
    tear_down(testbed)
    begin = time.monotonic()

    def done(step: str) -> None:
        steps[step] = time.monotonic() - begin - sum(steps.values())

    testbed.switch.create_bridges(plan)
    done("bridges")
    sockets = testbed.middleboxes.create(plan)
    done("middleboxes")
    testbed.switch.connect(plan, sockets)
    done("ports and flows")
    starts = testbed.middleboxes.wait_until_ready(plan)
    done("ready")
    _await_first_probe(testbed, plan)
    done("first probe")
    live = read_live(testbed)
    if differences := live.differences(plan, testbed.options.site.link.mtu):
        raise TrialError(f"deploying {plan} on {testbed.name}", "; ".join(differences))
    return Deployment(
        testbed=testbed.name,
        started_at=started_at,
        plan=plan.record(),
        components=testbed.components(),
        environment=testbed.environment,
        fingerprint=live.fingerprint,
        steps_s={step: round(seconds, 6) for step, seconds in steps.items()},
        total_s=round(sum(steps.values()), 6),
        removing_s=round(begin - removing, 6),
        middleboxes=tuple(dataclasses.asdict(start) for start in starts),
    )


def tear_down(testbed: Testbed) -> None:
    """Remove every chain of ours from the testbed."""
    remove_chains(testbed.switch, testbed.middleboxes)


def _await_first_probe(testbed: Testbed, plan: Plan) -> None:
    deadline = Deadline(FIRST_PROBE_SECONDS).stretched(testbed.hosts.middlebox_server.timeout_factor)
    for flow in range(len(plan.paths)):
        while True:
            before = testbed.switch.counters()
            probed = probe_path(testbed, plan, flow, MINIMUM_FRAME_BYTES, 1)
            if probed.probe.returned:
                break
            if differences := read_live(testbed).differences(plan, testbed.options.site.link.mtu):
                raise TrialError(f"deploying {plan} on {testbed.name}", "; ".join(differences))
            if deadline.expired or probed.problem:
                raise dead_path(testbed, plan, flow, probed, before, testbed.switch.counters())


def release_held(testbed: Testbed, plan: Plan, frame_bytes: int) -> None:
    """Send probes until no frame of an earlier trial comes back with them, or they are too many.

    An AF_XDP port keeps frames that it may not send yet until the switch sends a further one by it (its socket's buffer
    is full as long as the other end has not taken those before).
    """
    for _ in range(RELEASES):
        probes = [probe_path(testbed, plan, flow, frame_bytes, 1).probe for flow in range(len(plan.paths))]
        if not any(probe.unexpected for probe in probes):
            return


def proven(testbed: Testbed, plan: Plan, frame_bytes: int, reading: Reading) -> tuple[Reading, tuple[Probe, ...]]:
    """Prove all paths, and return a reading as it is behind the probes, and the probes of each path.

    Raises:
        TrialError: as :func:`middlebench.trials.probing.prove_paths` does, or the chain changed meanwhile.
    """
    probes = prove_paths(testbed, plan, frame_bytes, reading.switch.ports)
    if plan.stops_probes:  # those have passed a part of the way, so what was counted must be read
        now = read_before(testbed)
        if changes := now.live.changes_since(reading.live):
            raise TrialError(f"probing {plan} on {testbed.name}", "; ".join(changes))
        return now, probes
    for path, probe in zip(plan.paths, probes, strict=True):
        reading = reading.with_passed(path, probe.returned)
    return reading, probes
