"""Where a notebook stands and where it writes, whether the workflow executes it or somebody runs it by hand."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from middlebench.system.project import PROJECT


def output_folder(results: str, dataset: str, write: bool) -> Path:
    """Return the folder for a notebook's tables and figures, and enter the project's folder.

    JupyterLab runs a notebook in the folder that it lies in; paths are relative to the project's. Without
    ``write``, which the workflow sets, the folder for tables and figures is a temporary one.
    """
    if Path.cwd() == PROJECT / "notebooks":
        os.chdir(PROJECT)
    return Path(results) / dataset if write else Path(tempfile.mkdtemp(prefix="middlebench-notebook-"))
