"""A run's plan in words, for people: it fits on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from middlebench.model.cell import Cell
from middlebench.run.plan import RunPlan, TestbedPlan
from middlebench.system.text import duration, plural

NAMED_CELLS = 2
"""As many cells are named one by one."""
MOST_REASONS = 8
"""Lines that reasons take for one testbed."""
LONGEST_REASON = 300


def summary(plan: RunPlan) -> str:
    """Return what a run does, a screen at the most."""
    lines = ["What this run does:"]
    for each in plan.testbeds:
        lines += _lines(each)
    if plan.other_jobs:
        jobs = ", ".join(f"{rule} × {count}" if count > 1 else rule for rule, count in plan.other_jobs.items())
        lines.append(f"  then: {jobs}")
    seconds = sum(each.seconds for each in plan.testbeds) + plan.other_seconds
    if any(each.cells or each.open or each.control_sets for each in plan.testbeds) or plan.other_jobs:
        certain = plan.certain and all(each.certain for each in plan.testbeds)
        untimed = "" if certain else "; some of it was never timed here"
        lines.append(f"  in total {_about(seconds, certain)}{untimed}")
    else:
        lines.append("  nothing")
    return "\n".join(lines)


def _lines(plan: TestbedPlan) -> list[str]:
    kept = plan.kept + sum(plan.kept_of_others.values())
    head = f"  {plan.testbed}: {plan.cells} of {plural(plan.cells + kept, 'cell')} to measure, {kept} kept"
    if plan.open:
        head += f", and {plan.open} at the most that the sweep may yet choose"
    lines = [head + (f"; {_about(plan.seconds, plan.certain)}" if plan.cells else "")]
    lines += _counted({_named(reason, cells): len(cells) for reason, cells in plan.reasons.items()})
    lines += _counted({f"kept of another environment: {text}": n for text, n in plan.kept_of_others.items()})
    if plan.left_out:
        lines.append(f"    {plan.left_out:>6}  finished that the config does not ask for: on disk, and in no table")
    if plan.control_sets:
        lines.append(
            f"    controls: {plural(plan.control_sets, 'set')}, "
            f"{duration(plan.control_sets * plan.control_set_s)} of the time"
        )
    if plan.chains:
        distinct = sorted(set(plan.chains))
        times = "" if len(distinct) == len(plan.chains) else f", {len(plan.chains)} times in all"
        lines.append(f"    chains to deploy: n = {', '.join(map(str, distinct))}{times}")
    return lines


def _named(reason: str, cells: Sequence[Cell]) -> str:
    """Return a reason, and its cells where they are few."""
    if len(cells) > NAMED_CELLS:
        return reason
    return f"{reason} ({'; '.join(cell.label for cell in cells)})"


def _counted(reasons: Mapping[str, int]) -> list[str]:
    ordered = sorted(reasons.items(), key=lambda each: -each[1])
    lines = [f"    {count:>6}  {_cut(reason)}" for reason, count in ordered[:MOST_REASONS]]
    if rest := ordered[MOST_REASONS:]:
        lines.append(f"    {sum(count for _, count in rest):>6}  for {plural(len(rest), 'other reason')}")
    return lines


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _about(seconds: float, certain: bool) -> str:
    return f"{'about' if certain else 'at least'} {duration(seconds)}"
