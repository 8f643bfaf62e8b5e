"""The config files as frozen models; their JSON schema and ``config/README.md`` are made from these.

``config/config.yaml`` says what to sweep and how hard (:class:`Study`); each file in
``config/testbeds/`` composes one testbed (:class:`Testbed`).
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)

from middlebench.config import drivers
from middlebench.config.authors import Author, Licence
from middlebench.config.functions import check_functions, load_functions
from middlebench.config.messages import told_mistakes, truth_values
from middlebench.config.others import file_of, names_of
from middlebench.config.plain_yaml import read_yaml
from middlebench.generators.base import GeneratorOptions
from middlebench.middleboxes.base import MiddleboxOptions
from middlebench.model.cell import AXES, LONGEST_CHAIN, Cell, cells_of
from middlebench.model.controls import CONTROL_BAND
from middlebench.model.frames import MINIMUM_FRAME_BYTES, MOST_FLOWS, maximum_frame_bytes
from middlebench.model.functions.function import FORWARD
from middlebench.model.functions.specification import JOIN, specifications
from middlebench.model.load import OfferedLoad, SearchParameters, goal_of
from middlebench.model.options import Options
from middlebench.model.order import RunOrder
from middlebench.model.plan import CHAIN, Topology, plan_of
from middlebench.model.port_kind import common_kind
from middlebench.model.record import Settings
from middlebench.model.sharing import are_even, least_flows
from middlebench.sites.base import SiteOptions
from middlebench.switches.base import SwitchOptions
from middlebench.system.errors import ConfigError
from middlebench.system.text import suggestion

PROJECT_FOLDERS = frozenset(
    ("bench", "build", "config", "data", "docs", "envs", "notebooks", "profiles", "tests", "workflow")
)
"""Folders of the project in which no results may lie."""

SHORTEST_INTERVAL_S = 0.01
"""The shortest window and sampling interval, in seconds: counters are read every few milliseconds at best."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""A name that is also part of a file's name."""

RENAMED_KEYS = {
    "effort": "this key is called `trial` now",
    "efforts": "this key is called `trials` now",
    "other_environment": "this key is called `on_environment_change` now",
    "when_busy": "this key is called `if_locked` now: `fail` (it was `leave`) or `wait`",
    "extra_repetitions": "this key is gone: `middlebench repeat` measures again where the interval is widest",
}
"""Keys of earlier versions, and what stands in their place."""


class Testbed(Options):
    """A named composition of hosts, links and drivers that a sweep runs on."""

    description: str
    """One sentence for the report: what this testbed is."""
    site: SiteOptions
    """Where the two computers come from, and the links between them."""
    switch: SwitchOptions
    """What joins ports on the middlebox server."""
    middlebox: MiddleboxOptions
    """What forwards."""
    generator: GeneratorOptions
    """What makes and counts traffic on the test computer."""

    @model_validator(mode="after")
    def _processes_end(self) -> Testbed:
        for part, options in (("switch", self.switch), ("middlebox", self.middlebox)):
            if options.leaves_processes and not self.site.ends_processes:
                raise ValueError(f"{part}.driver: {options.driver} leaves processes behind on site {self.site.driver}")
        return self

    @model_validator(mode="after")
    def _ports_fit(self) -> Testbed:
        taken, offered = self.middlebox.port_kinds, self.switch.port_kinds
        if common_kind(taken, offered) is None:
            raise ValueError(
                f"middlebox.driver: {self.middlebox.driver} takes ports of the kind {' or '.join(taken)}, but switch "
                f"{self.switch.driver} offers {', '.join(offered)}"
            )
        return self


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"each value may stand here once, but {', '.join(map(str, repeated))} is repeated")
    return values


Distinct = AfterValidator(_distinct)


class Trial(Options):
    """How long one run of traffic takes."""

    window_s: Annotated[float, Field(ge=SHORTEST_INTERVAL_S, le=3600)]
    """Seconds over which frames are counted."""
    warm_up_s: Annotated[float, Field(ge=0, le=600)]
    """Seconds of traffic before the window, not counted."""
    sample_interval_s: Annotated[float, Field(ge=SHORTEST_INTERVAL_S)] = 1.0
    """Seconds between two readings of the counters within the window."""

    @model_validator(mode="after")
    def _samples_fit(self) -> Trial:
        steps = self.window_s / self.sample_interval_s
        if steps < 0.999 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(
                f"window_s ({self.window_s:g}) must be a whole number of times sample_interval_s "
                f"({self.sample_interval_s:g})"
            )
        return self


