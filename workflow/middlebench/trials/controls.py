"""Measures controls: the generator back to back with its own receiver, and the switch only.

Both are offered all that the link carries, whatever the cells are offered: what they tell is how much
the instrument can do at this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from middlebench.model.controls import Control, ControlLog, ControlSet, Kind, Series
from middlebench.model.record import Counts, Settings
from middlebench.system.errors import TrialError
from middlebench.testbed import Testbed
from middlebench.trials.convergence import plan_for
from middlebench.trials.probing import PROBES
from middlebench.trials.trial import counts_of, load_of, prepare, problems_of, run_trial, void

SWITCH_ONLY = 0
"""Chain length of the control that has one bridge and no middlebox."""


def whole_set(testbed: Testbed, frame_sizes: Sequence[int]) -> list[Series]:
    """Return every kind of control that the testbed can have at each frame size (bytes without FCS), in their order."""
    kinds: tuple[Kind, ...] = ("switch-only",) if testbed.direct is None else ("back-to-back", "switch-only")
    return [Series(kind, size) for kind in kinds for size in frame_sizes]


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
            started_at, counts = _back_to_back(testbed, each.frame_bytes, settings)
        else:
            started_at, counts = _switch_only(testbed, each.frame_bytes, settings, tell)
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
        )
        names.append(log.add(control))
        rate_kpps = counts.received_packets / counts.window_s / 1000
        tell(f"control: {each.kind}, {each.frame_bytes} B: {rate_kpps:.1f} kpkt/s")
    return ControlSet(controls=tuple(names))


def _switch_only(
    testbed: Testbed, frame_bytes: int, settings: Settings, tell: Callable[[str], None]
) -> tuple[datetime, Counts]:
    """Return when one trial through the switch only began, and what it counted."""
    plan = plan_for(testbed, SWITCH_ONLY)
    before, _ = prepare(testbed, plan, frame_bytes, tell)
    load = load_of(frame_bytes, settings, testbed.options.site.link.rate_bps)
    return datetime.now(UTC), run_trial(testbed, plan, load, before).counts


def _back_to_back(testbed: Testbed, frame_bytes: int, settings: Settings) -> tuple[datetime, Counts]:
    """Return when one trial over the cable from the generator to its own receiver began, and what it counted."""
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
    started_at, traffic = datetime.now(UTC), generator.run(load)
    if problems := problems_of(load, testbed.options.site.link, traffic):
        raise void(doing, problems)
    return started_at, counts_of(load, traffic)
