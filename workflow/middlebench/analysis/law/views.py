"""What readers see of a law: sentences and tables."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import numpy as np
import pandas as pd

from middlebench.analysis.data.summary import steps_up_to
from middlebench.analysis.law.prediction import Predictor
from middlebench.analysis.law.results import Law
from middlebench.analysis.tables.table import Table
from middlebench.system.text import percent, plural

BEYOND = (1.25, 1.5, 2.0)
"""Chain lengths that are predicted beyond the longest measured one, over that."""

MOST_LENGTHS = 24
"""Unmeasured chain lengths that the table of predictions has at most."""

EXTRAPOLATED = "extrapolated"


def describe(law: Law) -> str:
    """Return a paragraph that says what the law is and how far it can be believed."""
    if law.errors is None:
        return " ".join(law.remarks)
    left_out = law.errors.left_out_median
    text = (
        f"The time per frame t [µs] of a chain of n middleboxes and frames of s bytes: **{law.formula}**. Its median "
        f"error is {percent(law.errors.median)}; nine of ten cells are within {percent(law.errors.p90)}. Each chain "
        f"predicted by a law that was fitted without it, the median error of its cells is "
        f"{percent(min(left_out.values()))} (n = {min(left_out, key=left_out.__getitem__)}) to "
        f"{percent(max(left_out.values()))} (n = {max(left_out, key=left_out.__getitem__)})."
    )
    if law.calibration:
        inside = percent(law.calibration.inside)
        text += f" Of {law.calibration.cells} left-out cells, {inside} lie inside their 95 % interval."
    else:
        text += " There are too few chain lengths to check the intervals of predictions."
    return " ".join((text, *law.remarks))


def parameters_table(law: Law) -> Table:
    """Return the parameters with their intervals and meanings."""
    rows = [
        (name, *(f"{value:.3g}" for value in (each.value, *each.interval)), each.unit, each.meaning)
        for name, each in law.parameters.items()
    ]
    headings = {
        "parameter": "Parameter",
        "value": "Value",
        "low": "Low (95 %)",
        "high": "High (95 %)",
        "unit": "Unit",
        "meaning": "Meaning",
    }
    return Table.of(rows, headings, f"Parameters of the law of {law.dataset}", widths={"unit": 0.1, "meaning": 0.5})


def tried_table(law: Law) -> Table:
    """Return the laws that were tried, best first."""
    headings = {
        "formula": "Law",
        "parameters": "Parameters",
        "left_out_error_percent": "Error of left-out chains [%]",
        "chosen": "",
    }
    return Table.of(
        [(each.formula, each.parameters, 100 * each.left_out_error, "chosen" * each.chosen) for each in law.terms],
        headings,
        "Laws that were tried: the simplest of those that predict left-out chains best is chosen",
        widths={"formula": 0.5, "chosen": 0.1},
        decimals={"left_out_error_percent": 1},
    )


def left_out_table(law: Law) -> Table:
    """Return the error at each chain of a law that was fitted without it."""
    errors = law.errors.left_out_median if law.errors else {}
    headings = {"n": "Chain left out", "left_out_median_percent": "Median error of its cells [%]"}
    rows = [(int(n), 100 * error) for n, error in errors.items()]
    return Table.of(rows, headings, "Each chain, predicted by the others", decimals={"left_out_median_percent": 1})


def knee_table(law: Law) -> Table:
    """Return the knee of each frame size, measured and by the law."""
    headings = {
        "frame_bytes": "Frame size [B]",
        "n": "Knee: measured",
        "low": "Low (95 %)",
        "high": "High (95 %)",
        "predicted": "By the law",
    }
    rows = [(int(size), each.n, each.low, each.high, each.predicted) for size, each in law.knee.items()]
    frame = pd.DataFrame(rows, columns=list(headings)).astype({"predicted": "Int64"})
    caption = f"Longest chain that still delivers {percent(law.knee_share)} of the best rate, {law.dataset}"
    return Table(frame, headings, caption)


def longest_table(law: Law) -> Table:
    """Return the longest chain for each of some wanted throughputs, by frame size, with its 95 % interval."""
    predictor = law.predictor
    sizes = law.frame_sizes if predictor else ()
    steps = steps_up_to(max(predictor.mbps(1, size)[0] for size in sizes)) if predictor else []
    names = {f"mbps{step}": f"{step} Mb/s" for step in steps}
    rows = [(size, *(_longest(predictor, step, size) for step in steps if predictor)) for size in sizes]
    caption = (
        f"Longest chain that delivers a wanted throughput by the law of {law.dataset}, with its 95 % interval; "
        "* longer than any that was measured"
    )
    return Table.of(rows, {"frame_bytes": "Frame size [B]", **names}, caption)


def _longest(predictor: Predictor, mbps: float, size: int) -> str:
    n, low, high = predictor.longest(mbps, size)
    beyond = "*" if n > predictor.lengths[1] else ""
    return f"{n} ({low}–{high}){beyond}" if high else "–"


def unmeasured(law: Law, measured: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return cells (n, frame size) worth predicting: those of the grid and between its lengths, and longer chains."""
    longest = max(law.chain_lengths)
    between = [n for n in range(1, longest + 1) if n not in law.chain_lengths]
    if len(between) > MOST_LENGTHS:
        between = [between[place] for place in np.linspace(0, len(between) - 1, MOST_LENGTHS).round().astype(int)]
    lengths = sorted({*law.chain_lengths, *between, *(ceil(factor * longest) for factor in BEYOND)})
    known = set(measured)
    return [(n, size) for n in lengths for size in law.frame_sizes if (n, size) not in known]


