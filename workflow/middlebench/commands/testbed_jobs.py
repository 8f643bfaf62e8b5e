"""Jobs that touch a testbed: to provision it, to deploy a chain, to measure a cell or the controls.

Each is given what its verb was told on the command line; see :mod:`middlebench.commands.measuring`.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from middlebench.commands.arguments import target_of, tell
from middlebench.config.study import Controls, Study
from middlebench.config.study_file import Target
from middlebench.model import record_file
from middlebench.model.controls import KINDS, ControlLog
from middlebench.model.environment import keep, recall
from middlebench.model.provision import Provision
from middlebench.model.quarantine import FILE, demand_released, judge
from middlebench.model.sequence import Sequence
from middlebench.run.archive import archive
from middlebench.run.present import noted, stands_in
from middlebench.sites.base import Site
from middlebench.system.files import write_text
from middlebench.system.locks import lock
from middlebench.testbed import Testbed, environment_of, site_of, stand_up
from middlebench.trials.cell import measure
from middlebench.trials.controls import links_only, measure_controls, whole_set
from middlebench.trials.convergence import deploy, plan_for
from middlebench.trials.provision import chosen_testbed, provision

JOB_SECONDS = 1500.0
"""What a job may take beside its traffic: deploying a long chain most of all. A job of a killed run still ends its
trial or its search, and so the next run's first job waits for it: this long, and as much longer as it may take."""


@dataclass(frozen=True)
class _Job:
    """A job that has locked a testbed and set it up."""

    target: Target
    site: Site
    testbed: Testbed

    @property
    def study(self) -> Study:
        return self.target.file.study


def _provision(arguments: argparse.Namespace) -> None:
    target = target_of(arguments)
    options = target.file.testbed(target.testbed)
    site, purpose = site_of(target.testbed, options), f"provisioning {target.testbed}"
    with lock(site.trial_lock, purpose, wait_s=JOB_SECONDS, takes_s=JOB_SECONDS, tell=tell):
        found, environment = provision(target.testbed, options, _tell_and_show)
        keep(environment, target.folder)
        archive(target.path, target.folder)
        record_file.write(found, target.path)


def _tell_and_show(line: str) -> None:
    """Report progress, also where a run of Snakemake puts that in a log: on its terminal, since this takes a minute."""
    tell(line)
    if not sys.stderr.isatty():
        print(line, flush=True)


def _deploy(arguments: argparse.Namespace) -> None:
    target = target_of(arguments)
    n, topology = int(target.deployment["n"]), target.deployment["topology"]
    functions = target.functions(target.deployment["function"], n)
    _demand_released(target)
    with _locked(target, f"deploying {topology}({n})") as job:
        deployed = deploy(job.testbed, plan_for(job.testbed, n, functions, topology))
        archive(target.path, target.folder)
        record_file.write(deployed, target.path)


def _measure(arguments: argparse.Namespace) -> None:
    target = target_of(arguments)
    cell, study = target.cell, target.file.study
    functions = target.functions(cell.function, cell.n)
    _demand_released(target)
    with _locked(target, f"measuring {cell.label}", study.settings.timeout_s + _controls_timeout_s(study)) as job:
        if study.controls != "none":
            _measure_controls(job, only_if_due=True)
            _demand_released(target)
        place = study.order.place(cell)
        if place is None:
            tell(f"{cell.label} is no cell of this study: it is recorded, and stands in no table")
        measured, raw = measure(job.testbed, cell, study.settings, tell, functions)
        noted = {"place": place, "session": target.file.session}
        measured = measured.model_copy(update={**noted, "sequence": Sequence(target.folder).next()})
        archive(target.path, target.folder)
        write_text(target.folder / cell.raw_path, raw)
        record_file.write(measured, target.path)


def _control(arguments: argparse.Namespace) -> None:
    target = target_of(arguments)
    with _locked(target, "measuring controls", _controls_timeout_s(target.file.study)) as job:
        _measure_controls(job, target.path)


def _controls_timeout_s(study: Study) -> float:
    """Return the most seconds that the traffic of controls takes."""
    if study.controls == "none":
        return 0.0
    return len(study.controls.frame_sizes) * len(KINDS) * study.settings.traffic_s


def _measure_controls(job: _Job, output: Path | None = None, *, only_if_due: bool = False) -> None:
    controls = Controls() if job.study.controls == "none" else job.study.controls
    folder, session = job.target.folder, job.target.file.session
    log = ControlLog(folder)
    series = whole_set(job.testbed, controls.frame_sizes)
    if only_if_due:
        once = log.due(session, sys.maxsize, links_only(job.testbed, controls.frame_sizes))
        if not (series := [*once, *log.due(session, controls.every, series)]):
            return
    before = log.sequence.last
    measured = measure_controls(job.testbed, series, job.study.settings, log, session, tell)
    if controls.if_drifting == "stop" and (drifting := judge(log.controls(), before, controls.band)):
        record_file.write(drifting, folder / FILE)
        tell(f"{drifting.testbed} is put into quarantine: {drifting.reason}")
    if output:
        archive(output, folder)
        record_file.write(measured, output)


def _demand_released(target: Target) -> None:
    """Return if the study bears drift, or the testbed is in no quarantine."""
    controls = target.file.study.controls
    if controls != "none" and controls.if_drifting == "stop":
        demand_released(target.folder, f"making {target.path}")


@contextmanager
def _locked(target: Target, doing: str, traffic_s: float = 0.0) -> Iterator[_Job]:
    """Lock a provisioned testbed, and have it stand for as long as the block runs.

    ``traffic_s`` is the most seconds that traffic takes in it.
    """
    found = record_file.read(Provision, target.provision)
    options = chosen_testbed(found)
    site = site_of(found.testbed, options)
    purpose, takes_s = f"{doing} on {found.testbed}", JOB_SECONDS + traffic_s
    with lock(site.trial_lock, purpose, wait_s=JOB_SECONDS, takes_s=takes_s, tell=tell):
        yield _Job(target, site, _attributed(stand_up(found.testbed, options, tell=tell), found, target.folder))


def _attributed(testbed: Testbed, found: Provision, folder: Path) -> Testbed:
    """Return a testbed that knows its environment, and what takes part in it.

    Both are known from the provision record unless the run has seen that the environment is another one by now.
    """
    seen = noted(testbed.name)
    if not seen.exists() or stands_in(seen, recall(found.environment, folder)):
        return dataclasses.replace(testbed, environment=found.environment, known_components=found.components)
    site = site_of(testbed.name, testbed.options)
    identity = keep(environment_of(site, testbed.options), folder)
    return dataclasses.replace(testbed, environment=identity, known_components=testbed.components())


JOBS = {"provision": _provision, "deploy": _deploy, "measure": _measure, "control": _control}
"""The jobs by their verbs."""
