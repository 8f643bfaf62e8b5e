"""Whole chains: from nothing to the first probe, the processor time of an idle one, the memory of a machine."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from figure import Figure
from middlebench.config.testbed import TestbedOptions
from middlebench.generators.base import Generator
from middlebench.model.deployment import Deployment
from middlebench.model.traffic import Load, Probe, Traffic
from middlebench.testbed import site_of, stand_up
from middlebench.trials.convergence import deploy, plan_for

SHORT, LONG = 5, 20
DEPLOY_TARGET_S = 2.0
GROWTH_TARGET = 3.0
IDLE_TARGET_PERCENT = 5.0
MEMORY_TARGET_MB = 20.0
SETTLE_S, IDLE_S = 3.0, 10.0
KIB = 1024


def measure_chains(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the figures of chain(20), and of chain(5) to compare with."""
    seconds: dict[int, list[float]] = {SHORT: [], LONG: []}
    memory: list[float] = []
    for number in range(rounds):
        for length, found in seconds.items():
            took, deployment = _from_nothing(options, length)
            found.append(took)
            memory.append(max(each["private_kib"] * KIB / 1e6 for each in deployment.middleboxes))
            say(f"chains, round {number + 1}: chain({length}) {took:.2f} s, {deployment.steps_s}")
    time.sleep(SETTLE_S)
    percent = _busy_percent(IDLE_S)
    short, long = min(seconds[SHORT]), min(seconds[LONG])
    values = {f"chain({length}) in s": found for length, found in seconds.items()}
    return [
        Figure(f"chain({LONG}) from nothing to the first probe", long, DEPLOY_TARGET_S, " s", False, values),
        Figure(f"chain({LONG}) against chain({SHORT})", long / short, GROWTH_TARGET, " ×", False, values),
        Figure(f"idle chain({LONG}), of one processor", percent, IDLE_TARGET_PERCENT, " %", False, {}),
        Figure("private memory of a machine, the largest", max(memory), MEMORY_TARGET_MB, " MB", False, {}),
    ]


class _Stopwatch:
    """A generator that notes when a probe last came back."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.returned_at = 0.0

    def probe(self, frame_bytes: int, count: int, flow: int = 0) -> Probe:
        found = self._generator.probe(frame_bytes, count, flow)
        self.returned_at = time.monotonic()
        return found

    def exchange(self, frames: Sequence[bytes], marks: Sequence[bytes]) -> list[bytes]:
        found = self._generator.exchange(frames, marks)
        self.returned_at = time.monotonic()
        return found

    def run(self, load: Load, cancel: object = None) -> Traffic:
        raise NotImplementedError

    def describe(self) -> str:
        return self._generator.describe()


def _from_nothing(options: TestbedOptions, length: int) -> tuple[float, Deployment]:
    """Deploy a chain where there is no holder and no daemon; return the seconds until its first probe is back."""
    site_of("bench", options).close()
    start = time.monotonic()
    testbed = stand_up("bench", options)
    watch = _Stopwatch(testbed.generator)
    deployment = deploy(dataclasses.replace(testbed, generator=watch), plan_for(testbed, length))
    return watch.returned_at - start, deployment


def _busy_percent(seconds: float) -> float:
    """Return what all processes of the testbed take of one processor, in percent."""
    before, start = _ticks(), time.monotonic()
    time.sleep(seconds)
    after, end = _ticks(), time.monotonic()
    ticks = sum(after[pid] - before.get(pid, 0) for pid in after)
    return 100 * ticks / os.sysconf("SC_CLK_TCK") / (end - start)


def _ticks() -> dict[int, int]:
    """Return the processor time, in ticks, of each process that was started with our runtime folder."""
    marker = f"MIDDLEBENCH_RUNTIME={os.environ['MIDDLEBENCH_RUNTIME']}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker in (entry / "environ").read_bytes().split(b"\0"):
                    fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                    found[int(entry.name)] = int(fields[11]) + int(fields[12])
            except OSError:
                continue  # it ended in between
    return found
