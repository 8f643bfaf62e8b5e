"""Long chains: does each further middlebox cost what the ones before it cost?"""

from __future__ import annotations

from collections.abc import Callable

from figure import Figure
from middlebench.config.testbed import TestbedOptions
from middlebench.testbed import site_of, stand_up
from middlebench.trials.convergence import deploy, plan_for

LENGTHS = (10, 20, 50, 100)
TARGET = 1.5
"""A middlebox of chain(100) may take this much longer than one of chain(20): linear, with room for noise."""


def measure_scale(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return what one middlebox costs in the longest chain as a multiple of what it costs in chain(20)."""
    totals: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for number in range(rounds):
        for length in LENGTHS:
            site_of("bench", options).close()
            testbed = stand_up("bench", options)
            deployment = deploy(testbed, plan_for(testbed, length))
            totals[length].append(deployment.total_s)
            memory = sum(each["private_kib"] for each in deployment.middleboxes) // 1024
            steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in deployment.steps_s.items())
            say(f"scale, round {number + 1}: chain({length}) {deployment.total_s:.2f} s ({steps}), {memory} MiB")
    each = {length: min(found) / length for length, found in totals.items()}
    name = f"time a middlebox, chain({LENGTHS[-1]}) against chain(20)"
    values = {f"chain({length}) in s": found for length, found in totals.items()}
    return [Figure(name, each[LENGTHS[-1]] / each[20], TARGET, " ×", False, values)]
