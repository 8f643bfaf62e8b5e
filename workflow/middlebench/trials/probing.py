"""Single frames through the live chain: they must come back as the functions on their way make them, or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from middlebench.generators.base import NONCE_BYTES, nonce
from middlebench.hosts.shared.agents import agent_text
from middlebench.model.frames import MINIMUM_FRAME_BYTES, udp_frame
from middlebench.model.functions.function import FORWARD, Function
from middlebench.model.functions.probes import Judge, NegativeProbe, negative_probes
from middlebench.model.packets import HEADERS_BYTES, is_udp
from middlebench.model.plan import Hop, Path, Plan
from middlebench.model.reading import PortCounters
from middlebench.model.traffic import Probe
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddlebenchError, TrialError
from middlebench.testbed import Testbed
from middlebench.trials import capture_agent

PROBES = 3
MARK_BYTES = 8
"""The end of a nonce by which a negative probe is known: what it is refused for may stand in its beginning."""
CAPTURE_AGENT = agent_text(capture_agent)
CAPTURE_SECONDS = 3.0
AGAIN_SECONDS = 0.2
Counters = Mapping[str, PortCounters]


@dataclass(frozen=True)
class Probed:
    """What became of the probes of one path."""

    probe: Probe
    problem: str = ""
    """What the functions on the way did wrong; empty where they did right."""
    stopped: Sequence[NegativeProbe] = ()
    """Those that were to be stopped on the way."""

    @property
    def whole(self) -> bool:
        """Whether all is as it must be."""
        return self.probe.returned == self.probe.sent and not self.probe.unexpected and not self.problem


def probe_path(testbed: Testbed, plan: Plan, flow: int, frame_bytes: int, count: int = PROBES) -> Probed:
    """Send ``count`` probes on the path of a flow, and for each thing that its functions refuse one that must not pass.

    Raises:
        GeneratorError: they could not be sent or watched for.
    """
    functions = plan.functions_on(plan.paths[flow])
    if all(function.name == FORWARD for function in functions):
        return Probed(testbed.generator.probe(frame_bytes, count, flow))
    marks = [nonce() for _ in range(count)]
    sent = [udp_frame(frame_bytes, mark, flow) for mark in marks]
    refused = negative_probes(functions, udp_frame(frame_bytes, nonce(), flow))
    if len(plan.paths) > 1:  # a bridge that chooses by UDP port stops all else by itself
        refused = [each for each in refused if is_udp(each.frame)]
    # What must not pass goes first: if it leaks, it is back before the others are, and is seen.
    came = testbed.generator.exchange([each.frame for each in refused] + sent, marks)
    judge, problems, returned = Judge(functions), [], 0
    for frame in came:
        known = [number for number, mark in enumerate(marks) if mark in frame]
        if known:
            problem = judge.problem(sent[known[0]], frame)
            returned += not problem
            problems += [f"a probe came back wrong: {problem}"] if problem else []
        else:
            leaked = [each for each in refused if _mark(each.frame) in frame]
            problems += [f"a frame came through that must not ({leaked[0].why})"] if leaked else []
    return Probed(
        Probe(sent=count, returned=returned, unexpected=len(came) - returned), problems[0] if problems else "", refused
    )


def _mark(frame: bytes) -> bytes:
    """Return what a negative probe is known by, whatever is done to its headers."""
    end = HEADERS_BYTES + NONCE_BYTES
    return frame[end - MARK_BYTES : end]


def prove_paths(testbed: Testbed, plan: Plan, frame_bytes: int, before: Counters | None = None) -> tuple[Probe, ...]:
    """Send probes of the cell's own frame size on every path of ``plan``, and demand that they pass every hop of it.

    ``before`` is what the ports have counted so far, where that was just read.

    Returns:
        What became of the probes of each path.

    Raises:
        TrialError: a probe did not come back as it must, one came that must not, or a hop was passed by; the hop is
            named.
    """
    probes = []
    before = before or testbed.switch.counters()
    for flow, path in enumerate(plan.paths):
        probed = probe_path(testbed, plan, flow, frame_bytes)
        after = testbed.switch.counters()
        if not probed.whole or odd_place(path, before, after, probed):
            raise dead_path(testbed, plan, flow, probed, before, after)
        probes.append(probed.probe)
        before = after
    return tuple(probes)


def odd_place(path: Path, before: Counters, after: Counters, probed: Probed) -> str:
    """Return what the ports of a path counted first that they should not have, in words; empty for nothing."""
    stopped = list(probed.stopped)
    for hop in path.hops:
        for (port, counter), verb in zip(hop.counters, ("enter", "leave"), strict=True):
            if hop.kind == "middlebox" and verb == "leave":
                here = [each for each in stopped if each.hop == hop.index]
                stopped = [each for each in stopped if each.hop != hop.index]
            else:
                here = []
            if port not in before or port not in after:
                return f"they are lost before {hop.kind} {hop.index}, whose port {port} is gone"
            counted = getattr(after[port], counter) - getattr(before[port], counter)
            if counted < probed.probe.sent + len(stopped):
                return f"they are lost before {hop.kind} {hop.index}, where they should {verb} at {port}"
            if here and counted > probed.probe.sent + len(stopped):
                whys = "; ".join(each.why for each in here)
                return f"middlebox {hop.index} ({hop.name}) let through what it must stop ({whys})"
    return ""


def dead_path(testbed: Testbed, plan: Plan, flow: int, probed: Probed, before: Counters, after: Counters) -> TrialError:
    """Return the error that says what became of the probes of a path, and at which hop."""
    probe = probed.probe
    where = odd_place(plan.paths[flow], before, after, probed)
    if probed.problem and not where:
        marks = [nonce() for _ in range(PROBES)]
        frames = [udp_frame(MINIMUM_FRAME_BYTES, mark, flow) for mark in marks]
        culprit = wrong_hop(testbed, plan, flow, marks, lambda: testbed.generator.exchange(frames, marks))
        where = f"{probed.problem}; {culprit}"
    return TrialError(
        f"probing {plan} on {testbed.name}",
        f"of {probe.sent} probes {probe.returned} came back as they must, with {probe.unexpected} unexpected frames; "
        f"{where or 'every hop counted them'}",
        "run `make down` and try again; if it stays, look at the middlebox before that place",
    )


def wrong_hop(testbed: Testbed, plan: Plan, path: int, marks: Sequence[bytes], send: Callable[[], object]) -> str:
    """Say which middlebox of a path does wrong, by frames in front of and behind each.

    ``send`` sends frames, and is called until enough was seen of those that have one of the ``marks`` in them.
    """
    hops = [hop for hop in plan.paths[path].hops if hop.kind == "middlebox"]
    seen: dict[str, list[bytes]] = {}

    def look() -> None:
        ports = [port for hop in hops for port in (hop.ingress_port, hop.egress_port)]
        request = {"ports": ports, "marks": [mark.hex() for mark in marks], "seconds": CAPTURE_SECONDS}
        host = testbed.hosts.middlebox_server
        try:
            command = host.script(CAPTURE_AGENT, json.dumps(request))
            result = host.run(command, deadline=Deadline(CAPTURE_SECONDS + 10))
            answer = json.loads(result.stdout)
            seen.update({port: [bytes.fromhex(frame) for frame in answer.get(port, [])] for port in ports})
        except (MiddlebenchError, ValueError):
            return  # the probes' own error is the one to tell

    thread = threading.Thread(target=look, name="look at probes", daemon=True)
    thread.start()
    while thread.is_alive():
        send()
        time.sleep(AGAIN_SECONDS)
    thread.join()
    for hop, function in zip(hops, plan.functions_on(plan.paths[path]), strict=True):
        if problem := _problem_at(hop, function, marks, seen):
            return f"middlebox {hop.index} ({hop.name}) did it: {problem}"
    return "which middlebox did it cannot be seen at the server's ports"


def _problem_at(hop: Hop, function: Function, marks: Sequence[bytes], seen: Mapping[str, Sequence[bytes]]) -> str:
    """Return what a middlebox did wrong, from what was seen on both of its ports."""
    judge = Judge([function])
    sent: dict[bytes, bytes] = {}
    for frame in seen.get(hop.ingress_port, ()):
        sent.setdefault(_first(marks, frame), frame)
    for came in seen.get(hop.egress_port, ()):
        before = sent.get(_first(marks, came))
        if before is not None and (problem := judge.problem(before, came)):
            return problem
    return ""


def _first(marks: Sequence[bytes], frame: bytes) -> bytes:
    return next(mark for mark in marks if mark in frame)
