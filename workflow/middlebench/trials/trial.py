"""One trial: converge, prove the path, run the traffic, and check that nothing changed meanwhile.

:func:`run_trial` is one run of traffic and may be called many times on a chain; a cell is
:func:`middlebench.trials.cell.measure`.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from middlebench.diagnosis.accounting import account
from middlebench.diagnosis.between import passed_between, usage_between
from middlebench.diagnosis.bottleneck import NEGLIGIBLE_LOSS, bottleneck_of
from middlebench.diagnosis.offered import is_confirmed, stalls, unexpected_frames
from middlebench.diagnosis.received import on_the_way, stopped
from middlebench.diagnosis.sampled import WrongFrame, is_sampled, wrong_frame
from middlebench.model.consistency import above_line_rate
from middlebench.model.frames import ETHERNET_HEADER_BYTES, line_rate_pps, udp_frame
from middlebench.model.mix import FrameSize, size_label, sizes_of
from middlebench.model.plan import Plan
from middlebench.model.reading import Reading
from middlebench.model.record import Bottleneck, Counts, Hop, MiddleboxCounts, Settings, WireCounts
from middlebench.model.sharing import path_of
from middlebench.model.traffic import Load, Probe, Traffic
from middlebench.model.usage import Usage
from middlebench.sites.base import LinkOptions
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddlebenchError, TrialError
from middlebench.testbed import Testbed
from middlebench.trials.convergence import converge, deploy, proven, read_after, read_before, release_held
from middlebench.trials.probing import wrong_hop

LATE_SECONDS = 5.0
"""How long to wait for frames that are known to be on the last link, after the generator's own drain."""

REST_SECONDS = 30.0
"""How long to wait for frames that move within the chain: so long as twenty full queues of 500 frames take at 400 a
second, which is what twenty machines pass on here that take turns on one processor (KVM within a virtual machine)."""

REST_LOOK_SECONDS = 0.2
"""Between two looks at it: what counts the same at both is at rest."""

UNCHANGED_BYTES = 9
"""How much of the IPv4 header no function changes, its flow's number in it: all up to the protocol, but for that."""

MOST_FLOWS_LOOKED_AT = 256
"""How many flows are looked at to find the middlebox that did something wrong to one of them."""

LEAST_PACKETS = 10
"""Frames that a load must intend in a window: below, what is counted says more of the moments of reading."""


@dataclass(frozen=True)
class Outcome:
    """One run of traffic over a proven chain, and all that was seen of it. It may be believed."""

    load: Load
    traffic: Traffic
    counts: Counts
    hops: tuple[Hop, ...]
    middleboxes: tuple[MiddleboxCounts, ...]
    wires: tuple[WireCounts, ...]
    usage: Usage
    bottleneck: Bottleneck
    after: Reading
    """The chain and its counters behind the trial."""

    @property
    def unconfirmed(self) -> bool:
        """Whether fewer frames reached the server than a generator claims that counts by itself."""
        sent = self.counts.trial_sent_packets
        return self.traffic.claimed and not is_confirmed(sent, self.hops[0].rx_packets)


def prepare(
    testbed: Testbed, plan: Plan, frame_size: FrameSize, tell: Callable[[str], None] = lambda _: None
) -> tuple[Reading, tuple[Probe, ...]]:
    """Make the chain of ``plan`` the live one, and prove that frames of this size pass every hop; of a mix the largest.

    Returns:
        The chain and its counters behind the probes, and the probes of each path.

    Raises:
        TrialError: no probe passes, even of a chain that was just deployed.
        MiddlebenchError: the chain could not be had.
    """
    reading, frame_bytes = converge(testbed, plan, tell), probe_size(frame_size)
    try:
        return proven(testbed, plan, frame_bytes, reading)
    except TrialError as error:
        tell(f"{error}\nthe chain looks right but does not forward: deploying it anew")
        deploy(testbed, plan)
        return proven(testbed, plan, frame_bytes, read_before(testbed))


