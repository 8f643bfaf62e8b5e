"""Keeps other runs off a computer, of whoever and from wherever, by locks that end with the connection."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from middlebench.hosts.ssh import SshHost
from middlebench.sites.shared.computer import AGENT_SECONDS, agent_call, explained
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError, LockError
from middlebench.system.locks import describe, myself
from middlebench.system.processes import ProcessIdentity, ancestors, boot_id

RUN_LOCK, TRIAL_LOCK = "run.lock", "trial.lock"
"""Files in our folder there: a run holds the first; a job needs both, and takes the second only
where its run already holds the first. So a job whose run was killed keeps others off until it ends."""
LOCK_SECONDS = 3.0
"""How long we wait for a lock at least, in silence: a process of ours that has just ended gives it back within this
time."""
TRIAL_LOCK_SECONDS = 3600.0
"""How long a job whose run has the computers waits for somebody's job that outlived its run: a trial of the paper
takes a minute, a throughput search of such trials half an hour."""
BEAT_SECONDS = 15.0
"""How often whoever holds a lock says so over its connection. By that the computer notices that we are gone without
a word (power, network): its kernel gives the connection up some 15 minutes later (tcp_retries2, tcp(7))."""
LONGEST_RUN_SECONDS = 30 * 24 * 3600.0


@contextmanager
def locked(computer: SshHost, testbed: str, locks: Mapping[str, float]) -> Iterator[None]:
    """Hold the computer's locks for as long as the context and the connection last.

    A process that started us, such as the run of which we are a job, may hold one for us. Where there is long to
    wait for one it is told for whom.
    """
    holder = {**myself(f"testbed {testbed}"), "process": _identity(os.getpid())}
    family = [_identity(pid) for pid in ancestors(os.getpid())]
    request = {"holder": json.dumps(holder), "family": family, "beat_s": BEAT_SECONDS}
    first = dict.fromkeys(locks, LOCK_SECONDS)
    with ExitStack() as held:
        answer = held.enter_context(_hold(computer, first, request))
        if "held_by" in answer and locks[answer["lock"]] > LOCK_SECONDS:
            print(f"waiting for {computer.name}: {_holder(answer)}", file=sys.stderr, flush=True)
            held.close()
            longer = {name: max(wait_s, LOCK_SECONDS) for name, wait_s in locks.items()}
            answer = held.enter_context(_hold(computer, longer, request))
        if "held_by" in answer:
            raise LockError(
                f"locking {computer.name} for testbed {testbed}",
                _holder(answer),
                "wait for it to end (a run that starts with `if_locked: wait` does that for you), or ask its owner; "
                "the lock of one that lost power or network is given back within 20 minutes",
            )
        yield


@contextmanager
def _hold(computer: SshHost, locks: Mapping[str, float], request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """Have the agent lock the computer for as long as the context lasts; return what it answers."""
    argv = agent_call(computer, "hold", locks=locks, **request)
    limit = Deadline(sum(locks.values()) + AGENT_SECONDS)
    with ExitStack() as stack:
        try:
            longest_s = limit.seconds + LONGEST_RUN_SECONDS
            said = stack.enter_context(computer.running(argv, deadline=limit, limit_s=longest_s))
        except HostError as error:
            raise explained(computer, error) from error
        yield dict(json.loads(said))


def _holder(answer: Mapping[str, Any]) -> str:
    """Return who holds the lock that the agent did not get, as a sentence."""
    try:
        return describe(dict(json.loads(answer["held_by"])))
    except ValueError:
        return describe({})


def _identity(pid: int) -> str:
    """Return what tells a process from all others on all machines."""
    identity = ProcessIdentity.of(pid)
    return f"{boot_id()}/{pid}/{identity.started_ticks if identity else 'ended'}"
