"""Every cell with all that it rests on, for the report: what its figures' points lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from middlebench.analysis.data.intervals import with_margin
from middlebench.analysis.data.provenance import cell_anchor, deployment_anchor, pair_anchor
from middlebench.analysis.data.summary import summarise
from middlebench.model.deployment import Deployment
from middlebench.model.mix import FrameSize, size_label, size_shown

SIDES = ("received", "offered")

DECIMAL_FROM = 10
"""Mb/s from which one digit after the point is enough."""


def chains_of(measurements: pd.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Return every cell of a dataset by chain length, in the order of frame sizes.

    Returns:
        Of each cell its anchor, frame_size (as a reader sees it), words (its means in a line), repetitions (rows of the
        measurements) and command (what measures all of them again; empty where that is not known).
    """
    rows: dict[str, list[dict[Any, Any]]] = {}
    for row in measurements.to_dict("records"):
        rows.setdefault(_anchor(row), []).append(row)
    chains: dict[int, list[dict[str, Any]]] = {}
    for mean in summarise(measurements).to_dict("records"):
        repetitions = rows[_anchor(mean)]
        cell = {
            "anchor": _anchor(mean),
            "frame_size": size_shown(_size(mean)),
            "words": describe_cell(mean),
            "repetitions": repetitions,
            "command": joined([row["command"] for row in repetitions]),
        }
        chains.setdefault(int(mean["n"]), []).append(cell)
    return chains


def describe_cell(mean: dict[Any, Any]) -> str:
    """Return a row of a summary in words, its 95 % interval where there is one."""
    parts = [f"{name} {_with_margin(mean, f'{name}_mbps')} Mb/s" for name in SIDES if pd.notna(mean[f"{name}_mbps"])]
    times = int(mean["repetitions"])
    repetitions = f" ({times} repetitions)" if times > 1 else ""
    return f"n = {int(mean['n'])}, {size_label(_size(mean))}: {', '.join(parts) or 'nothing known'}{repetitions}"


def describe_deployment(deployment: Deployment) -> str:
    """Return in words how long the deployment of a chain took."""
    return f"n = {deployment.plan['n']}: deployed in {deployment.total_s:.3g} s"


def parts_of(cells: pd.DataFrame, deployments: Sequence[Deployment] = ()) -> dict[str, str]:
    """Return what each part of a page is of, by its anchor."""
    means = summarise(cells).to_dict("records")
    return {
        **{_anchor(mean): describe_cell(mean) for mean in means},
        **{deployment_anchor(int(each.plan["n"])): describe_deployment(each) for each in deployments},
    }


def pairs_of(cells: pd.DataFrame, reference: str) -> dict[str, str]:
    """Return what the parts of a page are of that show a testbed's cells beside another's, by anchor."""
    return {
        pair_anchor(reference, int(mean["n"]), _size(mean)): f"{describe_cell(mean)}, beside {reference}"
        for mean in summarise(cells).to_dict("records")
    }


def joined(commands: Sequence[str]) -> str:
    """Return one command with the targets of several, which differ in nothing else; empty when one is not known."""
    if not all(commands):
        return ""
    return " ".join([commands[0], *(command.rpartition(" -- ")[2] for command in commands[1:])])


def _anchor(mean: dict[Any, Any]) -> str:
    return cell_anchor(str(mean["testbed"]), int(mean["n"]), _size(mean))


def _size(mean: dict[Any, Any]) -> FrameSize:
    return mean["frame_mix"] or int(mean["frame_bytes"])


def _with_margin(mean: dict[Any, Any], name: str) -> str:
    """Return a mean, and half the width of its interval where it is known."""
    half = mean[f"{name}_high"] - mean[name]
    return (
        with_margin(mean[name], half) if pd.notna(half) else f"{mean[name]:.{1 if mean[name] >= DECIMAL_FROM else 2}f}"
    )
