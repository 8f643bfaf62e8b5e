"""Makes the text of an agent, a script of ours that is handed to a host's own Python, and understands its answer."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from middlebench.hosts.shared import usage_agent
from middlebench.system.command_result import CommandResult
from middlebench.system.errors import MiddlebenchError


def agent_text(*agents: ModuleType) -> str:
    """Return the text of agents that call the functions of ``usage_agent``: all, one behind the other."""
    return script_text(usage_agent, *agents)


def script_text(*modules: ModuleType) -> str:
    """Return the text of modules, one behind the other, as another computer's Python is given it."""
    return "\n".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)


def answer_of(result: CommandResult, error: type[MiddlebenchError], doing: str) -> dict[str, Any]:
    """Return the JSON object that an agent has answered on standard output.

    Raises:
        MiddlebenchError: of the type ``error``: it ended without one.
    """
    try:
        return dict(json.loads(result.stdout))
    except ValueError:
        last = result.stderr.strip().rpartition("\n")[2]
        happened = last or f"our script there ended with status {result.status} and without an answer"
        raise error(doing, happened, "run the same command again", result) from None
