"""All that we ask of Snakemake beside its documented interface, in one place.

``tests/unit/test_snakemake_plan.py`` runs all of it against the installed Snakemake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from logging import LogRecord
from typing import TYPE_CHECKING

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.io import IOFile
from snakemake_interface_logger_plugins.common import LogEvent

from middlebench.run.jobs import Job

if TYPE_CHECKING:
    from snakemake.jobs import Job as SnakemakeJob
    from snakemake.workflow import Workflow

WRITTEN_FOR = "9.27"
"""Version of Snakemake whose inside this file follows."""


def is_main(workflow: Workflow) -> bool:
    """Return whether this process plans the run, and is not one of its jobs."""
    return bool(workflow.is_main_process)


def runs_jobs_here(workflow: Workflow) -> bool:
    """Return whether jobs run on this computer, as children of this process. Not known before the plan is made."""
    return bool(workflow.local_exec)


def start_jobs_at_once(workflow: Workflow) -> None:
    """Let jobs of a run that begins start as soon as they may, and not only so many a second.

    With such a limit, which the command line always sets, each job that ends has Snakemake look for jobs to start once
    more in every second to come: 200 times a second behind 200 cells, on processors that are measured.
    """
    workflow.scheduler.job_rate_limiter = None


def limit_resource(workflow: Workflow, name: str, most: int) -> None:
    """Let jobs that run at once use no more than this of a resource, whatever the command line says."""
    workflow.register_resource(name, most)


def tells_plan(record: LogRecord) -> bool:
    """Return whether Snakemake logs this message once its plan is made, before any job runs."""
    return getattr(record, "event", None) == LogEvent.RUN_INFO or record.msg == NOTHING_TO_BE_DONE_MSG


def seconds_of(workflow: Workflow, output: str) -> float | None:
    """Return how long the job that made a file took, as Snakemake noted it; None where it noted nothing."""
    noted = workflow.persistence.metadata(IOFile(output))
    if noted is None or not noted.starttime or not noted.endtime or noted.endtime <= noted.starttime:
        return None
    return float(noted.endtime - noted.starttime)


def planned_jobs(workflow: Workflow) -> list[Job]:
    """Return all jobs of the workflow's plan, those too that need not run."""
    return [
        _job(job, workflow)
        for level in workflow.dag.toposorted()
        for job in sorted(level, key=lambda job: job.rule.name)
    ]


def outputs_to_come(workflow: Workflow) -> Iterator[str]:
    """Yield the outputs of all jobs that are to run."""
    for job in workflow.dag.needrun_jobs():
        yield from map(str, job.output)


def _job(job: SnakemakeJob, workflow: Workflow) -> Job:
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
        seconds=seconds_of(workflow, job.output[0]) if job.output else None,
    )


def is_module(workflow: Workflow) -> bool:
    """Return whether the rules that are being read are those of a module of another workflow."""
    return not workflow.modifier.is_main_snakefile()


def heed(workflow: Workflow, begin: Callable[[], None], succeed: Callable[[], None], fail: Callable[[], None]) -> None:
    """Let a run of another workflow begin and end with what this one needs.

    Snakemake heeds the handlers of the main Snakefile alone. Those that were defined there before still come, after
    ours; those that are defined later take the place of ours.
    """
    for name, ours in (("_onstart", begin), ("_onsuccess", succeed), ("_onerror", fail)):
        theirs = getattr(workflow, name)
        setattr(workflow, name, lambda log, ours=ours, theirs=theirs: (ours(), theirs(log)))


def set_default_target(workflow: Workflow, rule: str) -> None:
    """Make a rule what is run where no target is named."""
    workflow.default_target = rule
