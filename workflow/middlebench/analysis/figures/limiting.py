"""What limited each cell: a map of the bottlenecks, where packets were dropped, and the evidence as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from middlebench.analysis.data.measurements import frame_sizes, from_records
from middlebench.analysis.data.provenance import cell_address, cell_addresses, own_name
from middlebench.analysis.data.summary import PAPER_SIZE, grid, nearest_size
from middlebench.analysis.figures import style
from middlebench.analysis.figures.labels import NEAREST, origin_of
from middlebench.analysis.figures.maps import ink_on, link_cells, new_map
from middlebench.analysis.figures.style import noted, styled
from middlebench.analysis.tables.table import Table
from middlebench.diagnosis.accounting import FLOW_TABLE, IN, OUT, Place, account
from middlebench.diagnosis.bottleneck import NEGLIGIBLE_LOSS
from middlebench.model.mix import size_shown
from middlebench.model.record import Cause, Record
from middlebench.system.text import percent

COLORS: Mapping[Cause, str] = {
    "offered load": "#e6e6e6",
    "generator": "#f0e442",
    "link": "#56b4e9",
    "switch": style.BLUE,
    "middlebox": style.PURPLE,
    "server CPU": style.VERMILLION,
    "unknown": style.LIGHT_INK,
}
"""From Okabe and Ito's palette, as all of ours; each also stands in its cell as a word."""

ARRIVED = "#e6e6e6"
LINK_COLOR, IN_COLOR, FLOW_TABLE_COLOR = "#f0e442", style.BLUE, style.VERMILLION
OUT_COLOR, MIDDLEBOX_COLOR, UNTOLD_COLOR = "#56b4e9", style.PURPLE, style.LIGHT_INK
KEY = {
    LINK_COLOR: "lost on a link",
    IN_COLOR: "bridge, in: not taken from its port in time",
    FLOW_TABLE_COLOR: "bridge, flow table: dropped by a flow, or no flow took them",
    OUT_COLOR: "bridge, out: the next port did not take them",
    MIDDLEBOX_COLOR: "middlebox: received and not sent on",
    UNTOLD_COLOR: "bridge, whose flow table is not counted",
    ARRIVED: "arrived",
}
"""What each colour of a bar stands for."""

LABEL_SHARE = 0.06
"""Parts of a bar from this share on have room for their name."""

SMALL_TYPE, LARGE_TYPE = 6.5, 8.5
FEW_COLUMNS = 7
"""Up to so many the larger type fits."""
LINE_CHARACTERS = 12
"""Longest text that fits into the width of a cell or a bar."""

DIFFER = "*"
"""Stands in a cell whose repetitions had different verdicts."""


@styled
def limit_map(measurements: pd.DataFrame, note: str = "") -> Figure:
    """Return what limited each cell, by chain length and frame size: the verdict, and where most were dropped.

    Of repetitions the most frequent verdict is shown, and a mark says that there are others. Where a negligible loss
    happened, such as one at the begin of traffic, is not shown.
    """
    lost = measurements["trial_sent_packets"] - measurements["trial_received_packets"]
    kept_up = lost < NEGLIGIBLE_LOSS * measurements["trial_sent_packets"]
    shown = measurements.assign(lost_at=measurements["lost_at"].mask(kept_up, ""))
    cells = shown.groupby(["n", "frame_bytes"])
    rows = [
        (*key, _usual(part["bottleneck"]), _usual(part["lost_at"]), DIFFER * (part["bottleneck"].nunique() > 1))
        for key, part in cells
    ]
    verdicts = pd.DataFrame(rows, columns=["n", "frame_bytes", "cause", "place", "mark"])
    causes, places, marks = (grid(verdicts, name) for name in ("cause", "place", "mark"))
    figure, axes = new_map(causes)
    looks = {str(cause): color for cause, color in COLORS.items()}
    title = noted("What limited each cell", note)
    if not causes.empty:
        axes.set_xlim(-0.5, causes.shape[1] - 0.5)
        axes.set_ylim(causes.shape[0] - 0.5, -0.5)
        for row, column in np.argwhere(causes.notna().to_numpy()).tolist():
            cause, place = str(causes.iat[row, column]), str(places.iat[row, column])
            if cause not in looks:
                continue
            color = looks[cause]
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=color, edgecolor="white", linewidth=1))
            text = "\n".join((cause + str(marks.iat[row, column]), _short(place))).rstrip()
            _label(axes, column, row, text, color, causes.shape[1])
        own = own_name(measurements)
        link_cells(axes, causes.notna().astype(float), lambda n, size: cell_address(own, own, n, size))
        met = [cause for cause in COLORS if (causes == cause).to_numpy().any()]
        handles = [Patch(facecolor=COLORS[cause], edgecolor=style.GREY, label=cause) for cause in met]
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    differ = f" · {DIFFER} repetitions differ" if (verdicts["mark"] != "").any() else ""
    above = " · of searched loads: just above them" if measurements["goal"].any() else ""
    place = "second line: where most packets were dropped, if 1 % or more did"
    subtitle = f"{origin_of(measurements, 'most frequent')} · {place}{differ}{above}"
    style.set_title(axes, title, subtitle)
    return figure