def run_trial(
    testbed: Testbed, plan: Plan, load: Load, before: Reading, *, negligible: float = NEGLIGIBLE_LOSS
) -> Outcome:
    """Run traffic once over the live chain, under watch, and see that nothing else changed meanwhile.

    ``before`` is what :func:`prepare` returned, or ``after`` of the outcome of the trial before this one: any change of
    the chain since then voids the trial. A chain that keeps up may lose a share of ``negligible``.

    Raises:
        TrialError: the trial ran but must not be believed; the message says where its packets were lost.
        MiddlebenchError: there was no traffic, or no counters.
    """
    doing = f"measuring {plan}, {load.label} on {testbed.name}"
    load = dataclasses.replace(load, sampled=is_sampled(plan, load))
    link_bps = testbed.options.site.link.rate_bps
    testbed.hosts.links_expect(load)
    with testbed.middleboxes.watch() as watch:
        try:
            traffic = testbed.generator.run(load, watch.fired)
        except MiddlebenchError as error:
            if watch.problem:
                raise void(doing, [watch.problem, *_passed_since(testbed, plan, before)]) from error
            raise
    if watch.problem:
        raise void(doing, [watch.problem, *_passed_since(testbed, plan, before)])
    try:
        after, traffic = _read_at_rest(testbed, plan, before, traffic)
    except MiddlebenchError as error:
        raise void(doing, [f"what is live cannot be read any more: {error.happened}"]) from error
    problems = after.live.changes_since(before.live) + problems_of(load, testbed.options.site.link, traffic)
    if missing := {*before.missing(plan), *after.missing(plan)}:
        nothing = [f"nothing is counted at {', '.join(sorted(missing))} any more"]
        raise void(doing, [*(problems or nothing), *_passed_between(plan, before, after)])
    passed = passed_between(plan, before, after)
    counts = counts_of(load, traffic)
    problems += unexpected_frames(counts.trial_sent_packets, passed.hops[0].rx_packets)
    problems += _on_the_links(testbed, traffic, passed.hops)
    usage = usage_between(plan, before, after, traffic, testbed.hosts.test_computer.cpus)
    if wrong := wrong_frame(plan, load, traffic):
        problems.append(_wrong_under_load(testbed, plan, load, wrong))
    if not problems:
        try:
            after = proven(testbed, plan, probe_size(load.frame_bytes), after)[0]
        except TrialError as error:
            try:
                release_held(testbed, plan, probe_size(load.frame_bytes))
                again = read_after(testbed)
                problems += again.live.changes_since(before.live)
                after = proven(testbed, plan, probe_size(load.frame_bytes), again)[0]
            except TrialError:
                problems.append(f"frames do not pass any more: {error.happened}")
    if problems:
        problems += testbed.hosts.changes()
        found = account(counts.trial_sent_packets, counts.trial_received_packets, *passed)
        raise void(doing, [*problems, str(found)])
    line_rate_packets = line_rate_pps(link_bps, load.mean_bytes) * counts.window_s
    return Outcome(
        load=load,
        traffic=traffic,
        counts=counts,
        hops=passed.hops,
        middleboxes=passed.middleboxes,
        wires=passed.wires,
        usage=usage,
        bottleneck=bottleneck_of(
            counts, line_rate_packets, passed.hops, passed.middleboxes, usage, negligible, passed.wires
        ),
        after=after,
    )


def _wrong_under_load(testbed: Testbed, plan: Plan, load: Load, wrong: WrongFrame) -> str:
    """Return, as a sentence, what is wrong with a frame of a load, and which middlebox does it under that load."""
    paths = len(plan.paths)
    path = path_of(wrong.flow, paths)
    flows = [wrong.flow, *(flow for flow in range(load.flows) if path_of(flow, paths) == path)][:MOST_FLOWS_LOOKED_AT]
    frames = [udp_frame(wrong.size, flow=flow)[ETHERNET_HEADER_BYTES:] for flow in flows]
    again = dataclasses.replace(load, warm_up_s=0.0, window_s=1.0, sample_interval_s=1.0, packets=None)
    try:
        marks = [frame[:UNCHANGED_BYTES] for frame in frames]
        culprit = wrong_hop(testbed, plan, path, marks, lambda: testbed.generator.run(again))
    except MiddlebenchError as error:
        culprit = f"which middlebox did it was not seen: {error.happened}"
    return f"a frame came back wrong under load: {wrong.problem}; {culprit}"


def _passed_since(testbed: Testbed, plan: Plan, before: Reading) -> list[str]:
    """Return, as a sentence, what has passed the middleboxes since a reading; nothing where that cannot be told."""
    try:
        after = read_after(testbed)
    except MiddlebenchError:  # whatever ended the trial is the error to tell
        return []
    return _passed_between(plan, before, after)


def _passed_between(plan: Plan, before: Reading, after: Reading) -> list[str]:
    """Return, as a sentence, what has passed the middleboxes between two readings; where some are gone, the others."""
    if before.missing(plan) or after.missing(plan):
        then, now = before.switch.ports, after.switch.ports
        passed = [
            f"{now[port].rx_packets - then[port].rx_packets:,} by {middlebox.name}"
            for middlebox in plan.middleboxes
            if (port := middlebox.egress_port) in then and port in now
        ]
        return [f"the others passed on: {', '.join(passed)}"] if passed else []
    found = passed_between(plan, before, after)
    return [f"until then: {account(found.hops[0].rx_packets, found.hops[-1].tx_packets, *found)}"]


def _read_at_rest(testbed: Testbed, plan: Plan, before: Reading, traffic: Traffic) -> tuple[Reading, Traffic]:
    """Read the chain behind traffic, again while frames are on their way; return the traffic with those that were late.

    A chain may pause for longer than the generator's drain waits, such as one whose many machines take turns on one
    processor. Counters that were read while frames moved contradict each other; where nothing moves and they still do,
    it is for the caller to say.
    """
    deadline = Deadline(REST_SECONDS).stretched(testbed.hosts.test_computer.timeout_factor)
    after, passed = read_after(testbed), None
    while not before.missing(plan) and not after.missing(plan):
        earlier, passed = passed, passed_between(plan, before, after)
        if testbed.hosts.links_lose_nothing:
            traffic = _with_late_frames(testbed, traffic, passed.hops[-1].tx_packets)
        found = account(traffic.trial_sent_packets, traffic.trial_received_packets, *passed)
        moving = found.contradictions or _on_the_links(testbed, traffic, passed.hops)
        if not moving or passed == earlier or deadline.expired:
            break
        time.sleep(REST_LOOK_SECONDS)
        after = read_after(testbed)
    return after, traffic


