"""Ctrl-C, pressed once or more."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from types import FrameType

STDERR = 2
STILL_ENDING = b"\nstill ending what runs; this takes some seconds\n"


def heed_one_interrupt(raised: BaseException | None = None) -> None:
    """Let the first SIGINT raise KeyboardInterrupt, and ignore the next ones while the clean-up runs.

    An impatient second Ctrl-C would break that clean-up off, with tracebacks. Nothing is done where the signal is
    ignored, as in a shell's background job, nor outside of the main thread, which alone may set it. ``raised`` is what
    the first one raises in place of KeyboardInterrupt.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, partial(_first, raised or KeyboardInterrupt()))


def _first(raised: BaseException, _number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _next)
    raise raised


def _next(_number: int, _frame: FrameType | None) -> None:
    """Say that the signal was seen. A handler, since children would inherit that a signal is ignored."""
    os.write(STDERR, STILL_ENDING)