@styled
def loss_figure(records: Sequence[Record], measurements: pd.DataFrame, note: str = "") -> Figure:
    """Return where packets were dropped: a bar a chain length, from what was sent at its top to what arrived.

    At 800 B, or the nearest size of the sweep; repetitions are added up. ``measurements`` are of the same cells.
    """
    size = nearest_size(measurements) or PAPER_SIZE
    chosen = [record for record in records if record.cell.frame_bytes == size]
    lengths = sorted({record.cell.n for record in chosen})
    figure, (axes,) = style.new_figure(max(style.FIGURE_WIDTH, 1.8 + 0.66 * len(lengths)), 5.2)
    met, own = set(), own_name(measurements)
    for place, n in enumerate(lengths):
        sent, lost = _added_up(record for record in chosen if record.cell.n == n)
        parts = [(name, color, packets / sent) for name, color, packets in lost]
        parts.append(("arrived", ARRIVED, max(0.0, 1 - sum(share for *_, share in parts))))
        bottom = sum(share for *_, share in parts)
        for name, color, share in parts:
            bottom -= share
            (bar,) = axes.bar(place, share, 0.84, bottom, color=color, edgecolor="white", linewidth=0.6)
            bar.set_url(cell_address(own, own, n, size))
            if share >= LABEL_SHARE:
                _label(axes, place, bottom + share / 2, _short(name), color, len(lengths))
            met.add(color)
    axes.set_xticks(range(len(lengths)), [str(n) for n in lengths])
    axes.set(xlabel="chain length [middleboxes]", ylabel="share of the packets sent")
    axes.set_xlim(-0.6, max(len(lengths) - 0.4, 0.6))
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    axes.grid(visible=False, axis="x")
    handles = [Patch(facecolor=color, edgecolor=style.GREY, label=text) for color, text in KEY.items() if color in met]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    title = f"Where packets were dropped along the chain, {size} B" + ("" if size == PAPER_SIZE else NEAREST)
    subtitle = f"{origin_of(measurements, 'sum')} · each bar from the start of the chain (top) to its end"
    style.set_title(axes, noted(title, note), subtitle)
    return figure


def evidence_table(records: Sequence[Record], testbed: str) -> Table:
    """Return each cell's verdict with what it rests on, by chain length, frame size and repetition."""
    headings = {
        "n": "n",
        "frame_bytes": "Frame size [B]",
        "repetition": "Repetition",
        "bottleneck": "Bottleneck",
        "lost_at": "Most lost at",
        "links_percent": "Links [%]",
        "untaken_percent": "Not taken [%]",
        "hop_us": "Hop [µs]",
        "hop_switches": "Hop [switches]",
        "hop_io_calls": "Hop [calls]",
        "evidence": "Evidence",
    }
    evidence = {each.cell.path: each.bottleneck.evidence for each in records}
    cells = from_records(records)
    shown = cells.rename(columns={"hop_processor_us": "hop_us"}).assign(
        frame_bytes=frame_sizes(cells).map(size_shown),
        links_percent=100 * cells["links_ratio"],
        untaken_percent=100 * cells["untaken_ratio"],
        evidence=cells["record"].map(evidence),
    )
    return Table(
        shown[list(headings)],
        headings,
        f"What limited each cell of testbed {testbed}, and what says so. Packets are of the whole trial; where the "
        "load was searched for, of the trial just above it that the evidence names",
        widths={"bottleneck": 0.1, "lost_at": 0.12, "evidence": 0.46},
        addresses={"bottleneck": cell_addresses(cells, testbed)},
    )


def _added_up(records: Iterable[Record]) -> tuple[int, list[tuple[str, str, int]]]:
    """Return the packets sent, and (place, its colour, packets lost there) along the chain, over repetitions."""
    sent, colors, lost = 0, dict[str, str](), dict[str, int]()
    for record in records:
        counts = record.counts
        found = account(
            counts.trial_sent_packets, counts.trial_received_packets, record.hops, record.middleboxes, record.wires
        )
        sent += found.sent
        for loss in found.losses:
            name = str(loss.place)
            colors.setdefault(name, _color(loss.place))
            lost[name] = lost.get(name, 0) + max(loss.packets, 0)
    return sent, [(name, colors[name], packets) for name, packets in lost.items() if packets]


def _color(place: Place) -> str:
    """Return the colour of a place: of the bridges' sides each its own, else of the kind of element."""
    kinds = {"link": LINK_COLOR, "wire": LINK_COLOR, "middlebox": MIDDLEBOX_COLOR}
    sides = {IN: IN_COLOR, FLOW_TABLE: FLOW_TABLE_COLOR, OUT: OUT_COLOR}
    return kinds.get(place.kind) or (sides[place.sides[0]] if len(place.sides) == 1 else UNTOLD_COLOR)


def _short(place: str) -> str:
    """Return a place as it fits into a cell."""
    element, _, side = place.rstrip(")").partition(" (")
    return f"{element}{' ' if len(element) + len(side) < LINE_CHARACTERS else chr(10)}{side}".rstrip()


def _label(axes: Axes, x: float, y: float, text: str, background: str, columns: int) -> None:
    """Write into one of so many columns, in a colour that can be read on its background and a size that fits."""
    points = SMALL_TYPE if columns > FEW_COLUMNS else LARGE_TYPE
    axes.text(x, y, text, ha="center", va="center", color=ink_on(to_rgba(background)), fontsize=points)


def _usual(values: pd.Series[str]) -> str:
    """Return the most frequent value, the first in the alphabet of several."""
    return str(values.mode().iloc[0]) if len(values) else ""