def prediction_table(law: Law, measurements: pd.DataFrame) -> Table:
    """Return cells that were not measured, each with its interval and whether it is extrapolated."""
    measured = zip(map(int, measurements["n"]), map(int, measurements["frame_bytes"]), strict=True)
    rows = []
    if predictor := law.predictor:
        for n, size in unmeasured(law, measured):
            note = EXTRAPOLATED if predictor.extrapolates(n, size) else ""
            rows.append((n, size, *predictor.mbps(n, size), note))
    headings = {
        "n": "Chain length",
        "frame_bytes": "Frame size [B]",
        "predicted_mbps": "Predicted [Mb/s]",
        "low_mbps": "Low (95 %)",
        "high_mbps": "High (95 %)",
        "note": "Note",
    }
    caption = f"Received throughput that the law of {law.dataset} predicts: none of it was measured"
    return Table.of(rows, headings, caption, widths={"note": 0.1})


def describe_resources(law: Law) -> str:
    """Return in words how far law and counters name the same resource."""
    told = law.resources
    if told is None:
        return "No counters were read, so that nothing but the rates speaks for the law."
    judged = told.agreeing + len(told.disagreeing)
    text = f"Law and counters name the same resource in {told.agreeing} of {plural(judged, 'cell')}."
    if told.undecided:
        text += f" Of {told.undecided} more the counters say nothing."
    times = told.hop_processor
    apart = [size for size, each in times.items() if not each.agrees]
    if times and not apart:
        text += " The measured processor time per frame and hop agrees with the law's within their intervals."
    elif times:
        text += (
            f" The measured processor time per frame and hop does **not** agree with the law's at {', '.join(apart)} "
            "B. The law shares all of the server's processors out among the frames that arrive; switch and middleboxes "
            "are charged neither with the kernel's own work nor with that on frames which are lost later."
        )
    return text


def disagreement_table(law: Law) -> Table:
    """Return the cells in which law and counters name different resources."""
    headings = {
        "n": "Chain length",
        "frame_bytes": "Frame size [B]",
        "term": "Binds by the law",
        "bottleneck": "By the counters",
    }
    told = law.resources.disagreeing if law.resources else ()
    rows = [(each.n, each.frame_bytes, each.term, each.bottleneck) for each in told]
    caption = f"Cells in which law and counters disagree, {law.dataset}"
    return Table.of(rows, headings, caption, widths={"term": 0.2, "bottleneck": 0.2})


def processor_table(law: Law) -> Table:
    """Return the processor time per frame and hop, measured and by the law."""
    times = law.resources.hop_processor if law.resources else {}
    rows = [
        (int(size), each.measured_us, *(each.measured_interval or (float("nan"),) * 2), each.law_us, *each.law_interval)
        for size, each in times.items()
    ]
    headings = {
        "frame_bytes": "Frame size [B]",
        "measured_us": "Measured [µs]",
        "measured_low_us": "Low (95 %)",
        "measured_high_us": "High (95 %)",
        "law_us": "By the law [µs]",
        "law_low_us": "Low (95 %)",
        "law_high_us": "High (95 %)",
    }
    caption = f"Processor time per frame and hop where the hops bind, {law.dataset}"
    return Table.of(rows, headings, caption)
