"""Before a run: says what it does and why, and refuses to mix environments where nobody has chosen to.

The reasons are Snakemake's own, as its plan holds them. The summary is made in the moment in which
Snakemake tells of its plan (in dry runs too), and travels with that message to
:mod:`middlebench.run.progress`, which shows it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.config.study import Study
from middlebench.model.cell import Cell, cells_on_disk
from middlebench.model.controls import Control, ControlSet
from middlebench.model.environment import Environment, recall
from middlebench.model.record import Settings
from middlebench.model.record_file import read
from middlebench.run.jobs import Finished, Past
from middlebench.run.plan import CELL_RULE, RunPlan, TestbedPlan, plan_run
from middlebench.run.snakemake_plan import planned_jobs, seconds_of, tells_plan
from middlebench.run.summary import summary
from middlebench.system.errors import ConfigError, RecordError
from middlebench.system.text import duration, plural

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


class Preflight(logging.Filter):
    """Puts the summary into the message by which Snakemake tells of its plan.

    A filter, because a logger's filters are asked by the thread that logs: nothing of the plan runs yet. The workflow's
    plan is not made yet; ``present``, the environments of the testbeds, is filled while it is made.
    """

    def __init__(self, workflow: Workflow, study: Study, present: Mapping[str, Environment | None]) -> None:
        super().__init__()
        self._workflow = workflow
        self._study = study
        self._present = present
        self._told = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message pass; the first that tells of the plan gets the attributes ``preflight`` and ``ahead``."""
        if not self._told and tells_plan(record):
            self._told = True
            try:
                plan = self.plan()
                record.preflight, record.ahead = summary(plan), plan.ahead
            except Exception as error:  # a summary must never end a run
                record.preflight = f"no summary of this run can be given ({type(error).__name__}: {error})"
        return True

    def plan(self) -> RunPlan:
        """Return what the run is about to do."""
        jobs = planned_jobs(self._workflow)
        testbeds = {job.wildcards["testbed"] for job in jobs if job.rule == CELL_RULE}
        results = Path(self._study.results_folder)
        seconds = functools.partial(seconds_of, self._workflow)
        finished = {name: read_finished(results / name, seconds) for name in testbeds}
        return plan_run(jobs, finished, self._present, self._study)

    def demand_choice(self) -> None:
        """Refuse to measure beside finished cells of another environment, unless the config says what becomes of them.

        Raises:
            ConfigError: it does not; the message says what changed and how to choose.
        """
        if self._study.on_environment_change != "stop":
            return
        for plan in self.plan().testbeds:
            if plan.mixes:
                raise undecided(plan, self._study)


def undecided(plan: TestbedPlan, study: Study) -> ConfigError:
    """Return the error that says why a testbed's cells would be mixed, and what there is to choose from."""
    changed = "; ".join(plan.kept_of_others)
    others = sum(plan.kept_of_others.values())
    return ConfigError(
        f"measuring {plural(plan.cells, 'cell')} on {plan.testbed}",
        f"{plural(others, 'finished cell')} would be mixed with them, measured in another environment "
        f"(since then: {changed})",
        "`on_environment_change` decides. `stop`, as now: set the environment back, and run again. "
        "`--config on_environment_change=remeasure`: such cells are measured again wherever they are asked for, and "
        f"their records kept in {study.results_folder}/{plan.testbed}/archive (all {others} take some "
        f"{duration(others * plan.cell_s)}). `--config on_environment_change=reuse`: they stay as they are, and every "
        "figure says that environments are mixed",
    )


def read_finished(results: Path, seconds: Callable[[str], float | None] = lambda _: None) -> Finished:
    """Return what is on disk of a testbed; what cannot be read is not finished.

    ``seconds`` returns how long the job that made a file took.
    """
    environments: dict[str, Environment | None] = {}
    cells: dict[Cell, Past] = {}
    for cell in cells_on_disk(results):
        path = results / cell.path
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(path.read_bytes())
            identity = values["environment"]
            if identity not in environments:
                environments[identity] = _recalled(identity, results)
            settings = Settings.model_validate(values["settings"])
            cells[cell] = Past(environments[identity], settings, seconds(str(path)))
    deployment_s: dict[int, float] = {}
    for path in results.glob("deployments/**/n*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(path.read_bytes())
            deployment_s[int(values["plan"]["n"])] = seconds(str(path)) or float(values["total_s"])
    return Finished(cells, deployment_s, *_past_controls(results / "controls", seconds))


def _past_controls(folder: Path, seconds: Callable[[str], float | None]) -> tuple[int, float | None]:
    """Return how many kinds of control the last set had that ended a run, and its overhead; None where unknown."""
    closing = folder / "closing.json"
    try:
        controls = [read(Control, folder / name) for name in read(ControlSet, closing).controls]
    except RecordError:
        return 1, None
    took_s, traffic_s = seconds(str(closing)), sum(control.settings.traffic_s for control in controls)
    return len({control.kind for control in controls}), None if took_s is None else took_s - traffic_s


def _recalled(identity: str, results: Path) -> Environment | None:
    with contextlib.suppress(RecordError):
        return recall(identity, results)
    return None
