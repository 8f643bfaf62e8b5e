"""From what is live to what is planned, and the proof that it is what it seems.

A file cannot say what is live: before a cell is measured the live chain is read, made the wanted
one if it is not, and proven by frames that pass every hop.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from middlebench.generators.base import Probe
from middlebench.middleboxes.base import MiddleboxReading
from middlebench.model.frames import MINIMUM_FRAME_BYTES
from middlebench.model.plan import Path, Plan, plan_chain
from middlebench.model.record import Deployment
from middlebench.switches.base import LiveBridge, LiveSwitch, PortCounters, SwitchReading
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddlebenchError, TrialError
from middlebench.testbed import Testbed

PROBES = 3
FIRST_PROBE_SECONDS = 30.0
"""How long a fresh chain may take until a first probe passes all of it."""


@dataclass(frozen=True)
class LiveChain:
    """What is there now: the switch's bridges and the middleboxes, each with its identity."""

    switch: LiveSwitch
    middleboxes: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it: two live chains are one and the same when theirs are equal."""
        text = json.dumps(
            {
                "bridges": {
                    name: [sorted(bridge.ports), sorted(bridge.flows), list(bridge.foreign)]
                    for name, bridge in self.switch.bridges.items()
                },
                "switch": self.switch.identity,
                "middleboxes": self.middleboxes,
            },
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, plan: Plan) -> list[str]:
        """Return, a sentence each, in what this chain is not the one of ``plan``; none when it is."""
        found = _missing_and_surplus("bridge", {bridge.name for bridge in plan.bridges}, set(self.switch.bridges))
        found += _missing_and_surplus("middlebox", {each.name for each in plan.middleboxes}, set(self.middleboxes))
        for bridge in plan.bridges:
            live = self.switch.bridges.get(bridge.name)
            if live is None:
                continue
            found += _missing_and_surplus(f"{bridge.name}: port", set(bridge.ports), set(live.ports))
            flows = set(plan.routes[bridge.name])
            found += [f"{bridge.name}: no flow from {a} to {b}" for a, b in sorted(flows - live.flows)]
            found += [f"{bridge.name}: a flow from {a} to {b}, not ours" for a, b in sorted(live.flows - flows)]
            found += [f"{bridge.name}: {text}" for text in live.foreign]
        return found

    def changes_since(self, earlier: LiveChain) -> list[str]:
        """Return, a sentence each, what became different since ``earlier``."""
        found = [
            f"middlebox {name} {'ended' if name not in self.middleboxes else 'is another one'} ({identity})"
            for name, identity in earlier.middleboxes.items()
            if self.middleboxes.get(name) != identity
        ]
        found += [f"middlebox {name} is new" for name in sorted(set(self.middleboxes) - set(earlier.middleboxes))]
        for name in sorted({*earlier.switch.bridges, *self.switch.bridges}):
            found += _bridge_changes(name, earlier.switch.bridges.get(name), self.switch.bridges.get(name))
        if not found and self.switch.identity != earlier.switch.identity:
            found.append("the switch was restarted or its bridges were made anew")
        return found


@dataclass(frozen=True)
class Reading:
    """The live chain, and what everybody has counted and used up to one moment.

    It is never taken while traffic runs: it costs what the chain would feel.
    """

    switch: SwitchReading
    middleboxes: Mapping[str, MiddleboxReading]

    @property
    def live(self) -> LiveChain:
        """The live chain."""
        return LiveChain(self.switch.live, {name: each.identity for name, each in self.middleboxes.items()})

    def missing(self, plan: Plan) -> list[str]:
        """Return the ports of ``plan`` that are not there, so that nothing is known of their counters."""
        return [port for port in plan.ports if port not in self.switch.ports]

    def with_passed(self, path: Path, frames: int) -> Reading:
        """Return this reading as it is once ``frames`` more frames have passed every hop of a path."""
        ports, bridges, middleboxes = dict(self.switch.ports), dict(self.switch.bridges), dict(self.middleboxes)
        for port, counter in path.counters:
            ports[port] = dataclasses.replace(ports[port], **{counter: getattr(ports[port], counter) + frames})
        for hop in path.hops:
            if (counters := bridges.get(hop.name)) and hop.kind == "bridge":
                flow = counters.forwarding.get((hop.ingress_port, hop.egress_port))
                flows = {each: packets + frames * (each == flow) for each, packets in counters.flows.items()}
                bridges[hop.name] = dataclasses.replace(counters, flows=flows)
            if (own := middleboxes.get(hop.name)) and hop.kind == "middlebox":
                middleboxes[hop.name] = dataclasses.replace(
                    own,
                    rx_packets=None if own.rx_packets is None else own.rx_packets + frames,
                    tx_packets=None if own.tx_packets is None else own.tx_packets + frames,
                )
        return Reading(dataclasses.replace(self.switch, ports=ports, bridges=bridges), middleboxes)


def _bridge_changes(name: str, then: LiveBridge | None, now: LiveBridge | None) -> list[str]:
    if then is None or now is None:
        return [f"bridge {name} {'is gone' if then else 'is new'}"] if then != now else []
    found = [f"{name}: port {port} {'is gone' if port in then.ports else 'is new'}" for port in then.ports ^ now.ports]
    for flow in then.flows ^ now.flows:
        found.append(f"{name}: the flow from {flow[0]} to {flow[1]} {'is gone' if flow in then.flows else 'is new'}")
    for text in {*then.foreign} ^ {*now.foreign}:
        found.append(f"{name}: {text}{', no more' if text in then.foreign else ''}")
    return sorted(found)


def _missing_and_surplus(kind: str, wanted: set[str], live: set[str]) -> list[str]:
    return [f"{kind} {name} is missing" for name in sorted(wanted - live)] + [
        f"{kind} {name} is too many" for name in sorted(live - wanted)
    ]


def read_live(testbed: Testbed) -> LiveChain:
    """Return the live chain."""
    return LiveChain(switch=testbed.switch.live(), middleboxes=testbed.middleboxes.live())


def read_before(testbed: Testbed) -> Reading:
    """Read everything before traffic, the processors last: what reading costs is not the traffic's."""
    middleboxes = testbed.middleboxes.read()
    return Reading(testbed.switch.read(), middleboxes)


def read_after(testbed: Testbed) -> Reading:
    """Read everything after traffic, the processors first."""
    switch = testbed.switch.read()
    return Reading(switch, testbed.middleboxes.read())


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
        differences = reading.live.differences(plan)
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
    if differences := live.differences(plan):
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
    deadline = Deadline(FIRST_PROBE_SECONDS).stretched(testbed.hosts.middlebox_server.patience)
    for flow, path in enumerate(plan.paths):
        while True:
            before = testbed.switch.counters()
            probe = testbed.generator.probe(MINIMUM_FRAME_BYTES, 1, flow)
            if probe.returned:
                break
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
        if probe.returned != probe.sent or probe.strange or _first_silent_port(path, before, after, probe.sent):
            raise _dead_path(testbed, plan, path, probe, before, after)
        probes.append(probe)
    return tuple(probes)


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
        f"of {probe.sent} probes {probe.returned} came back whole, with {probe.strange} unexpected frames; {where}",
        "run `make down` and try again; if it stays, look at the middlebox before that place",
    )