class Controls(Options):
    """The control measurements: generator and receiver back to back, and the switch only."""

    every: Annotated[int, Field(ge=1)] = 48
    """How many cells are measured between controls. Each run begins and ends with controls besides."""
    frame_sizes: Annotated[tuple[Annotated[int, Field(ge=MINIMUM_FRAME_BYTES)], ...], Field(min_length=1), Distinct] = (
        MINIMUM_FRAME_BYTES,
    )
    """Their frame sizes in bytes without FCS. Small frames are limited by processors, so that these show what becomes
    of processors; large ones fill the link."""

    band: Annotated[float, Field(gt=0, lt=1)] = CONTROL_BAND
    """How far a control may lie from the median of its kind, over that median, before the cells next to it are marked
    `drift`. The default is the spread from which pyperf calls a measurement unstable."""


def free_folder(folder: str) -> str:
    """Return the path of a folder for results in its plainest form, relative to the project where it lies in it.

    Workflow and records name files by that path: two forms of it would be two folders to them.

    Raises:
        ValueError: it is the project, or its own, or there is something else than a folder in its place.
    """
    project, place = Path.cwd(), Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow links)
    if place in (project, *project.parents):
        raise ValueError(f"{folder} is the project's own folder, or one around it; name another folder")
    within = place.relative_to(project) if place.is_relative_to(project) else None
    if within and (within.parts[0] in PROJECT_FOLDERS or within.parts[0].startswith(".")):
        raise ValueError(f"{folder} belongs to the project; name another folder")
    for each in (place, *place.parents):
        if each.exists() and not each.is_dir():
            raise ValueError(f"{each} is there and is not a folder; move it away, or name another folder")
    return str(within or place)


def _function_text(value: object) -> object:
    """Return a list of functions as one text; :func:`specifications` reads it."""
    text = JOIN.join(map(str, value)) if isinstance(value, (list, tuple)) else value
    if isinstance(text, str):
        specifications(text)
    return text


