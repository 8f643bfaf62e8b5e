"""Before a run: says what it does and why, and refuses to mix environments where nobody has chosen to.

The reasons are Snakemake's own, as its plan holds them. The summary is made in the moment in which
Snakemake tells of its plan (in dry runs too), and travels with that message to
:mod:`middlebench.run.progress`, which shows it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.io import IOFile
from snakemake_interface_logger_plugins.common import LogEvent

from middlebench.config.study import Study
from middlebench.model.controls import Control, ControlSet
from middlebench.model.environment import Environment, recall
from middlebench.model.order import CellName
from middlebench.model.record import Settings, read
from middlebench.run.plan import CELL_RULE, Finished, Job, Past, PastControls, RunPlan, TestbedPlan, Wanted, plan_run
from middlebench.run.summary import summary
from middlebench.system.errors import ConfigError, RecordError
from middlebench.system.text import duration, plural

if TYPE_CHECKING:
    from snakemake.jobs import Job as SnakemakeJob
    from snakemake.workflow import Workflow


class Preflight(logging.Filter):
    """Puts the summary into the message by which Snakemake tells of its plan.

    A filter, because a logger's filters are asked by the thread that logs: nothing of the plan runs yet.

    Args:
        workflow: Snakemake's workflow, of which the plan is not made yet.
        study: what the run is about.
        present: the environments of the testbeds as they are now; filled while the plan is made.
    """

    def __init__(self, workflow: Workflow, study: Study, present: Mapping[str, Environment | None]) -> None:
        super().__init__()
        self._workflow = workflow
        self._study = study
        self._present = present
        self._told = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message pass; the first that tells of the plan gets the attributes ``preflight`` and ``ahead``."""
        if not self._told and (
            getattr(record, "event", None) == LogEvent.RUN_INFO or record.msg == NOTHING_TO_BE_DONE_MSG
        ):
            self._told = True
            try:
                plan = self.plan()
                record.preflight, record.ahead = summary(plan), plan.ahead
            except Exception as error:  # a summary must never end a run
                record.preflight = f"no summary of this run can be given ({type(error).__name__}: {error})"
        return True

    def plan(self) -> RunPlan:
        """Return what the run is about to do."""
        jobs = [
            _job(job, self._workflow, self._seconds(job.output[0]) if job.output else None)
            for level in self._workflow.dag.toposorted()
            for job in sorted(level, key=lambda job: job.rule.name)
        ]
        testbeds = {job.wildcards["testbed"] for job in jobs if job.rule == CELL_RULE}
        results = Path(self._study.results_folder)
        finished = {name: read_finished(results / name, self._seconds) for name in testbeds}
        return plan_run(jobs, finished, self._present, wanted_of(self._study))

    def _seconds(self, output: str) -> float | None:
        """Return how long the job that made a file took, as Snakemake noted it."""
        noted = self._workflow.persistence.metadata(IOFile(output))
        if noted is None or not noted.starttime or not noted.endtime or noted.endtime <= noted.starttime:
            return None
        return float(noted.endtime - noted.starttime)

    def demand_choice(self) -> None:
        """Refuse to measure beside finished cells of another environment, unless the config says what becomes of them.

        Raises:
            ConfigError: it does not; the message says what changed and how to choose.
        """
        if self._study.other_environment != "stop":
            return
        for plan in self.plan().testbeds:
            if plan.mixes:
                raise undecided(plan, self._study)


def wanted_of(study: Study) -> Wanted:
    """Return what a study asks for, as far as a plan depends on it."""
    controls = None if study.controls == "none" else study.controls
    return Wanted(
        settings=study.settings.model_dump(mode="json"),
        repetitions=study.repetitions,
        extra_repetitions=study.extra_repetitions,
        controls_every=controls.every if controls else None,
        control_sizes=len(controls.frame_sizes) if controls else 0,
        remeasures=study.other_environment == "remeasure",
    )


def undecided(plan: TestbedPlan, study: Study) -> ConfigError:
    """Return the error that says why a testbed's cells would be mixed, and what there is to choose from."""
    changed = "; ".join(plan.kept_of_others)
    others = sum(plan.kept_of_others.values())
    cells = plural(plan.cells, "cell") if plan.cells else f"up to {plural(plan.extra, 'extra repetition')}"
    return ConfigError(
        f"measuring {cells} on {plan.testbed}",
        f"{plural(others, 'finished cell')} would stand beside them that another environment was measured in "
        f"(since then: {changed})",
        "`other_environment` decides. `stop`, as now: set the environment back, and run again. "
        "`--config other_environment=remeasure`: such cells are measured again wherever they are asked for, and their "
        f"records kept in {study.results_folder}/{plan.testbed}/superseded (all {others} take some "
        f"{duration(others * plan.cell_s)}). `--config other_environment=reuse`: they stay as they are, and every "
        "figure says that environments are mixed",
    )


def _job(job: SnakemakeJob, workflow: Workflow, seconds: float | None) -> Job:
    """Return one of Snakemake's jobs as we need it."""
    reason, runs = workflow.dag.reason(job), workflow.dag.needrun(job)
    parameters = reason.params_changed
    return Job(
        rule=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        outputs=tuple(map(str, job.output)),
        runs=runs,
        forced=bool(reason.forced),
        params_before=tuple(parameters.only_old) if parameters else (),
        params_now=tuple(parameters.only_new) if parameters else (),
        renewed=tuple(sorted(map(str, reason.updated_input_run))),
        newer=tuple(sorted(map(str, reason.updated_input))),
        priority=job.priority if runs else 0,  # Snakemake orders nothing else
        seconds=seconds,
    )


def read_finished(results: Path, seconds: Callable[[str], float | None] = lambda _: None) -> Finished:
    """Return what is on disk of a testbed; what cannot be read is not finished.

    Args:
        results: the testbed's results folder.
        seconds: returns how long the job that made a file took.
    """
    environments: dict[str, Environment | None] = {}
    cells: dict[CellName, Past] = {}
    for path in results.glob("cells/n*/size*/rep*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(path.read_bytes())
            cell, identity = values["cell"], values["environment"]
            if identity not in environments:
                environments[identity] = _recalled(identity, results)
            name = CellName(cell["n"], cell["frame_bytes"], cell["repetition"])
            settings = Settings.model_validate(values["settings"]).model_dump(mode="json")
            cells[name] = Past(environments[identity], settings, seconds(str(path)))
    deployment_s: dict[int, float] = {}
    for path in results.glob("deployments/n*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(path.read_bytes())
            deployment_s[int(values["plan"]["n"])] = seconds(str(path)) or float(values["total_s"])
    return Finished(cells, deployment_s, _past_controls(results / "controls", seconds))


def _past_controls(folder: Path, seconds: Callable[[str], float | None]) -> PastControls | None:
    """Return what is on disk of the controls that ended the last run; None where it cannot be read."""
    closing = folder / "closing.json"
    try:
        controls = [read(Control, folder / name) for name in read(ControlSet, closing).controls]
    except RecordError:
        return None
    return PastControls(
        kinds=len({control.kind for control in controls}),
        traffic_s=sum(control.settings.warm_up_s + control.settings.window_s for control in controls),
        seconds=seconds(str(closing)),
    )


def _recalled(identity: str, results: Path) -> Environment | None:
    try:
        return recall(identity, results)
    except RecordError:
        return None
