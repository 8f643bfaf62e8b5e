"""Times how long commands take to their end, and another one until it says a word; standard library only.

echo REQUEST | python -c THIS    prints {"version": [seconds, …], "empty": [seconds, …], "ready": [seconds, …]}

Request: the commands, what is added to the last one's environment, the file that it writes to, the word, and how often.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.0003
LIMIT_SECONDS = 30.0


def spawn(argv: list[str], stdin: int, environment: dict[str, str]) -> int:
    """Start a command that says nothing to us."""
    silence = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)]
    file_actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), *silence]
    return os.posix_spawnp(argv[0], argv, {**os.environ, **environment}, file_actions=file_actions)


def time_to_end(argv: list[str], typed: str = "") -> float:
    """Return seconds from start to end."""
    reader, writer = os.pipe()
    os.write(writer, typed.encode())
    os.close(writer)
    start = time.perf_counter()
    os.waitpid(spawn(argv, reader, {}), 0)
    seconds = time.perf_counter() - start
    os.close(reader)
    return seconds


def time_to_word(argv: list[str], environment: dict[str, str], log: Path, word: str) -> float:
    """Return seconds from start until the word stands in the log; the command is ended then."""
    log.unlink(missing_ok=True)
    start = time.perf_counter()
    pid = spawn(argv, 0, environment)
    said = ""
    while word not in said and time.perf_counter() < start + LIMIT_SECONDS:
        time.sleep(LOOK_SECONDS)
        if log.exists():
            said = log.read_text(encoding="utf-8")
    seconds = time.perf_counter() - start
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return seconds


def main() -> None:
    """Time all in turn."""
    request: dict[str, Any] = json.loads(sys.stdin.read())
    machine = request["machine"]
    found: dict[str, list[float]] = {"version": [], "empty": [], "ready": []}
    for _ in range(request["times"]):
        found["version"].append(time_to_end(request["version"]))
        found["empty"].append(time_to_end(request["empty"], "quit\n"))
        found["ready"].append(time_to_word(machine, request["environment"], Path(request["log"]), request["word"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
