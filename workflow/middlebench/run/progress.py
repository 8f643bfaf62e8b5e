"""What a run shows while it goes on: cells done, the last cell's rate, the time left.

A Snakemake logger plugin. On a terminal it keeps one line up to date; elsewhere it says one line
every tenth of the way. Errors and everything that is not a job's coming and going are shown as
Snakemake shows them.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from logging import Formatter, LogRecord
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.text import Text
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from middlebench.model.cell import Cell
from middlebench.run.plan import CELL_RULE, DEPLOY_RULE, Ahead
from middlebench.system.text import duration

STEPS_TOLD = 10
"""How many lines a run writes where there is no terminal."""
SILENT_EVENTS = {
    LogEvent.JOB_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_FINISHED,
    LogEvent.PROGRESS,
    LogEvent.RUN_INFO,
    LogEvent.SHELLCMD,
    LogEvent.RESOURCES_INFO,
    LogEvent.WORKFLOW_STARTED,
}
CHATTER = (
    "Select jobs to execute",
    "Building DAG of jobs",
    "Conda environments: ignored",
    "Assuming unrestricted shared filesystem",
    "Using shell",
    "Reasons:",
    "Some jobs were triggered by provenance information",
    "Rules with provenance triggered jobs",
    "DAG of jobs will be updated after completion",
    "Updating checkpoint dependencies",
)
"""Starts of Snakemake's messages that are of no use to a user of this workflow. They carry no event, and have the level
of "Nothing to be done", which is shown."""

INTERRUPTED = "Terminating processes on user request"
"""How Snakemake begins to end a run upon Ctrl-C."""
LOG_HINT = "Complete log"


@dataclass
class Cells:
    """How far the sweep is, and how long it still takes."""

    ahead: Ahead
    done: int = 0
    started: float | None = None
    """When the first chain began to be deployed, or the first cell to be measured: what comes before sets no pace."""

    @property
    def total(self) -> int:
        """Cells that the run measures at the most."""
        return self.ahead.cells

    @property
    def far(self) -> str:
        """How far it is, in words."""
        return f"{self.done} of {'at most ' * self.ahead.at_most}{self.total} cells"

    def begin(self) -> None:
        """Note that a cell, or the deployment of a chain, begins."""
        if self.started is None:
            self.started = time.monotonic()

    def finish_one(self) -> None:
        """Count a cell that is done."""
        self.done += 1

    @property
    def left_s(self) -> float | None:
        """Seconds left at the mean pace so far, deployments and controls included; None before the first cell.

        The first set of controls comes before the first cell, the others are taken to be spread evenly; those
        that close a testbed come after the last.
        """
        if not self.done or self.started is None:
            return None
        sets, cells_left = self.ahead.control_sets, max(0, self.total - self.done)
        sets_left = max(0, sets - 1) * cells_left / max(1, self.total)
        work_done = self.done + (sets - sets_left) * self.ahead.set_in_cells
        work_left = cells_left + (sets_left + self.ahead.closing_sets) * self.ahead.set_in_cells
        return (time.monotonic() - self.started) / work_done * work_left


def describe_record(path: Path) -> str:
    """Return what a finished cell found, in a few words; nothing where its record cannot be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        cell, counts = Cell.model_validate(record["cell"]), record["counts"]
        packets, size = (counts[name] / counts["window_s"] for name in ("received_packets", "received_bytes"))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return ""
    return f"{cell.testbed} {cell.label}: {packets / 1000:.1f} kpkt/s, {size * 8 / 1e6:.1f} Mb/s"


class Line(ProgressColumn):
    """The whole display: one line, what matters most first, cut where the terminal ends."""

    def render(self, task: Task) -> Text:
        """Return the line."""
        parts = (task.fields["far"], task.fields["left"], task.description)
        return Text("  ".join(filter(None, parts)), no_wrap=True, overflow="ellipsis")


