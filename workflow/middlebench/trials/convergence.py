"""From what is live to what is planned, and the proof that it is what it seems.

A file cannot say what is live: before a cell is measured the live chain is read, made the wanted
one if it is not, and proven by frames that pass every hop.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime

from middlebench.model.frames import MINIMUM_FRAME_BYTES
from middlebench.model.live import LiveChain
from middlebench.model.plan import Path, Plan, plan_chain
from middlebench.model.reading import PortCounters, Reading
from middlebench.model.record import Deployment
from middlebench.model.traffic import Probe
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddlebenchError, TrialError
from middlebench.testbed import Testbed

PROBES = 3
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


def plan_for(testbed: Testbed, n: int) -> Plan:
    """Return the plan of a chain of n middleboxes on this testbed."""
    return plan_chain(n, testbed.hosts.server_ports)


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

    Raises:
        MiddlebenchError: a step failed, or no probe passes the finished chain.
    """
    testbed.switch.start()
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    steps: dict[str, float] = {}
    tear_down(testbed)
    begin = time.monotonic()

    def done(step: str) -> None:
        steps[step] = time.monotonic() - begin - sum(steps.values())

    testbed.switch.create_bridges(plan)
    done("bridges")
    testbed.middleboxes.create(plan)
    done("middleboxes")
    testbed.switch.connect(plan)
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
        plan=dataclasses.asdict(plan),
        components=testbed.components(),
        environment=testbed.environment,
        fingerprint=live.fingerprint,
        steps_s={step: round(seconds, 6) for step, seconds in steps.items()},
        total_s=round(sum(steps.values()), 6),
        middleboxes=tuple(dataclasses.asdict(start) for start in starts),
    )


def tear_down(testbed: Testbed) -> None:
    """Remove every chain of ours from the testbed."""
    testbed.middleboxes.destroy()
    testbed.switch.tear_down()


def _await_first_probe(testbed: Testbed, plan: Plan) -> None:
    deadline = Deadline(FIRST_PROBE_SECONDS).stretched(testbed.hosts.middlebox_server.timeout_factor)
    for flow, path in enumerate(plan.paths):
        while True:
            before = testbed.switch.counters()
            probe = testbed.generator.probe(MINIMUM_FRAME_BYTES, 1, flow)
            if probe.returned:
                break
            if differences := read_live(testbed).differences(plan, testbed.options.site.link.mtu):
                raise TrialError(f"deploying {plan} on {testbed.name}", "; ".join(differences))
            if deadline.expired:
                raise _dead_path(testbed, plan, path, probe, before, testbed.switch.counters())


def prove_paths(testbed: Testbed, plan: Plan, frame_bytes: int) -> tuple[Probe, ...]:
    """Send probes of the cell's own frame size on every path of ``plan``, and demand that they pass every hop of it.

    Returns:
        What became of the probes of each path.

    Raises:
        TrialError: a probe did not come back as it was, or a hop was passed by; the hop is named.
    """
    probes = []
    for flow, path in enumerate(plan.paths):
        before = testbed.switch.counters()
        probe = testbed.generator.probe(frame_bytes, PROBES, flow)
        after = testbed.switch.counters()
        if probe.returned != probe.sent or probe.unexpected or _first_silent_port(path, before, after, probe.sent):
            raise _dead_path(testbed, plan, path, probe, before, after)
        probes.append(probe)
    return tuple(probes)


def release_held(testbed: Testbed, plan: Plan, frame_bytes: int) -> None:
    """Send probes until no frame of an earlier trial comes back with them, or they are too many.

    An AF_XDP port keeps frames that it may not send yet until the switch sends a further one by it (its socket's buffer
    is full as long as the other end has not taken those before).
    """
    for _ in range(RELEASES):
        probes = [testbed.generator.probe(frame_bytes, 1, flow) for flow in range(len(plan.paths))]
        if not any(probe.unexpected for probe in probes):
            return


def proven(testbed: Testbed, plan: Plan, frame_bytes: int, reading: Reading) -> tuple[Reading, tuple[Probe, ...]]:
    """Prove all paths, and return a reading as it is behind the probes, and the probes of each path.

    Raises:
        TrialError: as :func:`prove_paths` does.
    """
    probes = prove_paths(testbed, plan, frame_bytes)
    for path, probe in zip(plan.paths, probes, strict=True):
        reading = reading.with_passed(path, probe.returned)
    return reading, probes


def _first_silent_port(
    path: Path, before: dict[str, PortCounters], after: dict[str, PortCounters], count: int
) -> str | None:
    """Return where along a path fewer than ``count`` frames were counted first, in words; None for nowhere."""
    for hop in path.hops:
        for (port, counter), verb in zip(hop.counters, ("enter", "leave"), strict=True):
            if port not in before or port not in after:
                return f"{hop.kind} {hop.index}, whose port {port} is gone"
            if getattr(after[port], counter) - getattr(before[port], counter) < count:
                return f"{hop.kind} {hop.index}, where they should {verb} at {port}"
    return None


def _dead_path(
    testbed: Testbed,
    plan: Plan,
    path: Path,
    probe: Probe,
    before: dict[str, PortCounters],
    after: dict[str, PortCounters],
) -> TrialError:
    silent = _first_silent_port(path, before, after, probe.sent)
    where = f"they are lost before {silent}" if silent else "every hop counted them"
    return TrialError(
        f"probing {plan} on {testbed.name}",
        f"of {probe.sent} probes {probe.returned} came back whole, with {probe.unexpected} unexpected frames; {where}",
        "run `make down` and try again; if it stays, look at the middlebox before that place",
    )