def _on_the_links(testbed: Testbed, traffic: Traffic, hops: Sequence[Hop]) -> list[str]:
    """Return, a sentence each, which frames are on a link; nothing where a link may lose them."""
    if not testbed.hosts.links_lose_nothing:
        return []
    return on_the_way(traffic.trial_sent_packets - traffic.overflowed_packets, traffic.trial_received_packets, hops)


def _with_late_frames(testbed: Testbed, traffic: Traffic, left: int) -> Traffic:
    """Wait for frames that had left the last bridge and not arrived when the drain ended; return the traffic with them.

    ``left`` are the packets that left the last bridge in the trial.
    """
    host, port = testbed.hosts.test_computer, testbed.hosts.test_ports[1]
    deadline = Deadline(LATE_SECONDS).stretched(host.timeout_factor)
    while traffic.receiver_counter is not None and traffic.trial_received_packets < left and not deadline.expired:
        (link,) = json.loads(host.run(["ip", "-json", "-statistics", "link", "show", "dev", port]).stdout)
        counted = link["stats64"]["rx"]
        more = int(counted["packets"]) - traffic.receiver_counter
        traffic = dataclasses.replace(
            traffic,
            trial_received_packets=traffic.trial_received_packets + more,
            receiver_counter=traffic.receiver_counter + more,
            receiver_bytes=traffic.receiver_bytes and traffic.receiver_bytes.later(int(counted["bytes"]), more),
        )
    return traffic


def probe_size(frame_size: FrameSize) -> int:
    """Return the size of the frames that prove a path: of a mix the largest, which passes where the others do."""
    return max(sizes_of(frame_size))


def load_of(frame_size: FrameSize, settings: Settings, link_bps: float) -> Load:
    """Return the load that the settings ask for at one frame size; never more than the link carries.

    Raises:
        TrialError: it is so low that a window would hold hardly a frame.
    """
    line_rate = line_rate_pps(link_bps, mean(sizes_of(frame_size)))
    # A search begins at the maximum.
    asked = line_rate if isinstance(settings.offered_load, str) else min(settings.offered_load * 1000, line_rate)
    if asked * settings.window_s < LEAST_PACKETS:
        raise TrialError(
            f"choosing the load for {size_label(frame_size)}",
            f"{asked:g} packets/s make {asked * settings.window_s:g} frames in a window of {settings.window_s:g} s",
            f"raise `offered_load` or `window_s` until a window holds {LEAST_PACKETS} frames",
        )
    return Load(
        frame_bytes=frame_size,
        packets_per_second=asked,
        saturating=asked >= line_rate,
        warm_up_s=settings.warm_up_s,
        window_s=settings.window_s,
        sample_interval_s=settings.sample_interval_s,
        flows=settings.flows,
    )


def counts_of(load: Load, traffic: Traffic) -> Counts:
    """Return the trial's counts as they are recorded. Of a load of so many frames every one counts."""
    sent, received = traffic.trial_sent_packets, traffic.trial_received_packets
    counted = {name: getattr(traffic, name) for name in Counts.model_fields if hasattr(traffic, name)}
    intended = round(load.packets_per_second * traffic.window_s) if load.packets is None else load.packets
    if load.packets is not None:
        counted |= {"offered_packets": sent, "received_packets": received}
        arrived = traffic.receiver_bytes.trial if traffic.receiver_bytes else load.bytes_of(received)
        counted |= {"offered_bytes": load.bytes_of(sent), "received_bytes": arrived}
    return Counts(**{**counted, "window_s": round(traffic.window_s, 6)}, intended_packets=intended)


def problems_of(load: Load, link: LinkOptions, traffic: Traffic) -> list[str]:
    """Return, a sentence each, why what was counted cannot be believed; none when it can."""
    problems = [*stalls(load, traffic), *stopped(load, traffic)]
    if traffic.unexpected_packets:
        problems.append("frames that are not ours crossed the measured ports")
    if traffic.trial_received_packets > traffic.trial_sent_packets:
        problems.append(f"{traffic.trial_received_packets} frames arrived of {traffic.trial_sent_packets} sent")
    packets = {"offered": traffic.offered_packets, "received": traffic.received_packets}
    return problems + above_line_rate(packets, load.mean_bytes, traffic.window_s, link.rate_bps, link.burst_bytes)


def void(doing: str, problems: Sequence[str]) -> TrialError:
    """Return the error that says why a trial must not be believed."""
    happened = "the trial is void: " + "; ".join(problems)
    return TrialError(doing, happened, "nothing was recorded; run the same command again")
