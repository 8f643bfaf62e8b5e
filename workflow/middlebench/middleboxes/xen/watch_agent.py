"""Runs in dom0, behind the text of ``xl.py``: waits until a domain of ours ends, and names it.

Xenstore reports every domain that ends or shuts down by its special watch ``@releaseDomain``; only then is the list
of domains read. Standard library only; standard input stays open while our caller lives: when it ends, so do we.

    python3 -c THIS '{"domains": {"NAME": ID, …}, "limit_s": 30}'    answers one JSON object on standard output
"""

import json
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.middleboxes.xen.xl import parse_list

STANDARD_INPUT = 0
TRIES = 3
"""In an emulated dom0 ``xl list`` was seen to crash at its exit, and to work a moment later."""


def listed(limit_s: float) -> str:
    """Return what ``xl list`` prints.

    Raises:
        subprocess.SubprocessError: it failed, or took longer than ``limit_s`` seconds.
    """
    for _ in range(TRIES):
        done = subprocess.run(["xl", "list"], capture_output=True, encoding="utf-8", timeout=limit_s, check=False)
        if done.returncode >= 0:
            break
    done.check_returncode()
    return done.stdout


def first_ended(domains: dict[str, int], limit_s: float) -> "dict[str, str] | None":
    """Return name and state of the first domain that does not run any more; None where all do."""
    states = {domain.id: domain.state for domain in parse_list(listed(limit_s))}
    for name, number in domains.items():
        state = states.get(number, "")
        if not state or set(state) & set("scd"):
            return {"ended": name, "state": state}
    return None


def main() -> None:
    """Wait, and print which domain ended; nothing when standard input ended first."""
    request = json.loads(sys.argv[1])
    watcher = subprocess.Popen(["xenstore-watch", "@releaseDomain"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert watcher.stdout is not None
    events = watcher.stdout.fileno()
    try:
        while True:
            ready, _, _ = select.select([STANDARD_INPUT, events], [], [])
            if STANDARD_INPUT in ready and not os.read(STANDARD_INPUT, 1):
                return
            if events in ready:
                if not os.read(events, 4096):
                    sys.exit("xenstore-watch ended")
                # The watch fires once at its start, so a domain that ended before is seen too.
                if ended := first_ended(request["domains"], request["limit_s"]):
                    print(json.dumps(ended), flush=True)
                    return
    except (subprocess.SubprocessError, ValueError) as problem:
        sys.exit(f"the list of domains cannot be read: {problem}")
    finally:
        watcher.kill()


if __name__ == "__main__":
    main()
