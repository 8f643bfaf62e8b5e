"""The study's question, answered: how many middleboxes can be chained, at which frame sizes and throughput."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import pandas as pd

from middlebench.analysis.data.intervals import UNSTABLE, with_margin
from middlebench.analysis.data.measurements import frame_sizes
from middlebench.analysis.data.publications import are_published
from middlebench.analysis.data.summary import grid, nearest, repetitions_of, steps_up_to, summarise
from middlebench.analysis.tables.table import SIZE_HEADING, Table
from middlebench.model.mix import FrameSize, is_mix, size_label, size_shown
from middlebench.system.text import percent

SAME = 0.10
"""Share of the shortest chain's throughput by which a longer one may differ and still count as the same, as the claims
take the paper's "approximately constant"."""


NAMES = {"chain": "a chain of {}", "parallel": "{} in parallel", "pipeline": "a pipeline of {}"}
"""Some middleboxes in words, by how they are joined."""


@dataclass(frozen=True)
class Answer:
    """What a reader wants to know first."""

    sentences: tuple[str, ...]
    lengths: tuple[int, ...]
    """How many middleboxes were measured in a row, or side by side."""
    steps_mbps: tuple[int, ...]
    """Throughputs in Mb/s."""
    longest: Mapping[FrameSize, tuple[int | None, ...]]
    """By frame size, for each of these, the longest chain up to which all that were swept pass on so much; of
    middleboxes side by side, where more may pass on more, the largest number that does. None where none does."""


def answer(measurements: pd.DataFrame, steps_mbps: Sequence[int] = ()) -> Answer | None:
    """Return the answer that measurements of one topology give; None when none with a middlebox was measured.

    Args:
        measurements: the measurements.
        steps_mbps: the columns; none: the highest throughputs that something reaches.
    """
    summary = summarise(measurements[measurements["n"] > 0]).dropna(subset="received_mbps")
    if summary.empty:
        return None
    summary = summary.assign(frame_bytes=frame_sizes(summary))
    received = grid(summary, "received_mbps")
    by_size: dict[FrameSize, dict[int, float]] = {
        size: {int(str(n)): float(value) for n, value in received.loc[size].dropna().items()}
        for size in received.index.tolist()
    }
    one_size = [size for size in by_size if not is_mix(size)]
    reached = steps_mbps or steps_up_to(summary["received_mbps"].max())
    topology = summary["topology"].iloc[0]
    most = _largest if topology == "parallel" else _longest
    return Answer(
        sentences=(
            _range(by_size, topology),
            *_falling(by_size, nearest(one_size) if one_size else next(iter(by_size)), summary),
            _certainty(summary),
        ),
        lengths=tuple(sorted({n for line in by_size.values() for n in line})),
        steps_mbps=tuple(reached),
        longest={size: tuple(most(line, step) for step in reached) for size, line in by_size.items()},
    )


def answers(measurements: pd.DataFrame) -> dict[str, Answer]:
    """Return the answer of each topology that was measured, all with the same columns."""
    parts = dict(list(measurements.groupby("topology", sort=False)))
    found = {str(topology): each for topology, part in parts.items() if (each := answer(part))}
    most = max((each.steps_mbps for each in found.values()), key=lambda steps: steps[-1:], default=())
    return {topology: again for topology in found if (again := answer(parts[topology], most))}


def topology_table(measurements: pd.DataFrame, testbed: str) -> Table:
    """Return how many middleboxes pass on at least so much, a row for each topology and frame size."""
    found = answers(measurements)
    steps = next(iter(found.values())).steps_mbps if found else ()
    headings = {"topology": "Topology", "frame_bytes": SIZE_HEADING} | {f"n_{step}": f"{step} Mb/s" for step in steps}
    rows = [
        (topology, size_shown(size), *lengths)
        for topology, each in found.items()
        for size, lengths in each.longest.items()
    ]
    caption = (
        f"How many middleboxes still pass on at least so much on testbed {testbed}, by how they are joined; in series "
        "all shorter ones do too"
    )
    frame = pd.DataFrame(rows, columns=list(headings)).astype({f"n_{step}": "Int64" for step in steps})
    return Table(frame, headings, caption, widths={"topology": 0.2})


def _range(by_size: Mapping[FrameSize, Mapping[int, float]], topology: str) -> str:
    """Return what the shortest and the longest chain pass on, over all frame sizes."""
    lengths = [n for line in by_size.values() for n in line]
    one_size = [size for size in by_size if not is_mix(size)]
    frames = [f"frames of {_span(one_size)} B"] if one_size else []
    frames += [size_label(size) for size in by_size if is_mix(size)]
    parts = []
    for length in dict.fromkeys((min(lengths), max(lengths))):
        values = [line[length] for line in by_size.values() if length in line]
        parts.append(f"{_span(values)} Mb/s arrive through {_named(topology, length)}")
    return f"Of {' and of '.join(frames)}, {', '.join(parts)}."


def _span(values: Sequence[float]) -> str:
    """Return the smallest and the largest value, or the one that there is."""
    ends = (min(values), max(values))
    return " to ".join(dict.fromkeys(str(end) if isinstance(end, int) else f"{end:.3g}" for end in ends))


def _falling(by_size: Mapping[FrameSize, dict[int, float]], size: FrameSize, summary: pd.DataFrame) -> list[str]:
    """Return how the throughput falls with the length of the chain at one frame size."""
    line = by_size[size]
    if len(line) < 2:
        return []
    first, level = next(iter(line.items()))
    flat, half_way = _longest(line, (1 - SAME) * level), _longest(line, level / 2)
    cell = summary[(summary["n"] == first) & (summary["frame_bytes"] == size)].iloc[0]
    margin = cell["received_mbps_high"] - level
    shown = with_margin(level, margin) if pd.notna(margin) else f"{level:.3g}"
    text = f"At {size_label(size)}, {_named(cell['topology'], first)} passes on {shown} Mb/s"
    kept = [f"up to n = {flat} at least {percent(1 - SAME)} of it arrives"] if flat != first else []
    kept += [f"up to n = {half_way} at least half" + ("" if kept else " of it arrives")] if half_way != flat else []
    return [f"{text}; {', '.join(kept) or 'already the next chain delivers less than half of it'}."]


def _certainty(summary: pd.DataFrame) -> str:
    """Return how sure the means are, in a sentence."""
    if are_published(summary):
        return "The publication gives one value of each, and nothing of their spread."
    if (summary["repetitions"] == 1).all():
        return "Each was measured once, so that nothing is known of the spread."
    unstable, drifted = int((summary["stability"] == UNSTABLE).sum()), int((summary["drifted"] > 0).sum())
    text = (
        f"These are means over {repetitions_of(summary)} repetitions (±: half the 95 % interval); of {len(summary)} "
        f"combinations of length and size, {unstable or 'none'} {'is' if unstable < 2 else 'are'} unstable"
    )
    return text + (f", and {drifted} {'has' if drifted == 1 else 'have'} a repetition near drift." if drifted else ".")


def _longest(by_length: Mapping[int, float], least: float) -> int | None:
    """Return the greatest length up to which no value is below the least one; None when the first is."""
    enough = list(takewhile(lambda n: by_length[n] >= least, by_length))
    return enough[-1] if enough else None


def _largest(by_length: Mapping[int, float], least: float) -> int | None:
    """Return the greatest length whose value is not below the least one; None where all are."""
    return max((n for n, value in by_length.items() if value >= least), default=None)


def _named(topology: str, n: int) -> str:
    return "one middlebox" if n == 1 else NAMES[topology].format(n)