FunctionText = Annotated[
    str,
    BeforeValidator(_function_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Study(Options):
    """What to sweep, and how hard."""

    testbeds: Annotated[tuple[Name, ...], Field(min_length=1), Distinct]
    """Testbeds to sweep, one after the other; each names a file in `config/testbeds/`."""
    chain_lengths: Annotated[tuple[Annotated[int, Field(ge=0, le=LONGEST_CHAIN)], ...], Field(min_length=1), Distinct]
    """Numbers of middleboxes in the chain; 0 is the switch only: one bridge, no middlebox."""
    frame_sizes: Annotated[tuple[Annotated[int, Field(ge=MINIMUM_FRAME_BYTES)], ...], Field(min_length=1), Distinct]
    """Frame sizes in bytes without FCS, from 60 to the MTU of the links + 14."""
    topologies: Annotated[tuple[Topology, ...], Field(min_length=1), Distinct] = (CHAIN,)
    """How the middleboxes are joined; `chain_lengths` counts them in each topology. `chain` is the paper's: in series,
    with a bridge between neighbours. `parallel`: side by side between two bridges, with the flows spread over them; it
    needs `flows`. `pipeline`: in series between two bridges, with a wire between neighbours: what it gains over a chain
    is what the bridges between cost. See `docs/topologies.md`."""
    functions: Annotated[tuple[FunctionText, ...], Field(min_length=1), Distinct] = (FORWARD,)
    """What the middleboxes do to frames, by the names of the files in `config/functions`; the paper's is `forward`. A
    parameter may be given, as in `filter-rules=64`, and a list stands for a mixed chain, along which it is cycled:
    `[forward, filter-rules=64, [filter, nat, balance]]`."""
    repetitions: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often each cell is measured. Each repetition is a block of its own random order. The tables hold every
    finished repetition of a planned cell: a lower number takes none away, and `middlebench repeat` names those that are
    worth measuring besides."""
    sweep: Literal["grid", "adaptive"] = "grid"
    """`grid` measures every cell; `adaptive` measures a space-filling tenth of them first, then those of which the law
    of the throughput is least sure, until it is sure enough of all others. These the report predicts, and marks so."""
    certainty: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """How sure the law must be where an adaptive sweep ends: half the width of a 95 % interval, over the rate."""
    seed: Annotated[int, Field(ge=0)] = 1
    """What the random order of the cells is drawn from. It is recorded with each cell; a change of it measures
    no cell again."""
    offered_load: OfferedLoad = "maximum"
    """What the generator is asked to send: `maximum` for all that the link carries, a rate in kpkt/s (of which the
    link's share is sent), or what a throughput search finds: `ndr` for the largest load without loss, `pdr(0.005)` for
    the largest that loses no more than 0.5 %, or any other ratio. See `docs/throughput-search.md`."""
    search: SearchParameters = SearchParameters()
    """How a throughput search goes on; a change of it measures again only cells that were searched for."""
    flows: Annotated[int, Field(ge=1, le=MOST_FLOWS)] = 1
    """Flows that the frames belong to, in turn, each with a UDP source port of its own; 1 as in the paper."""
    latency: bool = False
    """Whether each cell tells how long frames take too, idle and at 10, 50 and 90 % of what the chain carries: four
    trials more, and one over the direct cable for the instrument's own part. Needs the generator `trafgen`."""
    trial: str
    """Which of the trials below is run for a cell."""
    trials: Annotated[dict[Name, Trial], Field(min_length=1)]
    """Settings of a trial by name; add your own."""
    controls: Literal["none"] | Controls = Controls()
    """When controls are measured, so that drift is seen; `none` for never."""
    compare_with: Annotated[tuple[str, ...], Distinct] = ()
    """Results of others, or of an earlier run, to lay beside those of each testbed: folders such as `results/local`, or
    zip files made of such. They are compared cell by cell and law by law, and never pooled."""
    equivalence_margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Relative difference up to which two rates count as the same."""
    knee_share: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the best rate at a frame size that the chain at the knee still delivers."""
    results_folder: Annotated[str, Field(min_length=1)] = "results"
    """Folder for everything that is made, of letters, digits and `_ . - /`; none of the project's own."""
    on_environment_change: Literal["stop", "remeasure", "reuse"] = "stop"
    """What becomes of cells that were measured in another environment (kernel, microcode, governor, versions of
    tools, …) once more cells are to be measured: `stop` measures nothing and says what changed; `remeasure` measures
    them again and moves their records to the folder `archive`; `reuse` keeps them, and every figure says that
    environments are mixed."""
    if_locked: Literal["fail", "wait"] = "fail"
    """What a second run does while another one has locked a testbed: end with a message that names it, or wait."""
    licence: Licence | None = None
    """On what terms others may use the results: the SPDX name of a licence, such as `CC-BY-4.0`. `make publish` needs
    it."""
    authors: Annotated[tuple[Author, ...], Distinct] = ()
    """Who measured, and answers for the results: in the crate, in `CITATION.cff` and in `.zenodo.json`. `make publish`
    needs one at least."""

    @model_validator(mode="before")
    @classmethod
    def _keys_are_not_old(cls, values: object) -> object:
        if isinstance(values, Mapping) and (old := [key for key in RENAMED_KEYS if key in values]):
            raise ValueError("; ".join(f"{key}: {RENAMED_KEYS[key]}" for key in old))
        return values

    @field_validator("results_folder")
    @classmethod
    def _folder_is_free(cls, folder: str) -> str:
        if not re.fullmatch(r"(\./|/)?\w[\w /.-]*", folder):
            raise ValueError("a folder's path of letters, digits, blanks and `_ . - /` is wanted")
        return free_folder(folder)

    @model_validator(mode="after")
    def _trial_exists(self) -> Study:
        if self.trial not in self.trials:
            known = ", ".join(sorted(self.trials))
            raise ValueError(
                f"trial: there is no trial {self.trial!r}, only {known}{suggestion(self.trial, self.trials)}"
            )
        return self

    @model_validator(mode="after")
    def _law_is_of_one_kind(self) -> Study:
        several = [key for key in ("topologies", "functions") if len(getattr(self, key)) > 1]
        if self.sweep == "adaptive" and several:
            raise ValueError(
                f"sweep: an adaptive one follows one law, and there are several {' and '.join(several)}; name one, or "
                "take `grid`"
            )
        return self

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The values of each axis of the sweep, by its field in a cell."""
        return {axis.field: getattr(self, axis.study_key) for axis in AXES}

    def cells(self, testbed: str) -> list[Cell]:
        """Return all planned cells of a testbed."""
        return cells_of(testbed, self.axes, self.repetitions)

    @property
    def order(self) -> RunOrder:
        """The order in which the cells of all testbeds are measured."""
        return RunOrder(self.testbeds, tuple(self.axes.values()), self.repetitions, self.seed)

    @property
    def others(self) -> dict[str, str]:
        """Where the results to compare with are, by the name that each goes by here."""
        return names_of(self.compare_with, self.testbeds)

    @property
    def measuring_command(self) -> str:
        """The command that measures cells of this study again, up to the paths of their records.

        Its settings are spelt out, so that it stays right when the config file has changed.
        """
        settings = {name: getattr(self, name) for name in ("results_folder", "trial", "offered_load")}
        for name in ("flows", "latency"):  # what few studies ask for
            if (value := getattr(self, name)) != type(self).model_fields[name].default:
                settings[name] = value
        said = [f"{name}={value}" for name, value in settings.items()]
        if goal_of(self.offered_load):
            said.append(f"search={self.search.model_dump_json()}")
        return shlex.join(["snakemake", "--cores", "1", "--force", "--config", *said, "--"])

    @property
    def settings(self) -> Settings:
        """How a cell is measured: the trial that was chosen, and its load."""
        asked = {name: getattr(self, name) for name in ("offered_load", "flows", "latency")}
        search = self.search if goal_of(self.offered_load) else None
        return Settings(search=search, **asked, **self.trials[self.trial].model_dump())


TESTBED_FOLDER = Path("config/testbeds")

_Model = TypeVar("_Model", bound=Options)


def check_study(
    values: Mapping[str, Any], origin: str, testbed_folder: Path = TESTBED_FOLDER
) -> tuple[Study, dict[str, Testbed]]:
    """Return the study and its testbeds, checked against each other.

    Raises:
        ConfigError: something in them is impossible; the message names file, key, value and what is allowed.
    """
    study = _parse(Study, values, origin)
    testbeds = {name: load_testbed(name, testbed_folder, origin) for name in study.testbeds}
    for name, testbed in testbeds.items():
        sizes = study.frame_sizes if study.controls == "none" else (*study.frame_sizes, *study.controls.frame_sizes)
        check_frame_sizes(sizes, name, testbed, f"reading {origin}")
        for topology, n in itertools.product(study.topologies, study.chain_lengths):
            check_topology(topology, n, study.flows, name, testbed, f"reading {origin}")
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


def check_frame_sizes(sizes: Iterable[int], name: str, testbed: Testbed, doing: str) -> None:
    """Demand that the links of a testbed carry frames of these sizes, in bytes without FCS.

    Raises:
        ConfigError: they do not; the message says what they carry.
    """
    mtu = testbed.site.link.mtu
    allowed = range(MINIMUM_FRAME_BYTES, maximum_frame_bytes(mtu) + 1)
    if wrong := [size for size in sizes if size not in allowed]:
        raise ConfigError(
            doing,
            f"frame_sizes: {', '.join(map(str, wrong))} B: the links of testbed {name} (mtu {mtu}) "
            f"carry frames of {allowed.start} to {allowed.stop - 1} B",
            f"leave these sizes out, or raise `mtu` in the file of testbed {name}",
        )


def check_topology(topology: Topology, n: int, flows: int, name: str, testbed: Testbed, doing: str) -> None:
    """Demand that a testbed can join n middleboxes so, and that the flows can be spread evenly over their paths.

    Raises:
        ConfigError: it cannot, or they cannot; the message says how many can.
    """
    plan = plan_of(topology, n, ("in", "out"))
    if plan.wires and not testbed.middlebox.joins:
        raise ConfigError(
            doing,
            f"topologies: the middleboxes of testbed {name} (driver {testbed.middlebox.driver}) cannot be joined "
            f"without a switch, as {plan} has them",
            f"leave {topology} out, or leave the testbed out",
        )
    paths = len(plan.paths)
    if not are_even(flows, paths):
        raise ConfigError(
            doing,
            f"flows: {flows} cannot be spread evenly over the {paths} paths of {plan}",
            f"set `flows` to {least_flows(paths)} or more, or to a multiple of {paths}",
        )


def load_testbed(name: str, folder: Path = TESTBED_FOLDER, origin: str = "the command line") -> Testbed:
    """Return the testbed that the file ``folder/name.yaml`` composes.

    Raises:
        ConfigError: there is no such file, or what it says cannot be.
    """
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(
            f"reading {origin}",
            f"testbeds: there is no testbed {name!r}, only {', '.join(known) or f'no file in {folder}'}",
            f"name one of these, or write {path}" + suggestion(name, known),
        )
    return composed(read_yaml(path), str(path))


def composed(values: Mapping[str, Any], origin: str) -> Testbed:
    """Return the testbed that ``values`` compose, each part with the options of the driver that it names.

    Raises:
        ConfigError: there is no such driver, or what the values say cannot be.
    """
    parts: dict[str, Any] = {}
    for part in drivers.FOLDERS:
        chosen = values.get(part)
        if isinstance(chosen, Mapping) and "driver" in chosen:
            parts[part] = (drivers.options_of(part, chosen["driver"], origin), ...)
    return _parse(create_model("Testbed", __base__=Testbed, **parts), values, origin)


def _parse(model: type[_Model], values: Mapping[str, Any], origin: str) -> _Model:
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"reading {origin}", told_mistakes(model, values, error)) from None
    if mistakes := truth_values(values, found.model_dump()):
        raise ConfigError(f"reading {origin}", "\n  ".join(mistakes))
    return found
