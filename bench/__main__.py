"""Measures what the virtual machines are meant to reach, each as a ratio taken side by side; `make bench`.

Speed belongs here and not in the tests: a figure depends on the machine and on who else uses it. So
both sides of a ratio are measured in turn, several times; of times the best of each side is taken,
of rates the median of the rounds' ratios. Every single value is kept in build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chains import measure_chains
from figure import Figure
from forwarding import measure_forwarding
from middlebench.config.testbed import TestbedOptions, load_testbed
from middlebench.middleboxes.qemu import driver as qemu
from middlebench.system import surroundings
from middlebench.system.errors import MiddlebenchError
from middlebench.system.files import write_text
from middlebench.testbed import alternatives, environment_of, site_of
from npf_chain import measure_npf
from peers import measure_peers
from scale import measure_scale
from starting import measure_starting
from sweep import measure_sweep

PARTS = {
    "forwarding": measure_forwarding,
    "starting": measure_starting,
    "chains": measure_chains,
    "scale": measure_scale,
    "peers": measure_peers,
    "sweep": measure_sweep,
    "npf": measure_npf,
}
OUTPUT = Path("build/bench.json")
RUNTIME = "MIDDLEBENCH_RUNTIME"


def main() -> int:
    """Measure the parts that are asked for; exit status 1 when one misses its target."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part (default: all)")
    parser.add_argument("--accelerator", choices=["tcg", "kvm"], default="tcg", help="(default: tcg, emulation)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (default: 5)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"(default: {OUTPUT})")
    arguments = parser.parse_args()
    surroundings.prepare()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="middlebench-bench-") as runtime:
        os.environ.setdefault(RUNTIME, runtime)  # a sweep that is under way keeps its testbed
        try:
            options = chosen(arguments.accelerator)
            environment = environment_of(site_of("bench", options), options).model_dump(mode="json")
            for part in arguments.only or PARTS:
                figures += PARTS[part](options, arguments.rounds, say)
        except MiddlebenchError as error:
            say(f"error: {error}")
            return error.exit_status
        finally:
            site_of("bench", load_testbed("local")).close()
    write_text(arguments.output, report(figures, environment) + "\n")
    print(table(figures))
    print(f"every value: {arguments.output}")
    return 0 if all(figure.reached for figure in figures) else 1


def chosen(accelerator: str) -> TestbedOptions:
    """Return the local testbed with nothing left to choose."""
    options = load_testbed("local")
    machine = qemu.Options.model_validate({"driver": "qemu", "accelerator": accelerator})
    options = options.model_copy(update={"middlebox": machine})
    return alternatives(options, site_of("bench", options).open())[0]


def table(figures: list[Figure]) -> str:
    """Return the figures as a table for a terminal."""
    rows = [("", "measured", "target", "")]
    rows += [(each.name, each.measured_text, each.target_text, "pass" if each.reached else "MISS") for each in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {measured:>{widths[1]}}  {target:>{widths[2]}}  {verdict}"
        for name, measured, target, verdict in rows
    )


def report(figures: list[Figure], environment: dict[str, Any]) -> str:
    """Return the figures, every value and what they depend on as JSON."""
    return json.dumps(
        {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment,
            "figures": [each.as_json() for each in figures],
        },
        indent=1,
    )


def say(message: str) -> None:
    """Tell how it goes."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
