"""Makes the text of an agent: a script of ours that is handed to a host's own Python."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from middlebench.hosts.shared import usage_agent


def agent_text(*agents: ModuleType) -> str:
    """Return the text of agents that call the functions of ``usage_agent``: all, one behind the other."""
    return script_text(usage_agent, *agents)


def script_text(*modules: ModuleType) -> str:
    """Return the text of modules, one behind the other, as another computer's Python is given it."""
    return "\n".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)
