"""Runs a notebook by the Python that runs us, and by nothing of the user's own.

Jupyter looks for kernels, and IPython for settings and start-up files, in the user's home and where
the environment points. A notebook that is published is made without them: with a kernel of our own
making, and with folders that are empty.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill

from middlebench.system.errors import MiddlebenchError

KERNEL = "middlebench"
START_SECONDS = 600
"""How long a kernel may take to start: seconds on a machine with nothing else to do, minutes on a busy one."""
EMPTY_FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
"""Environment variables that name a folder of the user's."""
UNSET = ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "PYTHONSTARTUP")
"""Environment variables that name further places of the user's."""


def execute(notebook: Path, out: Path, parameters: Mapping[str, str | float]) -> None:
    """Execute a notebook and write it, with its results, to ``out``: the same bytes each time.

    ``parameters`` stand in place of those in its cell tagged ``parameters``.

    Raises:
        MiddlebenchError: a cell failed, or the kernel did not start.
    """
    doing = f"executing the notebook {notebook}"
    try:
        with _nothing_of_the_users():
            papermill.execute_notebook(
                notebook,
                out,
                parameters={**parameters, "write": True},
                kernel_name=KERNEL,
                start_timeout=START_SECONDS,
                progress_bar=False,
            )
    except papermill.PapermillExecutionError as error:
        raise MiddlebenchError(doing, f"{error.ename}: {error.evalue}\n{error.traceback}") from error
    except RuntimeError as error:
        raise MiddlebenchError(doing, f"its kernel did not start: {error}") from error
    _leave_times_out(out)


def _leave_times_out(path: Path) -> None:
    """Leave out of an executed notebook when it was executed, so that the same results give the same bytes."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
        if "injected-parameters" in cell.metadata["tags"]:
            cell.id = "injected-parameters"  # drawn by lot else
    notebook.metadata.papermill = {"parameters": notebook.metadata.papermill.parameters}
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


@contextmanager
def _nothing_of_the_users() -> Iterator[None]:
    """Make Jupyter and IPython look into folders of our own, in which there is one kernel."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="middlebench-jupyter-", ignore_cleanup_errors=True) as folder:
        os.environ.update({name: str(Path(folder, name)) for name in EMPTY_FOLDERS})
        for name in UNSET:
            os.environ.pop(name, None)
        kernel = Path(os.environ["JUPYTER_DATA_DIR"], "kernels", KERNEL, "kernel.json")
        kernel.parent.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel.write_text(json.dumps({"argv": argv, "display_name": KERNEL, "language": "python"}), encoding="utf-8")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
