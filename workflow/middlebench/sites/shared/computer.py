"""Asks the agent on a computer: what it is, and to prepare its ports or put them back."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.hosts.shared.agents import script_text
from middlebench.sites.base import Inventory
from middlebench.sites.shared import computer_agent, facts_agent
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

AGENT = script_text(facts_agent, computer_agent)
FOLDER = f"/run/{LABEL}"
"""Our folder on both computers; a reboot empties it, and undoes all that it notes."""
AGENT_SECONDS = 60.0
OLDEST_PYTHON = (3, 9)
"""The oldest Python that our agents run on."""


def ask(computer: Host, verb: str, **request: object) -> dict[str, Any]:
    """Have the agent on a computer do something, and return its answer.

    Raises:
        HostError: it failed; where its Python or a full disk is the reason the message says so.
    """
    try:
        result = computer.run(agent_call(computer, verb, **request), deadline=Deadline(AGENT_SECONDS))
    except HostError as error:
        raise explained(computer, error) from error
    return dict(json.loads(result.stdout))


def explained(computer: Host, error: HostError) -> HostError:
    """Return an agent's failure in words that say what to do, where the reason is none of the agent's."""
    said = error.result.stderr if error.result else ""
    if os.strerror(errno.ENOSPC) in said:
        return HostError(
            f"writing to {FOLDER} on {computer.name}", "its disk is full", "make room there (`df /run`)", error.result
        )
    if "Error" not in said:
        return error
    version = computer.run(
        [computer.python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=False
    ).stdout.strip()
    if not re.fullmatch(r"\d+\.\d+", version) or tuple(map(int, version.split("."))) >= OLDEST_PYTHON:
        return error
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return HostError(
        f"using {computer.python} of {computer.name}",
        f"it is Python {version}; {wanted} or newer is needed there",
        f"install a newer one and have `{computer.python}` start it, for root too: "
        f"`sudo {computer.python} --version` (Debian has had one since release 11)",
        error.result,
    )


def about(inventory: Inventory, ports: Sequence[str], cpus: Sequence[int]) -> dict[str, object]:
    """Return how the agent is asked to describe a computer."""
    return {**vars(inventory), "ports": ports, "cpus": cpus}


def agent_call(computer: Host, verb: str, **request: object) -> list[str]:
    """Return the command that has the agent do something; its answer is one line of JSON."""
    words = json.dumps({"verb": verb, "folder": FOLDER, **request})
    return computer.script(AGENT, words)