class LogHandler(LogHandlerBase):
    """The plugin: Snakemake creates it and sends it every message."""

    def __post_init__(self) -> None:
        """Set the display up; it appears with the first cell."""
        self._console = Console(stderr=True, highlight=False)
        self._jobs: dict[int, dict[str, Any]] = {}
        self._cells = Cells(Ahead(cells=0))
        self._steps_told = 0
        self._display: Progress | None = None
        self._task = TaskID(0)
        self._last = ""
        self._interrupted = False

    @property
    def writes_to_stream(self) -> bool:
        """Return that this handler writes to the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Return that this handler writes no file: Snakemake's own log has everything."""
        return False

    @property
    def has_filter(self) -> bool:
        """Return that Snakemake's own filter applies."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Return that Snakemake's own formatter applies."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Return that no graph of the rules is needed."""
        return False

    def emit(self, record: LogRecord) -> None:
        """Handle one message of Snakemake."""
        try:
            event = getattr(record, "event", None)
            if summary := getattr(record, "preflight", ""):
                self._say(summary)
            if self.common_settings.verbose or event not in SILENT_EVENTS:
                self._pass_on(record)
                return
            if self.common_settings.dryrun:
                if event == LogEvent.RUN_INFO and summary:
                    self._pass_on(record)
                return
            values = record.__dict__
            if event == LogEvent.RUN_INFO:
                cells = int((values.get("stats") or {}).get(CELL_RULE, 0))
                self._cells = Cells(values.get("ahead", Ahead(cells)))
            elif event == LogEvent.JOB_INFO:
                self._begin(values)
            elif event == LogEvent.JOB_FINISHED:
                self._finish(values)
        except Exception:  # a display must never end a sweep
            self.handleError(record)

    def close(self) -> None:
        """Remove the line from the terminal."""
        self._hide()
        super().close()

    def _begin(self, values: dict[str, Any]) -> None:
        self._jobs[values["jobid"]] = values
        if not values["output"]:
            return  # a target such as `all`: nothing happens there
        if values["rule_name"] in (DEPLOY_RULE, CELL_RULE):
            self._cells.begin()
        if values["rule_name"] == CELL_RULE:
            testbed, key = values["wildcards"]["testbed"], values["wildcards"]["cell"]
            cell = Cell.of_key(testbed, key)
            self._show(f"{testbed} {cell.label if cell else key}")
        elif self._display is not None:
            self._show(values["rule_msg"] or values["rule_name"])
        else:
            self._say(values["rule_msg"] or values["rule_name"])

    def _finish(self, values: dict[str, Any]) -> None:
        job = self._jobs.pop(values.get("job_id", values.get("jobid", -1)), None)
        if job is None or job["rule_name"] != CELL_RULE:
            return
        self._cells.finish_one()
        self._last = describe_record(Path(job["output"][0]))
        if self._console.is_terminal:
            self._show("")
        elif self._cells.done * STEPS_TOLD // max(1, self._cells.total) > self._steps_told:
            self._steps_told = self._cells.done * STEPS_TOLD // max(1, self._cells.total)
            self._say("; ".join(filter(None, (self._cells.far, self._last, self._left()))))
        if self._cells.done == self._cells.total:
            self._hide()

    def _show(self, doing: str) -> None:
        """Bring the line up to date, where there is a terminal to keep one on."""
        if not self._console.is_terminal:
            return
        if self._display is None:
            self._display = Progress(Line(), console=self._console)
            self._task = self._display.add_task("", total=self._cells.total, far=self._cells.far, left="")
            self._display.start()
        description = f"{doing or '…'}" + (f"  (last: {self._last})" if self._last else "")
        self._display.update(
            self._task, completed=self._cells.done, description=description, far=self._cells.far, left=self._left()
        )

    def _hide(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _left(self) -> str:
        left = self._cells.left_s
        return f"{'at most ' * self._cells.ahead.at_most}about {duration(left)} left" if left else ""

    def _pass_on(self, record: LogRecord) -> None:
        text = (self.formatter or Formatter()).format(record)
        if text.startswith(INTERRUPTED):
            self._interrupted = True
            text = "Interrupted: what runs is ended; finished cells are safe, run the same command again to go on"
        elif self._interrupted and not self.common_settings.verbose and not text.startswith(LOG_HINT):
            return  # each job that was ended, told as an error
        if text and text != "None" and not text.startswith(CHATTER):
            self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
