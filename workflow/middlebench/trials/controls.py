"""Measures controls: the generator back to back with its own receiver, the switch only, and emulated links only.

All are offered all that the link carries, whatever the cells are offered: what they tell is how much
the instrument can do at this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from middlebench.diagnosis.between import usage_between
from middlebench.diagnosis.offered import stalls
from middlebench.model.controls import Control, ControlLog, ControlSet, Kind, Series
from middlebench.model.record import Counts, Settings
from middlebench.model.usage import Usage
from middlebench.system.errors import TrialError
from middlebench.testbed import Testbed
from middlebench.trials.convergence import plan_for, read_after, read_before, tear_down
from middlebench.trials.probing import PROBES
from middlebench.trials.trial import counts_of, load_of, prepare, problems_of, run_trial, void

SWITCH_ONLY = 0
"""Chain length of the control that has one bridge and no middlebox."""


def whole_set(testbed: Testbed, frame_sizes: Sequence[int]) -> list[Series]:
    """Return every kind of control that the testbed can have at each frame size (bytes without FCS), in their order."""
    kinds: tuple[Kind, ...] = ("switch-only",) if testbed.direct is None else ("back-to-back", "switch-only")
    return [Series(kind, size) for kind in kinds for size in frame_sizes]


def links_only(testbed: Testbed, frame_sizes: Sequence[int]) -> list[Series]:
    """Return the control that floods the links, with the smallest of these frames; none where they are real ones.

    It tells what the links cost, not whether the instrument stays the same: once a session is enough.
    """
    return [Series("links-only", min(frame_sizes))] if testbed.hosts.links_usage() else []


def measure_controls(
    testbed: Testbed,
    series: Sequence[Series],
    settings: Settings,
    log: ControlLog,
    session: str,
    tell: Callable[[str], None] = lambda _: None,
) -> ControlSet:
    """Measure controls, and keep each in the log as soon as it is measured.

    Its live chain becomes one bridge; the load of ``settings`` is replaced by the maximum.

    Raises:
        TrialError: a control must not be believed.
        MiddlebenchError: traffic or the bridge could not be had.
    """
    settings = settings.model_copy(update={"offered_load": "maximum", "search": None})
    names = []
    for each in series:
        if each.kind == "back-to-back":
            found = _back_to_back(testbed, each.frame_bytes, settings)
        elif each.kind == "links-only":
            found = _links_only(testbed, each.frame_bytes, settings)
        else:
            found = _switch_only(testbed, each.frame_bytes, settings, tell)
        started_at, counts, usage = found
        control = Control(
            testbed=testbed.name,
            kind=each.kind,
            frame_bytes=each.frame_bytes,
            session=session,
            started_at=started_at.isoformat(timespec="milliseconds"),
            settings=settings,
            components=testbed.components(),
            environment=testbed.environment,
            link_bps=testbed.options.site.link.rate_bps,
            counts=counts,
            usage=usage,
        )
        names.append(log.add(control))
        offered, received = (
            packets / counts.window_s / 1000 for packets in (counts.offered_packets, counts.received_packets)
        )
        tell(f"control: {each.kind}, {each.frame_bytes} B: {received:.1f} of {offered:.1f} kpkt/s")
    return ControlSet(controls=tuple(names))


_Found = tuple[datetime, Counts, Usage | None]
"""When the trial of a control began, what it counted, and what the server used, where it took part."""


def _links_only(testbed: Testbed, frame_bytes: int, settings: Settings) -> _Found:
    """Flood the server's port while there is no chain: no frame is taken from it, and none may come back."""
    testbed.switch.start()
    tear_down(testbed)
    load = load_of(frame_bytes, settings, testbed.options.site.link.rate_bps)
    before, started_at = read_before(testbed), datetime.now(UTC)
    testbed.hosts.links_expect(load)
    traffic = testbed.generator.run(load)
    after = read_after(testbed)
    problems = stalls(load, traffic)
    if traffic.trial_received_packets:
        problems.append(f"{traffic.trial_received_packets} frames arrived, and no chain was there")
    if problems:
        raise void(f"flooding the links of {testbed.name} with {frame_bytes} B", problems)
    plan, cpus = plan_for(testbed, SWITCH_ONLY), testbed.hosts.test_computer.cpus
    return started_at, counts_of(load, traffic), usage_between(plan, before, after, traffic, cpus)


def _switch_only(testbed: Testbed, frame_bytes: int, settings: Settings, tell: Callable[[str], None]) -> _Found:
    """Run one trial through the switch only."""
    plan = plan_for(testbed, SWITCH_ONLY)
    before, _ = prepare(testbed, plan, frame_bytes, tell)
    load = load_of(frame_bytes, settings, testbed.options.site.link.rate_bps)
    started_at, outcome = datetime.now(UTC), run_trial(testbed, plan, load, before)
    return started_at, outcome.counts, outcome.usage


def _back_to_back(testbed: Testbed, frame_bytes: int, settings: Settings) -> _Found:
    """Run one trial over the cable from the generator to its own receiver."""
    doing = f"measuring the generator's own limit with {frame_bytes} B on {testbed.name}"
    generator = testbed.direct
    if generator is None:
        raise TrialError(doing, "no cable joins two ports of the test computer", "measure the switch only")
    probe = generator.probe(frame_bytes, PROBES)
    if probe.returned < probe.sent or probe.unexpected:
        raise TrialError(
            doing,
            f"of {probe.sent} probes {probe.returned} arrived whole, with {probe.unexpected} unexpected frames",
            "look at the cable between the test computer's direct ports",
        )
    link_bps = testbed.options.site.link.rate_bps
    load = load_of(frame_bytes, settings, link_bps)
    testbed.hosts.links_expect(load)
    started_at, traffic = datetime.now(UTC), generator.run(load)
    if problems := problems_of(load, testbed.options.site.link, traffic):
        raise void(doing, problems)
    return started_at, counts_of(load, traffic), None
