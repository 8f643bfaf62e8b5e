"""What a run is about to do, and why: from the workflow's plan to a summary that fits on a screen.

Pure: it is given the jobs of the plan and what is on disk already. See :mod:`middlebench.run.preflight`.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean, median
from typing import Any

from middlebench.model.cell import Cell, deployment_values
from middlebench.model.environment import Environment, differences
from middlebench.system.text import changes

CELL_RULE, DEPLOY_RULE = "measure", "deploy"
CLOSE_RULE, TABLE_RULE = "close", "aggregate"
NEW = "not measured yet"
UNKNOWN = "an environment whose description is lost"

UNTIMED_S = 6.0
"""What a job beside the cells takes that was never timed: most execute a notebook, in so long on two idle cores."""


@dataclass(frozen=True)
class Job:
    """One job of the workflow's plan."""

    rule: str
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    runs: bool
    """Whether it is to run; what it makes is up to date otherwise."""
    forced: bool = False
    """Whether it was forced (`--force`), or interrupted the last time."""
    params_before: tuple[str, ...] = ()
    """Parameters of the last time, as Python writes them, that are none now."""
    params_now: tuple[str, ...] = ()
    """Parameters of now that were none the last time."""
    renewed: tuple[str, ...] = ()
    """Inputs that another job will make again."""
    newer: tuple[str, ...] = ()
    """Inputs that have changed since."""
    priority: int = 0
    seconds: float | None = None
    """Seconds that it took the last time; None where unknown."""


@dataclass(frozen=True)
class Past:
    """What the record of a finished cell says."""

    environment: Environment | None
    """None where it is not kept any more."""
    settings: Mapping[str, Any]
    seconds: float | None = None
    """Seconds that its job took; None where unknown."""

    @property
    def traffic_s(self) -> float:
        """Seconds of warm-up and window."""
        return float(self.settings["warm_up_s"]) + float(self.settings["window_s"])


@dataclass(frozen=True)
class PastControls:
    """What the last whole set of controls says."""

    kinds: int
    """Kinds of control that the testbed has."""
    traffic_s: float
    """Seconds of warm-up and window of all its trials."""
    seconds: float | None = None
    """Seconds that it took; None where unknown."""


@dataclass(frozen=True)
class Wanted:
    """What the config asks for, as far as a plan depends on it."""

    settings: Mapping[str, Any]
    """How cells are measured now."""
    repetitions: int = 1
    """How often each cell is measured."""
    controls_every: int | None = None
    """How many cells are measured between controls; None without controls."""
    control_sizes: int = 1
    """How many frame sizes the controls have."""
    remeasures: bool = False
    """Whether cells of other environments are measured again."""

    @property
    def traffic_s(self) -> float:
        """Seconds of warm-up and window of one trial."""
        return Past(None, self.settings).traffic_s

    @property
    def searches(self) -> bool:
        """Whether a cell is a throughput search, of many trials."""
        return self.settings.get("search") is not None


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

    @property
    def cells(self) -> int:
        """How many cells are measured."""
        return sum(map(len, self.reasons.values()))

    @property
    def mixes(self) -> bool:
        """Whether cells of this environment would come beside finished ones of others."""
        return bool(self.cells and self.kept_of_others)


@dataclass(frozen=True)
class Ahead:
    """What a run measures, in numbers."""

    cells: int
    """Cells."""
    control_sets: int = 0
    """Sets of controls before and between them."""
    closing_sets: int = 0
    """Sets of controls after the last cell of a testbed."""
    set_in_cells: float = 0.0
    """How many cells take as long as one set of controls."""


@dataclass(frozen=True)
class RunPlan:
    """What a run does."""

    testbeds: tuple[TestbedPlan, ...]
    other_jobs: Counter[str]
    """Jobs that touch no testbed, by rule."""
    other_seconds: float = 0.0
    certain: bool = True

    @property
    def ahead(self) -> Ahead:
        """What the run measures, for those who show how far it is."""
        cells = sum(plan.cells for plan in self.testbeds)
        sets = sum(plan.control_sets for plan in self.testbeds)
        cell_s = sum(plan.cells * plan.cell_s for plan in self.testbeds) / max(1, cells)
        set_s = sum(plan.control_sets * plan.control_set_s for plan in self.testbeds) / max(1, sets)
        closing = sum(plan.closes for plan in self.testbeds)
        return Ahead(cells, sets - closing, closing, set_s / cell_s if cell_s else 0.0)


@dataclass(frozen=True)
class Finished:
    """What is on disk already of one testbed."""

    cells: Mapping[Cell, Past] = field(default_factory=dict)
    """What finished cells say."""
    deployment_s: Mapping[int, float] = field(default_factory=dict)
    """Seconds that a deployment took, by chain length."""
    controls: PastControls | None = None
    """The last set of controls that ended a run; None where there is none."""


def plan_run(
    jobs: Sequence[Job], finished: Mapping[str, Finished], present: Mapping[str, Environment | None], wanted: Wanted
) -> RunPlan:
    """Return what a run does.

    ``jobs`` are all of the workflow's plan, also those that need not run; finished cells and environments go by
    testbed.
    """
    of_testbeds = [job for job in jobs if job.rule in (CELL_RULE, DEPLOY_RULE)]
    names = dict.fromkeys(job.wildcards["testbed"] for job in sorted(of_testbeds, key=lambda job: -job.priority))
    producers = {path: job for job in jobs if job.runs for path in job.outputs}
    testbeds = tuple(
        _plan_testbed(
            name,
            [job for job in jobs if job.wildcards.get("testbed") == name],
            finished.get(name, Finished()),
            _Judge(present.get(name), wanted.remeasures, producers),
            wanted,
        )
        for name in names
    )
    of_plans = (CELL_RULE, DEPLOY_RULE, CLOSE_RULE)
    others = [job for job in jobs if job.runs and job.rule not in of_plans and job.outputs]
    known = [_seconds(job, jobs) for job in others]
    return RunPlan(
        testbeds=testbeds,
        other_jobs=Counter(job.rule for job in others),
        other_seconds=sum(UNTIMED_S if each is None else each for each in known),
        certain=None not in known,
    )


