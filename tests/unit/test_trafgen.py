"""What the trafgen driver makes of what its agent answers, and how that drains; host and clock are ones in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from memory.hosts import Answer, MemoryHost
from middlebench.generators.trafgen import agent
from middlebench.generators.trafgen.driver import Trafgen
from middlebench.model.traffic import Load
from middlebench.system.errors import GeneratorError

LOAD = Load(60, 1000, saturating=True, warm_up_s=0, window_s=1, sample_interval_s=1)


def trafgen(said: str) -> Trafgen:
    """The driver on a host whose agent answers with this error."""

    def python(_: Sequence[str], __: str) -> Answer:
        return Answer(stdout=json.dumps({"error": f"the generator sent nothing (exit status 1); it said: {said}"}))

    return Trafgen(MemoryHost("there", {"python3": python}), ("eth0", "eth1"))


def test_user_who_may_lock_too_little_memory_is_told_the_limit_to_raise() -> None:
    with pytest.raises(GeneratorError) as caught:
        trafgen("Cannot lock pages!").run(LOAD)  # trafgen's own words under `ulimit -l 64` without CAP_IPC_LOCK
    assert "limits.conf" in caught.value.advice
    assert "ulimit -H -l" in caught.value.advice


def test_other_failures_are_told_in_trafgens_words() -> None:
    with pytest.raises(GeneratorError) as caught:
        trafgen("No such device eth7").run(LOAD)
    assert "No such device eth7" in caught.value.happened
    assert "limits.conf" not in caught.value.advice


class Clock:
    """Time that passes only while the agent waits, and counters that move at some of its moments."""

    def __init__(self, moves: Sequence[float], missing: int) -> None:
        self.now, self.moves, self.missing = 0.0, moves, missing

    def wait(self, seconds: float) -> bool:
        self.now = round(self.now + seconds, 9)
        return False

    def read(self, ports: Sequence[str]) -> tuple[float, dict[str, tuple[int, ...]]]:
        moved = sum(moment <= self.now for moment in self.moves)
        sent, received = (0, 0, 0, moved + self.missing, 0), (0, moved, 0, 0, 0)
        return self.now, dict(zip(ports, (sent, received), strict=True))


@pytest.mark.parametrize(
    ("moves", "missing", "ends"), [((), 0, 0.05), ((0.012,), 0, 0.07), ((0.012, 0.055), 0, 0.11), ((0.012,), 3, 0.52)]
)
def test_drain_ends_when_nothing_has_moved_for_as_long_as_it_must(
    moves: Sequence[float], missing: int, ends: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(moves, missing)
    monkeypatch.setattr(agent, "read_counters", clock.read, raising=False)
    monkeypatch.setattr(agent, "caller_is_gone", clock.wait, raising=False)
    monkeypatch.setattr(agent, "time", SimpleNamespace(monotonic=lambda: clock.now))
    before = dict.fromkeys(("out", "in"), (0, 0, 0, 0, 0))
    _, drained = agent.drain(("out", "in"), before, quiet_s=0.05, missing_quiet_s=0.5, limit_s=10.0)
    assert drained
    assert clock.now == pytest.approx(ends)
