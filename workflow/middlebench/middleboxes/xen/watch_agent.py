"""Runs in dom0: waits until a domain of ours ends, and names it.

Xenstore tells of every domain that ends or shuts down by its special watch ``@releaseDomain``; only then
is the list of domains read. Standard library only; standard input is a lifeline: when it ends, so do we.

    python3 -c THIS '{"domains": {"NAME": ID, …}}'    answers one JSON object on standard output
"""

import json
import os
import re
import select
import subprocess
import sys

LIFELINE = 0
ROW = re.compile(r"^(?P<name>.*\S)\s+(?P<id>\d+)\s+\d+\s+\d+\s+(?P<state>[rbpscd-]{6})\s", re.MULTILINE)


def first_ended(domains: dict[str, int]) -> str:
    """Return the name of the first domain that does not run any more; empty where all do."""
    listed = subprocess.run(["xl", "list"], stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True).stdout
    alive = {int(row["id"]) for row in ROW.finditer(listed) if not set(row["state"]) & set("scd")}
    return next((name for name, number in domains.items() if number not in alive), "")


def main() -> None:
    """Wait, and say which domain ended; nothing when the lifeline ended first."""
    domains = json.loads(sys.argv[1])["domains"]
    watcher = subprocess.Popen(["xenstore-watch", "@releaseDomain"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert watcher.stdout is not None
    events = watcher.stdout.fileno()
    try:
        while True:
            ready, _, _ = select.select([LIFELINE, events], [], [])
            if LIFELINE in ready and not os.read(LIFELINE, 1):
                return
            if events in ready:
                if not os.read(events, 4096):
                    sys.exit("xenstore-watch ended")
                # The watch fires once at its start, so a domain that ended before is seen too.
                if ended := first_ended(domains):
                    print(json.dumps({"ended": ended}), flush=True)
                    return
    finally:
        watcher.kill()


if __name__ == "__main__":
    main()