@dataclass(frozen=True)
class _Judge:
    """Says why a cell is measured."""

    present: Environment | None
    remeasures: bool
    producers: Mapping[str, Job]

    def changed_since(self, past: Past) -> str:
        """Return what has changed in the environment since; nothing when it is the same."""
        if past.environment is None:
            return UNKNOWN
        return ", ".join(differences(past.environment, self.present)) if self.present else ""

    def reason(self, job: Job, past: Past | None) -> str:
        """Return why a cell is measured, in a few words."""
        if past is None:
            return NEW
        if told := "; ".join(_changed_parameters(job.params_before, job.params_now)):
            return told
        changed = self.changed_since(past) if self.remeasures else ""
        if changed:
            return f"other environment: {changed}"
        if job.renewed:
            return f"{self._root(job.renewed)} is made again"
        if job.newer:
            return f"{', '.join(job.newer)} changed since"
        return "asked for, or interrupted" if job.forced else "what it is made from changed"

    def _root(self, renewed: tuple[str, ...]) -> str:
        """Return the file, furthest up, that causes all after it to be made again."""
        path = min(renewed, key=len)
        above = self.producers[path].renewed if path in self.producers else ()
        return self._root(above) if above else path


def _plan_testbed(name: str, jobs: Sequence[Job], finished: Finished, judge: _Judge, wanted: Wanted) -> TestbedPlan:
    cells = {_cell(job): job for job in jobs if job.rule == CELL_RULE}
    measured = sorted((cell for cell, job in cells.items() if job.runs), key=lambda cell: -cells[cell].priority)
    running = {job.rule for job in jobs if job.runs}
    tables = any(job.rule == TABLE_RULE for job in jobs)
    # A plan without a table is of cells that were asked for by name: all finished ones of these settings stand beside.
    beside = {
        cell: past
        for cell, past in finished.cells.items()
        if cell in cells or (not tables and past.settings == wanted.settings)
    }
    kept = beside.keys() - set(measured)
    since = [judge.changed_since(past) for cell, past in beside.items() if cell in kept]
    chains = tuple(n for n, _ in groupby(cell.n for cell in measured))
    if not chains:
        chains = tuple(_chain_length(job) for job in jobs if job.rule == DEPLOY_RULE and job.runs)
    to_come = len(measured)
    closes = wanted.controls_every is not None and CLOSE_RULE in running
    sets = (-(-to_come // wanted.controls_every) if wanted.controls_every else 0) + closes  # one before the first cell
    cell_s, cell_certain = _seconds_a_cell(finished.cells.values(), wanted)
    set_s, set_certain = _seconds_a_control_set(finished.controls, wanted)
    deploy_s = [_deploy_seconds(n, finished.deployment_s) for n in chains]
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


def _seconds_a_cell(pasts: Iterable[Past], wanted: Wanted) -> tuple[float, bool]:
    """Return how long a cell takes, and whether that is known: as cells of these settings took, or by the overhead.

    The median, so that a cell which had to deploy its chain, or waited for another run, does not count. The
    overhead of a throughput search, which is nearly all of it, tells nothing of other settings.
    """
    took = [(past.seconds, past) for past in pasts if past.seconds is not None]
    if alike := [seconds for seconds, past in took if past.settings == wanted.settings]:
        return median(alike), True
    overheads = [seconds - past.traffic_s for seconds, past in took if past.settings.get("search") is None]
    if overheads:
        return wanted.traffic_s + max(0.0, median(overheads)), not wanted.searches
    return wanted.traffic_s, False


def _seconds_a_control_set(past: PastControls | None, wanted: Wanted) -> tuple[float, bool]:
    """Return how long a set of controls takes, and whether that is known: by the overhead of the last one."""
    traffic_s = (past.kinds if past else 1) * wanted.control_sizes * wanted.traffic_s
    if past is None or past.seconds is None:
        return traffic_s, False
    return traffic_s + max(0.0, past.seconds - past.traffic_s), True


def _deploy_seconds(n: int, known: Mapping[int, float]) -> float | None:
    """Return how long a chain takes to deploy: as it did, or by the mean of a middlebox of other chains."""
    if n in known:
        return known[n]
    a_middlebox = [seconds / length for length, seconds in known.items() if length]
    return fmean(a_middlebox) * n if a_middlebox else None


def _seconds(job: Job, jobs: Sequence[Job]) -> float | None:
    """Return how long a job takes: as it did, or as the others of its rule did."""
    if job.seconds is not None:
        return job.seconds
    alike = [each.seconds for each in jobs if each.rule == job.rule and each.seconds is not None]
    return fmean(alike) if alike else None


def _changed_parameters(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what changed in parameters that are told apart by what they hold."""
    then, since = (dict(map(_kind, values)) for values in (before, now))
    told = []
    for kind in dict.fromkeys((*then, *since)):
        if found := ", ".join(changes(then.get(kind, {}), since.get(kind, {}))):
            told.append(f"{kind} changed: {found}")
    return told


def _kind(written: str) -> tuple[str, Mapping[str, Any]]:
    """Return what a parameter is, and its value as a mapping: a testbed's file, settings, or the protocol."""
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = written
    try:
        values = json.loads(value)
    except (ValueError, TypeError):
        values = None
    if not isinstance(values, dict):
        return "protocol", {"version": value}
    return ("testbed's file" if "site" in values else "settings"), values
