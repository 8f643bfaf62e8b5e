"""What the trafgen driver makes of what its agent answers; the host is one in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from memory.hosts import Answer, MemoryHost
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
