"""Checks the study and its testbeds against each other, before anything is touched."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from middlebench.config.functions import check_functions, load_functions
from middlebench.config.other_results import file_of
from middlebench.config.study import Study
from middlebench.config.testbed import TESTBED_FOLDER, TestbedOptions, load_testbed, parse
from middlebench.model.frames import MINIMUM_FRAME_BYTES, MOST_FRAMES, maximum_frame_bytes
from middlebench.model.functions.function import FORWARD
from middlebench.model.mix import FrameSize, in_order, is_mix, sizes_of
from middlebench.model.plan import Topology
from middlebench.model.sharing import are_even, least_flows
from middlebench.model.topologies import plan_of
from middlebench.system.errors import ConfigError


def check_study(
    values: Mapping[str, Any], origin: str, testbed_folder: Path = TESTBED_FOLDER
) -> tuple[Study, dict[str, TestbedOptions]]:
    """Return the study and its testbeds, checked against each other.

    Raises:
        ConfigError: something in them is impossible; the message names file, key, value and what is allowed.
    """
    study = parse(Study, values, origin)
    for topology, n in itertools.product(study.topologies, study.chain_lengths):
        check_flows(topology, n, study.flows, f"reading {origin}")
    testbeds = {name: load_testbed(name, testbed_folder, origin) for name in study.testbeds}
    for name, testbed in testbeds.items():
        sizes = study.frame_sizes if study.controls == "none" else (*study.frame_sizes, *study.controls.frame_sizes)
        check_frame_sizes(sizes, study.flows, name, testbed, f"reading {origin}")
        if study.latency and not testbed.generator.times:
            raise ConfigError(
                f"reading {origin}",
                f"latency: the generator of testbed {name} ({testbed.generator.driver}) cannot time frames",
                "use the generator `trafgen` in that testbed's file, or `latency: false`",
            )
        if study.functions != (FORWARD,):
            check_functions(study.functions, name, testbed.middlebox, load_functions(), f"reading {origin}")
    for path in study.compare_with:
        if not Path(file_of(path)).is_file():
            raise ConfigError(
                f"reading {origin}",
                f"compare_with: there are no results at {path}: {file_of(path)} is missing",
                "name a testbed's results folder, or a zip file that `snakemake --cores 1 -- results/local.zip` made",
            )
    return study, testbeds


def check_frame_sizes(sizes: Iterable[FrameSize], flows: int, name: str, testbed: TestbedOptions, doing: str) -> None:
    """Demand that the links of a testbed carry frames of these sizes, and that its generator sends these mixes.

    Raises:
        ConfigError: they do not; the message says what they carry.
    """
    sizes = list(sizes)
    mixes = [size for size in sizes if is_mix(size)]
    if mixes and not testbed.generator.mixes:
        raise ConfigError(
            doing,
            f"frame_sizes: the generator of testbed {name} ({testbed.generator.driver}) cannot send a mix of sizes, "
            f"such as {mixes[0]}",
            "leave it out, or use the generator `trafgen` in that testbed's file",
        )
    for mix in mixes:
        if (frames := len(sizes_of(mix)) * flows) > MOST_FRAMES:
            raise ConfigError(
                doing,
                f"flows: {flows} flows that each have the {len(sizes_of(mix))} frames of {mix} are {frames} different "
                f"frames, and the generator takes {MOST_FRAMES}",
                f"set `flows` to {MOST_FRAMES // len(sizes_of(mix))} or less",
            )
    mtu = testbed.site.link.mtu
    allowed = range(MINIMUM_FRAME_BYTES, maximum_frame_bytes(mtu) + 1)
    if wrong := in_order(each for size in sizes for each in sizes_of(size) if each not in allowed):
        raise ConfigError(
            doing,
            f"frame_sizes: {', '.join(map(str, wrong))} B: the links of testbed {name} (mtu {mtu}) "
            f"carry frames of {allowed.start} to {allowed.stop - 1} B",
            f"leave these sizes and mixes of them out, or raise `mtu` in the file of testbed {name}",
        )


def check_flows(topology: Topology, n: int, flows: int, doing: str) -> None:
    """Demand that the flows can be spread evenly over the paths of n middleboxes.

    Raises:
        ConfigError: they cannot; the message says how many can.
    """
    plan = plan_of(topology, n, ("in", "out"))
    paths = len(plan.paths)
    if not are_even(flows, paths):
        raise ConfigError(
            doing,
            f"flows: {flows} cannot be spread evenly over the {paths} paths of {plan}",
            f"set `flows` to {least_flows(paths)} or more, or to a multiple of {paths}",
        )
