"""Measures controls: the generator against its own receiver, and one bridge alone.

Both are offered all that the link carries, whatever the cells are offered: what they tell is how much
the instrument can do at this moment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from middlebench.controls.log import Control, ControlLog, ControlSet, Kind
from middlebench.convergence import PROBES, plan_for
from middlebench.errors import TrialError
from middlebench.generators.base import Generator
from middlebench.record import Components, Counts, Settings
from middlebench.run.lease import holder_of
from middlebench.system.processes import ancestors
from middlebench.testbed import Testbed
from middlebench.trial import counts_of, load_of, prepare, problems_of, run_trial, void

BRIDGE_ALONE = 0
"""Chain length of the control that has a bridge and no middlebox."""


def session_of(run_lease: Path) -> str:
    """Return the name of the run that this process belongs to: that of the lease, else of the process alone."""
    holder = holder_of(run_lease)
    if holder.get("pid") in ancestors(os.getpid()):
        return f"run {holder['pid']} since {holder['since']}"
    return f"process {os.getpid()} since {datetime.now(UTC).isoformat(timespec='seconds')}"


def measure_controls(
    testbed: Testbed,
    components: Components,
    frame_sizes: Sequence[int],
    settings: Settings,
    log: ControlLog,
    session: str,
    tell: Callable[[str], None] = lambda _: None,
) -> ControlSet:
    """Measure every kind of control that the testbed can have at each frame size, and keep them in the log.

    Args:
        testbed: the testbed; its live chain becomes the bridge alone.
        components: what takes part, in the drivers' own words.
        frame_sizes: in bytes without FCS.
        settings: how long a trial takes; its load is replaced by the maximum.
        log: where they are kept.
        session: the run that they belong to.
        tell: called with a sentence about each.

    Raises:
        TrialError: a control must not be believed.
        MiddlebenchError: traffic or the bridge could not be had.
    """
    settings = settings.model_copy(update={"offered_load": "maximum", "search": None})
    names = []

    def keep(kind: Kind, size: int, started_at: datetime, counts: Counts) -> None:
        control = Control(
            testbed=testbed.name,
            kind=kind,
            frame_bytes=size,
            session=session,
            started_at=started_at.isoformat(timespec="milliseconds"),
            settings=settings,
            components=components,
            environment=testbed.environment,
            link_bps=testbed.options.site.link.rate_bps,
            counts=counts,
        )
        names.append(log.add(control))
        tell(f"control: {kind}, {size} B: {counts.received_packets / counts.window_s / 1000:.1f} kpkt/s")

    if testbed.direct is not None:
        for size in frame_sizes:
            keep("direct", size, datetime.now(UTC), _direct(testbed, testbed.direct, size, settings))
    plan = plan_for(testbed, BRIDGE_ALONE)
    for size in frame_sizes:
        before, _ = prepare(testbed, plan, size, tell)
        load = load_of(size, settings, testbed.options.site.link.rate_bps)
        keep("bridge", size, datetime.now(UTC), run_trial(testbed, plan, load, before).counts)
    return ControlSet(controls=tuple(names))


def _direct(testbed: Testbed, generator: Generator, frame_bytes: int, settings: Settings) -> Counts:
    """Return what one trial counts over the cable from the generator to its own receiver."""
    doing = f"measuring the generator's own limit with {frame_bytes} B on {testbed.name}"
    probe = generator.probe(frame_bytes, PROBES)
    if probe.returned < probe.sent or probe.strange:
        raise TrialError(
            doing,
            f"of {probe.sent} probes {probe.returned} arrived whole, with {probe.strange} strange frames",
            "look at the cable between the test computer's direct ports",
        )
    link_bps = testbed.options.site.link.rate_bps
    load = load_of(frame_bytes, settings, link_bps)
    traffic = generator.run(load)
    if problems := problems_of(load, link_bps, traffic):
        raise void(doing, problems)
    return counts_of(load, traffic)
