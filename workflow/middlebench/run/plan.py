"""What a run is about to do, and why: from the workflow's plan to a summary that fits on a screen.

Pure: it is given the jobs of the plan and what is on disk already. See :mod:`middlebench.run.preflight`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from middlebench.config.study import Study
from middlebench.model.cell import Cell, deployment_values
from middlebench.model.environment import Environment
from middlebench.run.estimates import deployment_seconds, seconds_a_cell, seconds_a_control_set, seconds_of
from middlebench.run.jobs import Finished, Job
from middlebench.run.pace import Pace
from middlebench.run.reasons import Judge

CELL_RULE, DEPLOY_RULE = "measure", "deploy"

CLOSE_RULE, TABLE_RULE = "close", "aggregate"
CHOOSE_RULE = "choose_cells"

UNTIMED_S = 6.0
"""What a job beside the cells takes that was never timed: most execute a notebook, in so long on two idle cores."""


@dataclass(frozen=True)
class TestbedPlan:
    """What a run does on one testbed."""

    testbed: str
    reasons: Mapping[str, Sequence[Cell]]
    """Why cells are measured, and which for each reason."""
    kept: int
    """Finished cells of the present environment."""
    kept_of_others: Counter[str]
    """Finished cells of other environments that are not measured again, by what has changed since."""
    left_out: int
    """Finished cells that the config does not ask for: they are on disk, and in no table."""
    chains: tuple[int, ...]
    """Length of each chain to be deployed, in order."""
    control_sets: int
    """Sets of controls that are measured, the closing one among them."""
    closes: bool
    """Whether there is a closing one."""
    cell_s: float
    """How long a cell takes, as far as the past tells."""
    control_set_s: float
    """How long a set of controls takes, as far as the past tells."""
    seconds: float
    """How long all of it takes, as far as the past tells."""
    certain: bool
    """Whether the past tells it of everything."""
    open: int = 0
    """Cells that an adaptive sweep may yet choose; they are in no other number."""

    @property
    def cells(self) -> int:
        """How many cells are measured."""
        return sum(map(len, self.reasons.values()))

    @property
    def mixes(self) -> bool:
        """Whether cells of this environment would come beside finished ones of others."""
        return bool(self.cells and self.kept_of_others)


@dataclass(frozen=True)
class RunPlan:
    """What a run does."""

    testbeds: tuple[TestbedPlan, ...]
    other_jobs: Counter[str]
    """Jobs that touch no testbed, by rule."""
    other_seconds: float = 0.0
    certain: bool = True

    @property
    def ahead(self) -> Pace:
        """What the run measures, for those who show how far it is."""
        cells = sum(plan.cells for plan in self.testbeds)
        sets = sum(plan.control_sets for plan in self.testbeds)
        cell_s = sum(plan.cells * plan.cell_s for plan in self.testbeds) / max(1, cells)
        set_s = sum(plan.control_sets * plan.control_set_s for plan in self.testbeds) / max(1, sets)
        closing = sum(plan.closes for plan in self.testbeds)
        unchosen = sum(plan.open for plan in self.testbeds)
        return Pace(cells + unchosen, sets - closing, closing, set_s / cell_s if cell_s else 0.0, unchosen > 0)


def plan_run(
    jobs: Sequence[Job], finished: Mapping[str, Finished], present: Mapping[str, Environment | None], study: Study
) -> RunPlan:
    """Return what a run does.

    ``jobs`` are all of the workflow's plan, also those that need not run; finished cells and environments go by
    testbed.
    """
    of_testbeds = [job for job in jobs if job.rule in (CELL_RULE, DEPLOY_RULE, CHOOSE_RULE)]
    names = dict.fromkeys(job.wildcards["testbed"] for job in sorted(of_testbeds, key=lambda job: -job.priority))
    producers = {path: job for job in jobs if job.runs for path in job.outputs}
    testbeds = tuple(
        _plan_testbed(
            name,
            [job for job in jobs if job.wildcards.get("testbed") == name],
            finished.get(name, Finished()),
            Judge(present.get(name), study.on_environment_change == "remeasure", producers),
            study,
        )
        for name in names
    )
    of_plans = (CELL_RULE, DEPLOY_RULE, CHOOSE_RULE, CLOSE_RULE)
    others = [job for job in jobs if job.runs and job.rule not in of_plans and job.outputs]
    known = [seconds_of(job, jobs) for job in others]
    return RunPlan(
        testbeds=testbeds,
        other_jobs=Counter(job.rule for job in others),
        other_seconds=sum(UNTIMED_S if each is None else each for each in known),
        certain=None not in known,
    )


def _plan_testbed(name: str, jobs: Sequence[Job], finished: Finished, judge: Judge, study: Study) -> TestbedPlan:
    settings, controls = study.settings, None if study.controls == "none" else study.controls
    cells = {_cell(job): job for job in jobs if job.rule == CELL_RULE}
    measured = sorted((cell for cell, job in cells.items() if job.runs), key=lambda cell: -cells[cell].priority)
    running = {job.rule for job in jobs if job.runs}
    tables = any(job.rule == TABLE_RULE for job in jobs)
    # A plan without a table is of cells that were asked for by name: all finished ones of these settings stand beside.
    beside = {
        cell: past
        for cell, past in finished.cells.items()
        if cell in cells or (not tables and past.settings == settings)
    }
    kept = beside.keys() - set(measured)
    since = [judge.changed_since(past) for cell, past in beside.items() if cell in kept]
    chains = tuple(n for n, _ in groupby(cell.n for cell in measured))
    if not chains:
        chains = tuple(_chain_length(job) for job in jobs if job.rule == DEPLOY_RULE and job.runs)
    to_come, adaptive = len(measured), study.sweep == "adaptive"
    closes = controls is not None and CLOSE_RULE in running
    sets = (-(-to_come // controls.every) if controls else 0) + closes  # one before the first cell
    cell_s, cell_certain = seconds_a_cell(finished.cells.values(), settings)
    set_s, set_certain = seconds_a_control_set(finished, len(controls.frame_sizes) if controls else 0, settings)
    deploy_s = [deployment_seconds(n, finished.deployment_s) for n in chains]
    reasons: dict[str, list[Cell]] = {}
    for cell in measured:
        reasons.setdefault(judge.reason(cells[cell], finished.cells.get(cell)), []).append(cell)
    return TestbedPlan(
        testbed=name,
        reasons=reasons,
        kept=since.count(""),
        kept_of_others=Counter(text for text in since if text),
        left_out=len(finished.cells.keys() - beside.keys() - cells.keys()) if tables else 0,
        chains=chains,
        control_sets=sets,
        closes=closes,
        cell_s=cell_s,
        control_set_s=set_s,
        seconds=cell_s * to_come + set_s * sets + sum(each for each in deploy_s if each is not None),
        certain=(cell_certain or not to_come) and (set_certain or not sets) and None not in deploy_s,
        open=max(0, len(study.cells(name)) - len(cells)) if adaptive and CHOOSE_RULE in running else 0,
    )


def _cell(job: Job) -> Cell:
    cell = Cell.of_key(job.wildcards["testbed"], job.wildcards["cell"])
    if cell is None:
        raise ValueError(f"{job.wildcards['cell']} is no cell")  # the rule's own constraint lets none through
    return cell


def _chain_length(job: Job) -> int:
    values = deployment_values(job.wildcards["deployment"])
    if values is None:
        raise ValueError(f"{job.wildcards['deployment']} is no deployment")  # nor does that rule's
    return int(values["n"])
