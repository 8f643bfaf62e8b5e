"""The paper's own figures, as measurements: what it gives is there, what it does not give is missing.

Table I has the rates of one middlebox, offered and received; Table II the received throughput of
every chain length. Neither gives counts.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from middlebench.analysis.data.measurements import from_rows
from middlebench.model import frames
from middlebench.model import plan as topology
from middlebench.system.errors import RecordError

TESTBED = "published"
"""Name under which the paper's figures go wherever a testbed is named."""

DATA_FOLDER = Path(__file__).parents[4] / "data" / "paper"

WINDOW_S = 60.0
"""Seconds over which the paper averages each run (its section III)."""

LINK_BPS = 1e9
"""Rate of the paper's links in bits/s (its section III)."""

UPLINKS = ("eth0", "eth1")
"""The middlebox server's ports in the paper's figures 2 and 4."""

SERVER_CORES = 4
"""Processor cores of the paper's middlebox server, an i7 920 (its section V)."""

COMPONENTS = {"switch": "Open vSwitch", "middlebox": "ClickOS", "generator": "pkt-gen"}

FACTS: dict[str, object] = {
    "source": {
        "paper": "N. Maksić, Running Network of Unikernel Based Middleboxes on Low-Cost Commodity Computers",
        "tables": "appendix, Tables I and II",
    },
    "middlebox server": {
        "processor": f"Intel Core i7 920, {SERVER_CORES} cores, 2 threads each",
        "network": "two 1 Gb/s Ethernet ports (Realtek), one on the motherboard and one low-cost card",
        "software": "Xen, official Linux kernel, Open vSwitch",
        "each middlebox": "ClickOS virtual machine, 1 processor, 100 MB of memory",
    },
    "test computer": {"generator and receiver": "pkt-gen of netmap, Realtek driver for older Linux kernels"},
    "method": {"window": "60 s", "repetitions": 1},
}
"""What the paper says of its machines and its method."""

TABLE1_COLUMNS = (
    "frame_bytes",
    "generated_kpps",
    "generated_mbps",
    "generated_raw_mbps",
    "received_kpps",
    "received_mbps",
)


def paper_plan(length: int) -> dict[str, Any]:
    """Return the paper's configuration of a chain of this length (its figures 2 and 4), as a deployment records a plan.

    The paper names the server's ports; bridges and middleboxes it only calls what they are.
    """
    plan = topology.plan_chain(length, UPLINKS)
    ports = {each.ingress_port: "first port" for each in plan.middleboxes}
    ports |= {each.egress_port: "second port" for each in plan.middleboxes}
    names = {"bridge": COMPONENTS["switch"], "middlebox": COMPONENTS["middlebox"]}
    hops = (
        dataclasses.replace(
            hop,
            name=names[hop.kind] + (f" {hop.index}" if hop.kind == "middlebox" else ""),
            ingress_port=ports.get(hop.ingress_port, hop.ingress_port),
            egress_port=ports.get(hop.egress_port, hop.egress_port),
        )
        for hop in plan.paths[0].hops
    )
    return topology.from_paths(plan.topology, length, [topology.Path(tuple(hops))]).record()


def load_table1(folder: Path = DATA_FOLDER) -> pd.DataFrame:
    """Return Table I as transcribed: rates in kpkt/s, throughputs in Mb/s.

    Raises:
        RecordError: the file cannot be read or its columns are not those of Table I.
    """
    table = _read(folder / "table1.csv")
    if tuple(table.columns) != TABLE1_COLUMNS:
        raise RecordError(
            f"reading {folder / 'table1.csv'}",
            f"columns are {', '.join(table.columns)}",
            f"expected: {', '.join(TABLE1_COLUMNS)}",
        )
    return table


def load_table2(folder: Path = DATA_FOLDER) -> pd.DataFrame:
    """Return Table II as transcribed: received throughput in Mb/s, a column ``n<length>`` a chain length.

    Raises:
        RecordError: the file cannot be read or its columns are not those of Table II.
    """
    table = _read(folder / "table2.csv")
    for place, name in enumerate(table.columns):
        if (name != "frame_bytes") if place == 0 else not (name.startswith("n") and name[1:].isdigit()):
            raise RecordError(
                f"reading {folder / 'table2.csv'}", f"column {name!r} is unknown", "expected: frame_bytes, n1, n2, …"
            )
    return table


def load_published(folder: Path = DATA_FOLDER) -> pd.DataFrame:
    """Return the paper's Tables I and II as measurements of testbed ``published``.

    Cells with one middlebox come from Table I, the others from Table II; the rate of the latter
    follows from their throughput. What was offered to longer chains the paper does not say.

    Raises:
        RecordError: a table cannot be read.
    """
    common = {"testbed": TESTBED, **COMPONENTS, "repetition": 1, "window_s": WINDOW_S}
    single = [
        {
            **common,
            "n": 1,
            "frame_bytes": int(row["frame_bytes"]),
            "offered_kpps": row["generated_kpps"],
            "offered_mbps": row["generated_mbps"],
            "offered_raw_mbps": row["generated_raw_mbps"],
            "received_kpps": row["received_kpps"],
            "received_mbps": row["received_mbps"],
            "loss_ratio": 1 - row["received_kpps"] / row["generated_kpps"],
            "record": "table1.csv",
        }
        for row in load_table1(folder).to_dict("records")
    ]
    chains = [
        {
            **common,
            "n": int(column[1:]),
            "frame_bytes": int(row["frame_bytes"]),
            "received_kpps": frames.packets_per_second(row[column], int(row["frame_bytes"])) / 1e3,
            "received_mbps": row[column],
            "record": "table2.csv",
        }
        for row in load_table2(folder).to_dict("records")
        for column in map(str, row)
        if column not in ("frame_bytes", "n1")
    ]
    return from_rows([*single, *chains])


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RecordError(f"reading {path}", str(error), "the paper's tables belong to data/paper") from error
