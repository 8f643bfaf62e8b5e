"""The paper's configuration diagrams (figures 2 and 4), drawn from the plan that ran.

A single path winds from the server's first uplink to its second in an even number of rows, so that both uplinks face
the test computer. Of several paths each is a column, from the first uplink at the top to the second at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from middlebench.analysis.data.dataset import Plan
from middlebench.analysis.figures import style
from middlebench.analysis.figures.style import styled
from middlebench.model.plan import Hop, Path

MOST_COLUMNS = 7
"""Boxes in a row beyond which a path gets two more rows."""

PITCH, ROW = 1.8, 1.15
"""Inches from one box to the next, across and down."""
BOX_WIDTH, BOX_HEIGHT = 0.95, 0.56
NAMES = {
    "chain": "chain of {} middleboxes",
    "parallel": "{} middleboxes in parallel",
    "pipeline": "pipeline of {} middleboxes",
}
LANE = 0.17
"""Inches that the two uplinks of a single bridge lie above and below its middle."""
COMPUTER_WIDTH, GAP, MARGIN, EDGE = 1.25, 1.35, 0.35, 0.03

BRIDGE_COLOR, MIDDLEBOX_COLOR, COMPUTER_COLOR, SERVER_COLOR = "#cfe3f1", "#fbe0c4", "#e6e6e6", "#f7f7f7"
PORT_COLOR = "#333333"


@dataclass(frozen=True)
class _Box:
    """One bridge or middlebox and its place."""

    name: str
    kind: str
    row: int
    column: int

    @property
    def x(self) -> float:
        """Inches from the middle of the first column."""
        return self.column * PITCH

    @property
    def y(self) -> float:
        """Inches from the middle of the first row, downwards negative."""
        return -self.row * ROW


@styled
def configuration_diagram(plan: Plan, testbed: str, middlebox: str, note: str = "") -> Figure:
    """Return a drawing of the test computer, the server and what is between them.

    ``plan`` is that of its deployment record; ``note`` is what the title must say besides.
    """
    paths = [Path(tuple(Hop(**hop) for hop in path["hops"])) for path in plan["paths"]]
    boxes = _in_columns(paths) if len(paths) > 1 else _in_rows(paths[0])
    rows = max(box.row for box in boxes.values()) + 1
    columns = max(box.column for box in boxes.values()) + 1
    left = -BOX_WIDTH / 2 - GAP
    right = (columns - 1) * PITCH + BOX_WIDTH / 2 + MARGIN + 0.35
    bottom, top = -(rows - 1) * ROW - BOX_HEIGHT / 2 - MARGIN, BOX_HEIGHT / 2 + MARGIN + 0.25
    far_left = left - COMPUTER_WIDTH - EDGE
    figure, (axes,) = style.new_figure(width=max(right - far_left, 6.0), height=top - bottom + 0.85)
    axes.set(xlim=(far_left, max(right, far_left + 6.0) + EDGE), ylim=(bottom - EDGE, top + EDGE), aspect="equal")
    axes.axis("off")
    server_left = left + 0.55
    _area(axes, (left - COMPUTER_WIDTH, bottom), (left, top), "test\ncomputer", COMPUTER_COLOR)
    _area(axes, (server_left, bottom), (right, top), "middlebox server", SERVER_COLOR)
    for box in boxes.values():
        _draw_box(axes, box)
    apart = LANE if rows == 1 else 0.0
    first, last = paths[0].hops[0], paths[0].hops[-1]
    _uplink(axes, boxes[_node(first)], (left, server_left), first.ingress_port, apart)
    _uplink(axes, boxes[_node(last)], (left, server_left), last.egress_port, -apart, inwards=False)
    for before, after in dict.fromkeys(pair for path in paths for pair in pairwise(path.hops)):
        ports = dict.fromkeys((before.egress_port, after.ingress_port))
        _link(axes, boxes[_node(before)], boxes[_node(after)], tuple(ports))
    n = int(plan["n"])
    what = {0: "one bridge, no middlebox", 1: "one middlebox"}.get(n, NAMES[plan["topology"]].format(n))
    style.set_title(axes, style.noted(f"Measurement configuration: {what}", note), f"testbed {testbed} · {middlebox}")
    return figure


def _node(hop: Hop) -> tuple[str, int]:
    return hop.kind, hop.index


def _in_rows(path: Path) -> dict[tuple[str, int], _Box]:
    """Return every bridge and middlebox of one path in the order in which frames pass them, each with its place."""
    columns = ceil(len(path.hops) / _rows_for(len(path.hops)))
    return {_node(hop): _Box(hop.name, hop.kind, *_place(index, columns)) for index, hop in enumerate(path.hops)}


def _in_columns(paths: Sequence[Path]) -> dict[tuple[str, int], _Box]:
    """Return every bridge and middlebox of several paths: each path a column, what they share in the first one."""
    boxes: dict[tuple[str, int], _Box] = {}
    for column, path in enumerate(paths):
        for row, hop in enumerate(path.hops):
            boxes.setdefault(_node(hop), _Box(hop.name, hop.kind, row, column))
    return boxes


def _rows_for(boxes: int) -> int:
    """Return the least even number of rows that keeps each within ``MOST_COLUMNS``; one for a lone box."""
    return 1 if boxes == 1 else 2 * ceil(boxes / (2 * MOST_COLUMNS))


def _place(index: int, columns: int) -> tuple[int, int]:
    """Return row and column of a box: even rows run to the right, odd ones back."""
    row, step = divmod(index, columns)
    return row, step if row % 2 == 0 else columns - 1 - step


def _area(axes: Axes, lower_left: tuple[float, float], upper_right: tuple[float, float], name: str, color: str) -> None:
    """Draw a computer as a large box, its name at the top."""
    (x0, y0), (x1, y1) = lower_left, upper_right
    rounded = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((x0, y0), x1 - x0, y1 - y0, boxstyle=rounded, facecolor=color, edgecolor=style.GREY))
    _write(axes, (x0 + x1) / 2, y1 - 0.1, name, ha="center", va="top", size=9)


def _draw_box(axes: Axes, box: _Box) -> None:
    rounding, color = ("0.02", BRIDGE_COLOR) if box.kind == "bridge" else ("0.12", MIDDLEBOX_COLOR)
    corner, rounded = (box.x - BOX_WIDTH / 2, box.y - BOX_HEIGHT / 2), f"round,pad=0,rounding_size={rounding}"
    patch = FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, boxstyle=rounded, facecolor=color, edgecolor=PORT_COLOR)
    patch.set_linewidth(0.9)
    axes.add_patch(patch)
    _write(axes, box.x, box.y + 0.06, box.name, size=8)
    _write(axes, box.x, box.y - 0.15, box.kind, size=7)


def _uplink(
    axes: Axes, box: _Box, edges: tuple[float, float], port: str, above: float, *, inwards: bool = True
) -> None:
    """Draw the way between the test computer and an end of the paths, through a port of the server."""
    computer_edge, server_edge = edges
    y = box.y + above
    outer, inner = (computer_edge, y), (box.x - BOX_WIDTH / 2, y)
    _arrow(axes, *((outer, inner) if inwards else (inner, outer)))
    axes.plot([server_edge], [y], marker="s", markersize=9, color=PORT_COLOR, zorder=3)
    _write(axes, server_edge + 0.1, y + 0.08, port, ha="left", va="bottom", size=8.5)
    action = "sends" if inwards else "receives"
    _write(axes, computer_edge - 0.08, y, action, ha="right", va="center", size=8.5)


def _link(axes: Axes, before: _Box, after: _Box, ports: Sequence[str]) -> None:
    """Draw the way from one box to the next, with the port that joins them, or those at the two ends of a wire.

    Where it leads to another row a port's name stands at its middlebox: there the ways of several paths are apart.
    """
    if before.row != after.row:
        _arrow(axes, (before.x, before.y - BOX_HEIGHT / 2), (after.x, after.y + BOX_HEIGHT / 2))
        ends = [box for box in (before, after) if box.kind == "middlebox"]
        for box, port in zip(ends, ports, strict=True):
            side, towards = (-1, "top") if box is before else (1, "bottom")
            y = box.y + side * (BOX_HEIGHT / 2 + 0.03)
            _write(axes, box.x + 0.08, y, port, ha="left", va=towards, size=7)
        return
    step = BOX_WIDTH / 2 if after.x > before.x else -BOX_WIDTH / 2
    _arrow(axes, (before.x + step, before.y), (after.x - step, after.y))
    for port, (above, towards) in zip(ports, ((0.06, "bottom"), (-0.06, "top")), strict=False):
        _write(axes, (before.x + after.x) / 2, before.y + above, port, ha="center", va=towards, size=7)


def _write(axes: Axes, x: float, y: float, words: str, *, size: float, ha: str = "center", va: str = "center") -> None:
    """Write words on a coloured area: unlike black, their colour stays as it is on a dark page."""
    axes.text(x, y, words, ha=ha, va=va, fontsize=size, color=PORT_COLOR)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": style.BLUE, "shrinkA": 0, "shrinkB": 0}
    )
