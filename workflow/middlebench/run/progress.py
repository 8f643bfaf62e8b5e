"""What a run shows while it goes on: cells done, the last cell's rate, the time left.

A Snakemake logger plugin. On a terminal it keeps one line up to date; elsewhere it says one line
every tenth of the way. Errors and everything that is not a job's coming and going are shown as
Snakemake shows them.
"""

from __future__ import annotations

import json
from logging import Formatter, LogRecord
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from middlebench.model.cell import Cell
from middlebench.run.pace import Pace
from middlebench.run.plan import CELL_RULE, DEPLOY_RULE
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


def describe_record(path: Path) -> str:
    """Return what a finished cell found, in a few words; nothing where its record cannot be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        cell, counts = Cell.model_validate(record["cell"]), record["counts"]
        packets, size = (counts[name] / counts["window_s"] for name in ("received_packets", "received_bytes"))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return ""
    return f"{cell.testbed} {cell.label}: {packets / 1000:.1f} kpkt/s, {size * 8 / 1e6:.1f} Mb/s"


def line_of(*parts: str) -> Text:
    """Return the whole display: one line, what matters most first, cut where the terminal ends."""
    return Text("  ".join(filter(None, parts)), no_wrap=True, overflow="ellipsis")


class LogHandler(LogHandlerBase):
    """The plugin: Snakemake creates it and sends it every message."""

    writes_to_stream = True
    writes_to_file = False
    """Snakemake's own log has everything."""
    has_filter = has_formatter = False
    """Snakemake's own apply."""
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Set the display up; it appears with the first cell."""
        self._console = Console(stderr=True, highlight=False)
        self._jobs: dict[int, dict[str, Any]] = {}
        self._cells = Pace(0)
        self._steps_told = 0
        self._display: Live | None = None
        self._last = ""
        self._interrupted = False

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
                self._cells = values.get("ahead") or Pace(int((values.get("stats") or {}).get(CELL_RULE, 0)))
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
        self._cells.done += 1
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
            self._display = Live(console=self._console, auto_refresh=False)  # a thread that draws would be measured too
            self._display.start()
        last = f"  (last: {self._last})" if self._last else ""
        self._display.update(line_of(self._cells.far, self._left(), f"{doing or '…'}{last}"), refresh=True)

    def _hide(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _left(self) -> str:
        left = self._cells.left_s
        return f"{'at most ' * self._cells.at_most}about {duration(left)} left" if left else ""

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
