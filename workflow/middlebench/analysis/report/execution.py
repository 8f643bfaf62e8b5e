"""Has papermill run a notebook in this very process, by nothing of the user's own.

A kernel would be a second process that imports everything once more, and Jupyter looks for kernels, settings and
start-up files in the user's home and where the environment points. So papermill is given an engine of our own:
IPython's shell alone, which a kernel is made of, with an empty folder of its own.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import nbformat
import papermill
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_output
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from traitlets.config import Config

from middlebench.system.errors import MiddlebenchError
from middlebench.system.files import write_text

INJECTED = "injected-parameters"
"""What papermill tags the cell with by which it sets parameters."""
SETTINGS = Config(
    InteractiveShell={"warn_venv": False, "colors": "nocolor"},
    HistoryManager={"enabled": False},
)


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
    try:
        content: nbformat.NotebookNode = papermill.execute_notebook(
            notebook,
            None,
            dict(parameters),
            engine_name=_InProcess.__name__,
            kernel_name="python3",
            language="python",
            progress_bar=False,
        )
    except Exception as error:  # whatever a cell may raise
        trace = "".join(traceback.format_exception(error))
        happened = f"{type(error).__name__}: {error}\n{trace}"
        raise MiddlebenchError(f"executing the notebook {notebook}", happened) from error
    for cell in content.cells:  # papermill notes when it ran each, and draws an id by lot
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
        if INJECTED in cell.metadata["tags"]:
            cell.id = INJECTED
    content.metadata.papermill = {"parameters": content.metadata.papermill.parameters}
    return content


class _InProcess(Engine):  # type: ignore[misc]
    """Runs the cells of a notebook in an IPython shell of this process."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, kernel_name: str, **kwargs: object) -> None:
        """Run all code cells; ``kwargs`` are those that papermill has for engines, of which this one needs none."""
        del kernel_name, kwargs
        with tempfile.TemporaryDirectory(prefix="middlebench-ipython-") as folder:
            # The instance: `display` asks for it.
            module = ModuleType("middlebench_notebook")
            shell = InteractiveShell.instance(ipython_dir=folder, user_module=module, config=SETTINGS)
            try:
                cells = [cell for cell in nb_man.nb.cells if cell.cell_type == "code"]
                for number, cell in enumerate(cells, start=1):
                    cell.execution_count, cell.outputs = number, _run(shell, cell.source)
            finally:
                InteractiveShell.clear_instance()


papermill_engines.register(_InProcess.__name__, _InProcess)


def _run(shell: InteractiveShell, source: str) -> list[nbformat.NotebookNode]:
    """Run a cell; return what it prints and shows."""
    shell.ast_node_interactivity = "none" if source.rstrip().endswith(";") else "last_expr"
    with shell.display_trap, capture_output(stderr=False) as captured:  # the trap would put back the shell's own hook
        result = shell.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]
    if error := result.error_before_exec or result.error_in_exec:
        raise error
    text = captured.stdout
    outputs = [new_output("stream", name="stdout", text=text)] if text else []  # type: ignore[no-untyped-call]
    for shown in captured.outputs:
        outputs.append(new_output("display_data", data=shown.data, metadata=shown.metadata or {}))  # type: ignore[no-untyped-call]
    return outputs
