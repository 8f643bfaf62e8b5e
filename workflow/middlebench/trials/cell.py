"""One cell: search for its load where it has a goal, run its trial, time its frames, and write down what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from middlebench.diagnosis.processors import links_share, others_share
from middlebench.model.cell import Cell
from middlebench.model.frames import FULL
from middlebench.model.functions.function import Function
from middlebench.model.latency_result import LatencyTrial
from middlebench.model.live import LiveChain
from middlebench.model.load import SearchParameters, goal_of
from middlebench.model.mix import is_mix, mix_of
from middlebench.model.record import (
    GENERATOR_LIMITED,
    LINKS_COSTLY,
    LINKS_SHARE,
    OTHERS_SHARE,
    PROTOCOL,
    SERVER_SHARED,
    UNCONFIRMED,
    WINDOW_TOO_SHORT,
    Attestation,
    Components,
    Counts,
    Record,
    Sample,
    Settings,
)
from middlebench.model.search_result import Search
from middlebench.model.traffic import Probe, Traffic
from middlebench.model.usage import Usage
from middlebench.testbed import Testbed
from middlebench.trials.convergence import plan_for
from middlebench.trials.trial import load_of, prepare, run_trial, void

UNSETTLED = 2.0
"""So many times the frames that a window's rate explains, in the whole trial: a chain whose queues hold less than it
passes on in a trial stays below."""


def measure(
    testbed: Testbed,
    cell: Cell,
    settings: Settings,
    tell: Callable[[str], None] = lambda _: None,
    functions: Sequence[Function] = (),
) -> tuple[Record, str]:
    """Measure one cell and return its record, and what the generator's tools said.

    ``functions`` are what each middlebox does, as the cell's ``function`` says; none: all forward.

    Raises:
        TrialError: the trial ran but must not be believed; nothing is recorded.
        MiddlebenchError: the chain or the traffic could not be had.
    """
    plan = plan_for(testbed, cell.n, functions, cell.topology)
    before, probes = prepare(testbed, plan, cell.frame_bytes, tell)
    link_bps = testbed.options.site.link.rate_bps
    load = load_of(cell.frame_bytes, settings, link_bps)
    found = None
    if goal := goal_of(settings.offered_load):
        from middlebench.trials.search_trials import SearchTrials  # the library's start is not for every cell to pay

        trials = SearchTrials(testbed, plan, load, goal, before)
        found = trials.search(settings.search or SearchParameters(), tell)
        load, before = found.load, found.after
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    outcome = run_trial(testbed, plan, load, before)
    latency: tuple[LatencyTrial, ...] = ()
    if settings.latency:
        from middlebench.trials.latency import carried, measure_latency

        rate = carried(outcome.counts, found.search if found else None)
        latency = measure_latency(testbed, plan, load, rate, outcome.after, tell)
    if changes := testbed.hosts.changes():
        raise void(f"measuring {plan}, {load.label} on {testbed.name}", changes)
    record = Record(
        cell=cell,
        mix=mix_of(cell.frame_bytes) if is_mix(cell.frame_bytes) else None,
        started_at=started_at,
        protocol=PROTOCOL,
        settings=settings,
        components=components_of(testbed.components(), outcome.traffic),
        environment=testbed.environment,
        link_bps=link_bps,
        counts=outcome.counts,
        samples=tuple(
            Sample(t_s=round(each.t_s, 6), sent_packets=each.sent_packets, received_packets=each.received_packets)
            for each in outcome.traffic.samples
        ),
        attestation=attest(before.live, probes, outcome.traffic),
        hops=outcome.hops,
        middleboxes=outcome.middleboxes,
        wires=outcome.wires,
        usage=outcome.usage,
        bottleneck=(found and found.bottleneck) or outcome.bottleneck,
        flags=flags_of(outcome.counts, outcome.unconfirmed, found.search if found else None, outcome.usage),
        search=found.search if found else None,
        latency=latency,
    )
    return record, (found.raw if found else "") + outcome.traffic.raw


def components_of(testbed: Components, traffic: Traffic) -> Components:
    """Return what took part in a trial: what the testbed has, but for what sent the frames where another one did."""
    return testbed.model_copy(update={"generator": traffic.sender}) if traffic.sender else testbed


def flags_of(
    counts: Counts, unconfirmed: bool = False, found: Search | None = None, usage: Usage | None = None
) -> tuple[str, ...]:
    """Return what a reader must know before using these counts, and the search that led to them.

    ``unconfirmed`` says whether fewer frames reached the server than the generator claims.
    """
    received_pps = counts.received_packets / counts.window_s
    unsettled = usage and counts.trial_received_packets > UNSETTLED * received_pps * usage.traffic_s
    costly = (links_share(usage) or 0.0) > LINKS_SHARE if usage else False
    shared = (others_share(usage) or 0.0) > OTHERS_SHARE if usage else False
    limited = counts.offered_packets < FULL * counts.intended_packets
    flags = (
        (GENERATOR_LIMITED, limited),
        (UNCONFIRMED, unconfirmed),
        (LINKS_COSTLY, costly),
        (SERVER_SHARED, shared),
        (WINDOW_TOO_SHORT, unsettled),
    )
    return tuple(dict.fromkeys((*(flag for flag, set_ in flags if set_), *(found.flags if found else ()))))


def attest(live: LiveChain, probes: Sequence[Probe], traffic: Traffic) -> Attestation:
    """Return the evidence for one trial."""
    return Attestation(
        fingerprint=live.fingerprint,
        probes_sent=sum(each.sent for each in probes),
        probes_returned=sum(each.returned for each in probes),
        checked_packets=sum(count for _, count in traffic.sample),
    )
