"""The scripts that are handed to another computer's own Python: it may be the oldest that we take."""

from __future__ import annotations

import ast
from pathlib import Path

import middlebench
import pytest
from middlebench.sites.shared.computer import OLDEST_PYTHON

AGENTS = sorted(Path(middlebench.__file__).parent.rglob("*agent.py"))


@pytest.mark.parametrize("agent", AGENTS, ids=lambda path: path.stem)
def test_agents_run_on_the_oldest_python_that_a_host_may_have(agent: Path) -> None:
    tree = ast.parse(agent.read_text(encoding="utf-8"), feature_version=OLDEST_PYTHON)
    assert not [ast.unparse(each) for each in annotations(tree) if unions(each)], "quote it: X | Y needs Python 3.10"


def annotations(tree: ast.AST) -> list[ast.expr]:
    """Return the annotations of all functions: they are evaluated at once, those of variables within are not."""
    nodes = list(ast.walk(tree))
    arguments = [node.annotation for node in nodes if isinstance(node, ast.arg)]
    returned = [node.returns for node in nodes if isinstance(node, ast.FunctionDef)]
    return [each for each in (*arguments, *returned) if each is not None]


def unions(annotation: ast.expr) -> bool:
    return any(isinstance(node, ast.BinOp) for node in ast.walk(annotation))
