"""Runs a notebook in this very process, by nothing of the user's own.

Jupyter would start a kernel, a second process that imports everything once more, and look for kernels, settings and
start-up files in the user's home and where the environment points. IPython's shell alone, which a kernel is made of,
does for a notebook what a kernel does; it gets a folder of its own, which is empty.
"""

from __future__ import annotations

import io
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_output
from traitlets import Type
from traitlets.config import Config

from middlebench.system.errors import MiddlebenchError
from middlebench.system.files import write_text

PARAMETERS = "parameters"
"""Tag of the cell that holds the defaults of a notebook's parameters."""
INJECTED = "injected-parameters"
"""Tag, and id, of the cell behind it that sets them; called so by papermill, whose convention both are."""
SETTINGS = Config(
    InteractiveShell={"warn_venv": False, "colors": "nocolor"},
    HistoryManager={"enabled": False},
)


class _LastValue(DisplayHook):
    """Shows the value of a cell's last expression as ``display`` would."""

    shell: InteractiveShell

    def write_output_prompt(self) -> None:
        """Write none."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        """Publish the value in all its formats."""
        self.shell.display_pub.publish(format_dict, md_dict)


class _Shell(InteractiveShell):
    """Keeps what cells show."""

    display_pub: CapturingDisplayPublisher
    displayhook_class = Type(_LastValue)
    display_pub_class = Type(CapturingDisplayPublisher)


def execute(notebook: Path, out: Path, parameters: Mapping[str, str | float]) -> None:
    """Execute a notebook, which writes its figures and tables, and write it to ``out``: the same bytes each time.

    ``parameters`` stand in place of those in its cell tagged ``parameters``.

    Raises:
        MiddlebenchError: a cell failed.
    """
    write_text(out, nbformat.writes(executed(notebook, {**parameters, "write": True})) + "\n")  # type: ignore[no-untyped-call]


def executed(notebook: Path, parameters: Mapping[str, str | float]) -> nbformat.NotebookNode:
    """Return a notebook, executed with these parameters, and with what its cells show.

    Raises:
        MiddlebenchError: a cell failed.
    """
    content: nbformat.NotebookNode = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    _inject(content, parameters)
    with tempfile.TemporaryDirectory(prefix="middlebench-ipython-") as folder:
        # The instance: `display` asks for it.
        shell = _Shell.instance(ipython_dir=folder, user_module=ModuleType("middlebench_notebook"), config=SETTINGS)
        try:
            for number, cell in enumerate((cell for cell in content.cells if cell.cell_type == "code"), start=1):
                cell.execution_count, cell.outputs = number, _run(shell, cell.source, notebook)
        finally:
            _Shell.clear_instance()
    return content


def _inject(content: nbformat.NotebookNode, parameters: Mapping[str, str | float]) -> None:
    """Set parameters by a cell behind the one that holds their defaults, and note them."""
    tags = [cell.metadata.get("tags", []) for cell in content.cells]
    place = next(index for index, each in enumerate(tags) if PARAMETERS in each)
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cell = new_code_cell(source, id=INJECTED, metadata={"tags": [INJECTED]})  # type: ignore[no-untyped-call]
    content.cells.insert(place + 1, cell)
    content.metadata.papermill = {"parameters": dict(parameters)}


def _run(shell: _Shell, source: str, notebook: Path) -> list[nbformat.NotebookNode]:
    """Run a cell; return what it prints and shows."""
    shell.display_pub.outputs.clear()
    with redirect_stdout(io.StringIO()) as printed:
        result = shell.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]
    if error := result.error_before_exec or result.error_in_exec:
        if not isinstance(error, Exception):
            raise error  # Ctrl-C
        trace = "".join(traceback.format_exception(error))
        raise MiddlebenchError(f"executing the notebook {notebook}", f"{type(error).__name__}: {error}\n{trace}")
    text = printed.getvalue()
    outputs = [new_output("stream", name="stdout", text=text)] if text else []  # type: ignore[no-untyped-call]
    for shown in shell.display_pub.outputs:
        outputs.append(new_output("display_data", data=shown["data"], metadata=shown["metadata"] or {}))  # type: ignore[no-untyped-call]
    return outputs
