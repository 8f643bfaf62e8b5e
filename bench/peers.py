"""Received rate of whole chains against Mininet's, in turns; a section of docs/performance.md.

Ratios within one run are what counts: both sides meet the same machine and the same neighbours on it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figure import Figure
from isolated import run_isolated
from middlebench.config.testbed import TestbedOptions, load_testbed
from middlebench.model.frames import udp_frame
from middlebench.model.record import Settings
from middlebench.switches.private_openvswitch import KERNEL_DATAPATH
from middlebench.testbed import site_of, stand_up
from middlebench.trials.convergence import deploy, plan_for
from middlebench.trials.provision import chosen_testbed, provision
from middlebench.trials.trial import load_of, prepare, run_trial
from page import write_section

LENGTHS, SIZES = (1, 4, 20), (60, 800)
TESTBEDS = ("local", "netns", "stock")
MININET, MININET_KERNEL = "Mininet", "Mininet, kernel datapath"
DATAPATHS = {MININET: "user", MININET_KERNEL: "kernel"}
"""Mininet's word for the switch's datapath. The kernel's is measured where its module is there."""
TARGETS = {"local": 1.5, "netns": 3.0}
"""Received rate at 60 B as a multiple of Mininet's."""
WARM_UP_S, WINDOW_S = 0.3, 1.0
SETTINGS = Settings(window_s=WINDOW_S, warm_up_s=WARM_UP_S, sample_interval_s=WINDOW_S, offered_load="maximum")
AGENT = Path(__file__).with_name("mininet_chain.py")
MININET_SECONDS = 300.0
Rates = dict[tuple[str, int, int], list[float]]
"""Received packets/s of each round, by system, chain length and frame size in bytes."""


def measure_peers(options: TestbedOptions, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the ratios to Mininet, and write the table."""
    del options  # these testbeds choose for themselves
    chosen = {name: _chosen(name, say) for name in TESTBEDS}
    mininet = (MININET, MININET_KERNEL) if _kernel_datapath() else (MININET,)
    rates: Rates = {}
    for number in range(rounds):
        for n in LENGTHS:
            for name in (*mininet, *TESTBEDS):
                found = _mininet(n, DATAPATHS[name]) if name in mininet else _ours(chosen[name], n)
                for size, rate in zip(SIZES, found, strict=True):
                    rates.setdefault((name, n, size), []).append(rate)
                kpps = " ".join(f"{rate / 1000:.1f}" for rate in found)
                say(f"peers, round {number + 1}: {name}, n={n}: {kpps} kpkt/s of {SIZES} B")
    write_section("Received rate", section(rates, {name: switch_of(each) for name, each in chosen.items()}))
    return [
        Figure(f"{name} against Mininet, n={n}, 60 B", ratio(rates, name, n, 60), target, " ×", True, _values(rates, n))
        for name, target in TARGETS.items()
        for n in LENGTHS
    ]


def ratio(rates: Rates, name: str, n: int, size: int) -> float:
    """Return the median of the rounds' ratios to Mininet."""
    return statistics.median(
        ours / theirs for ours, theirs in zip(rates[name, n, size], rates[MININET, n, size], strict=True)
    )


def section(rates: Rates, switches: dict[str, str]) -> list[str]:
    """Return the lines of the page's section."""
    systems = list(dict.fromkeys(name for name, _, _ in rates))
    lines = [
        "In kpkt/s at the maximum offered load (median of the rounds), and in brackets the ratio to Mininet's (median",
        f"of the rounds' ratios). Of a machine with {os.cpu_count()} processors.",
        "",
        f"| n | frame size | {' | '.join(systems)} |",
        "|---:|---:|" + "---:|" * len(systems),
    ]
    for n in LENGTHS:
        for size in SIZES:
            cells = []
            for name in systems:
                text = f"{statistics.median(rates[name, n, size]) / 1000:.1f}"
                cells.append(text if name == MININET else f"{text} ({ratio(rates, name, n, size):.2f} ×)")
            lines.append(f"| {n} | {size} B | {' | '.join(cells)} |")
    lines += [
        "",
        "Mininet: hosts with two-port Linux bridges forward, Open vSwitch (userspace datapath unless said otherwise)",
        "joins them, no processor is set apart. Ours:",
        "",
        *(f"- `{name}`: {text}" for name, text in switches.items()),
        "",
        "Ports of vhost-user need `envs/install-packages vhost-user`, which `make setup` does not do.",
    ]
    return lines


def switch_of(options: TestbedOptions) -> str:
    """Return what was chosen, as ``key value`` pairs."""
    values = options.switch.model_dump() | options.middlebox.model_dump()
    keys = ("datapath", "port_type", "uplink_type", "accelerator", "vhost")
    return ", ".join(f"{key.replace('_', ' ')} {values[key]}" for key in keys if values.get(key) not in (None, "auto"))


def _chosen(name: str, say: Callable[[str], None]) -> TestbedOptions:
    options = load_testbed(name)
    try:
        return chosen_testbed(provision("bench", options, say)[0])
    finally:
        site_of("bench", options).close()


def _ours(options: TestbedOptions, n: int) -> list[float]:
    try:
        testbed = stand_up("bench", options)
        plan = plan_for(testbed, n)
        deploy(testbed, plan)
        found = []
        for size in SIZES:
            before, _ = prepare(testbed, plan, size)
            counts = run_trial(testbed, plan, load_of(size, SETTINGS, options.site.link.rate_bps), before).counts
            found.append(counts.received_packets / counts.window_s)
        return found
    finally:
        site_of("bench", options).close()


def _kernel_datapath() -> bool:
    return subprocess.run(["sh", "-c", KERNEL_DATAPATH], capture_output=True, check=False).returncode == 0


def _mininet(n: int, datapath: str) -> list[float]:
    frames = [udp_frame(size).hex() for size in SIZES]
    request = json.dumps({"n": n, "datapath": datapath, "frames": frames, "warm_up_s": WARM_UP_S, "window_s": WINDOW_S})
    said = run_isolated("measuring Mininet", ["/usr/bin/python3", str(AGENT.absolute()), request], MININET_SECONDS)
    return list(json.loads(said)["received_pps"])


def _values(rates: Rates, n: int) -> dict[str, Any]:
    return {f"{name}, {size} B": values for (name, length, size), values in rates.items() if length == n}
