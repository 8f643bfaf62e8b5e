"""Times how long a command takes to its end, and another one until it says a word; standard library only.

echo REQUEST | python -c THIS    prints {"version": [seconds, …], "ready": [seconds, …]}

Request: the two commands, the file that the second one writes to, the word, and how often.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.0003
LIMIT_SECONDS = 30.0


def spawn(argv: list[str]) -> int:
    """Start a command that says nothing to us."""
    silence = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)]
    return os.posix_spawnp(argv[0], argv, os.environ, file_actions=silence)


def time_to_end(argv: list[str]) -> float:
    """Return seconds from start to end."""
    start = time.perf_counter()
    os.waitpid(spawn(argv), 0)
    return time.perf_counter() - start


def time_to_word(argv: list[str], log: Path, word: str) -> float:
    """Return seconds from start until the word stands in the log; the command is ended then."""
    log.unlink(missing_ok=True)
    start = time.perf_counter()
    pid = spawn(argv)
    said = ""
    while word not in said and time.perf_counter() < start + LIMIT_SECONDS:
        time.sleep(LOOK_SECONDS)
        if log.exists():
            said = log.read_text()
    seconds = time.perf_counter() - start
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return seconds


def main() -> None:
    """Time both in turn."""
    request: dict[str, Any] = json.loads(sys.stdin.read())
    found: dict[str, list[float]] = {"version": [], "ready": []}
    for _ in range(request["times"]):
        found["version"].append(time_to_end(request["version"]))
        found["ready"].append(time_to_word(request["machine"], Path(request["log"]), request["word"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
