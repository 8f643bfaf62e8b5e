import time

import pytest
from middlebench.system.deadline import Deadline


@pytest.mark.parametrize(("age_s", "left_s", "expired"), [(0, 10, False), (4, 6, False), (10, 0, True), (99, 0, True)])
def test_deadline_counts_from_its_start_and_never_below_zero(monkeypatch, age_s, left_s, expired):
    deadline = Deadline(10, started=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + age_s)
    assert deadline.remaining == left_s
    assert deadline.expired is expired


def test_deadline_of_no_seconds_is_over_at_once():
    assert Deadline(0).expired


def test_stretched_deadline_keeps_its_start():
    assert Deadline(10, started=1000.0).stretched(3) == Deadline(30, started=1000.0)
