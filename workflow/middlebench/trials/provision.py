"""Checks a testbed before it is used: what is missing, what it is, and what ``auto`` stands for.

Nothing is installed here. Where several alternatives would do, each is measured with a short and a long
chain and the fastest is taken: that a thing is there does not say that it is faster.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from middlebench.config.testbed import TestbedOptions, composed
from middlebench.model.environment import Environment
from middlebench.model.frames import MINIMUM_FRAME_BYTES, maximum_frame_bytes
from middlebench.model.provision import Provision
from middlebench.model.record import Settings
from middlebench.system.errors import HostError, MiddlebenchError, MiddleboxError, SwitchError, TrialError
from middlebench.testbed import Testbed, alternatives, environment_of, programs, site_of, stand_up
from middlebench.trials.convergence import deploy, plan_for, tear_down
from middlebench.trials.trial import load_of, prepare, run_trial

TRY_LENGTHS = (1, 10)
"""Chain lengths at which alternatives are compared: what wins on a short chain may lose on a long one."""
TRY_SETTINGS = Settings(window_s=0.5, warm_up_s=0.3, sample_interval_s=0.5, offered_load="maximum")
TRIES = 3
"""How often an alternative may fail before it counts as one that does not work here: once may be by chance."""
TRY_SECONDS = 10
"""What an alternative takes here, about: to deploy two chains, and to measure two frame sizes on each."""
Load = tuple[int, int]
"""A chain length and a frame size in bytes."""


@dataclass(frozen=True)
class Attempt:
    """One alternative, tried."""

    options: TestbedOptions
    received_pps: dict[Load, float]
    """Packets/s received, by chain length and frame size; empty where the alternative does not work."""
    failure: str = ""

    @property
    def score(self) -> float:
        """Geometric mean of the received rates, so that neither a length nor a frame size outweighs another."""
        if not self.received_pps:
            return -1.0
        return math.prod(self.received_pps.values()) ** (1 / len(self.received_pps))


def provision(
    name: str, options: TestbedOptions, tell: Callable[[str], None] = lambda _: None
) -> tuple[Provision, Environment]:
    """Check the testbed, choose where its composition says ``auto``, and describe what it is and stands in.

    Raises:
        HostError: programs are missing.
        MiddlebenchError: the testbed cannot be had, or no alternative works.
    """
    site = site_of(name, options)
    hosts = site.open()
    for host, wanted in programs(options, hosts):
        found = host.run(
            ["sh", "-c", 'for name; do command -v "$name" > /dev/null || echo "$name"; done', "sh", *wanted]
        )
        if missing := found.stdout.split():
            raise HostError(
                f"checking {host.name}",
                f"these programs are missing: {', '.join(missing)}",
                "install them there: envs/ lists the packages of each role (`make setup` does it on this computer)",
            )
    attempts: list[Attempt] = []
    candidates = alternatives(options, hosts)
    if not candidates:
        raise MiddlebenchError(
            f"provisioning {name}",
            "its switch and its middleboxes have no kind of port in common",
            "change `switch.port_type`, or the middlebox, in the testbed's file",
        )
    if len(candidates) > 1:
        tell(
            f"{name}: measuring up to {len(candidates)} alternatives, each some {TRY_SECONDS} s, to choose the fastest"
        )
        attempts = _measured(name, candidates, lambda attempt: tell(_line(options, attempt)))
        best = max(attempts, key=lambda attempt: attempt.score)
        if best.failure:
            raise MiddlebenchError(f"provisioning {name}", "no alternative works; the last one failed: " + best.failure)
        chosen = best.options
        tell(f"chosen: {describe_choice(options, chosen)}")
    else:
        chosen = candidates[0]
    testbed = stand_up(name, chosen)
    testbed.switch.start()
    tear_down(testbed)
    environment = environment_of(site, chosen)
    record = Provision(
        testbed=name,
        description=options.description,
        options=chosen.model_dump(mode="json"),
        components=testbed.components(),
        choices=tuple(
            {
                "alternative": describe_choice(options, attempt.options),
                "received_pps": {_in_words(load): round(rate) for load, rate in attempt.received_pps.items()},
                "failure": attempt.failure,
                "chosen": attempt.options == chosen,
            }
            for attempt in attempts
        ),
        environment=environment.id,
    )
    return record, environment


def chosen_testbed(record: Provision) -> TestbedOptions:
    """Return the composition that a provision record chose.

    Raises:
        ConfigError: the record's composition is none that this version knows.
    """
    return composed(record.options, f"the provision record of {record.testbed}")


def describe_choice(asked: TestbedOptions, candidate: TestbedOptions) -> str:
    """Return what an alternative puts in the place of ``auto``, as ``key value`` pairs."""
    words = []
    for part in ("switch", "middlebox"):
        before, after = getattr(asked, part).model_dump(), getattr(candidate, part).model_dump()
        words += [f"{part} {key.replace('_', ' ')} {after[key]}" for key in after if after[key] != before.get(key)]
    return ", ".join(words)


def _measured(
    name: str, candidates: Sequence[TestbedOptions], tell: Callable[[Attempt], None] = lambda _: None
) -> list[Attempt]:
    """Measure alternatives: all kinds of middleboxes with the first switch, then the other switches with the fastest.

    What makes a middlebox fast does so whatever the switch, so not every pair needs to be tried.
    """
    attempts: list[Attempt] = []

    def measure(chosen: Sequence[TestbedOptions]) -> None:
        for each in chosen:
            attempts.append(_try(name, each))
            tell(attempts[-1])

    by_switch: dict[str, list[TestbedOptions]] = {}
    for candidate in candidates:
        by_switch.setdefault(candidate.switch.model_dump_json(), []).append(candidate)
    first, *others = by_switch.values()
    measure(first)
    fastest = max(attempts, key=lambda attempt: attempt.score)
    for pairs in others:
        measure(
            [each for each in pairs if each.middlebox == fastest.options.middlebox and not fastest.failure] or pairs
        )
    return attempts


def _line(asked: TestbedOptions, attempt: Attempt) -> str:
    return f"{describe_choice(asked, attempt.options)}: {_outcome(attempt)}"


def _try(name: str, options: TestbedOptions) -> Attempt:
    """Measure an alternative, as often as it takes until it does not fail. What was measured is not measured again.

    Only that the switch or the middleboxes refuse, or that no trial of their chain can be believed, and that each time,
    says that it does not work here.
    """
    failure, rates = "", dict[Load, float]()
    for remaining in reversed(range(TRIES)):
        try:
            _measure(stand_up(name, options), rates)
            return Attempt(options=options, received_pps=rates)
        except (SwitchError, MiddleboxError, TrialError) as error:
            failure = f"{error.doing}: {error.happened}".splitlines()[0]
        except HostError:
            if not remaining:
                raise
    return Attempt(options=options, received_pps={}, failure=failure)


def _measure(testbed: Testbed, rates: dict[Load, float]) -> None:
    """Add what arrives through a short and a long chain and is not known yet, in trials attested as any other."""
    link = testbed.options.site.link
    sizes = (MINIMUM_FRAME_BYTES, maximum_frame_bytes(link.mtu))
    try:
        for n in TRY_LENGTHS:
            if missing := [size for size in sizes if (n, size) not in rates]:
                plan = plan_for(testbed, n)
                deploy(testbed, plan)
                for size in missing:
                    before, _ = prepare(testbed, plan, size)
                    counts = run_trial(testbed, plan, load_of(size, TRY_SETTINGS, link.rate_bps), before).counts
                    rates[n, size] = counts.received_packets / counts.window_s
    finally:
        with contextlib.suppress(MiddlebenchError):  # what failed before says more, and a next try begins with this
            tear_down(testbed)


def _in_words(load: Load) -> str:
    n, frame_bytes = load
    return f"n={n}, {frame_bytes} B"


def _outcome(attempt: Attempt) -> str:
    if attempt.failure:
        return f"does not work here ({attempt.failure})"
    return ", ".join(f"{_in_words(load)}: {rate / 1000:.1f} kpkt/s" for load, rate in attempt.received_pps.items())
