"""``config/config.yaml``, what to sweep and how hard, as a frozen model.

Its JSON schema and a part of ``config/README.md`` are made from this.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)

from middlebench.config.authors import Author, Licence
from middlebench.config.folders import free_folder
from middlebench.config.other_results import names_of
from middlebench.model.cell import AXES, LONGEST_CHAIN, Cell, cells_of
from middlebench.model.controls import CONTROL_BAND
from middlebench.model.frames import MINIMUM_FRAME_BYTES, MOST_FLOWS
from middlebench.model.functions.function import FORWARD
from middlebench.model.functions.specification import JOIN, specifications
from middlebench.model.load import OfferedLoad, SearchParameters, goal_of
from middlebench.model.mix import IMIX, LONGEST_GENOME, FrameSize, is_mix
from middlebench.model.mix import PATTERN as MIX_PATTERN
from middlebench.model.options import Options
from middlebench.model.order import RunOrder
from middlebench.model.plan import CHAIN, Topology
from middlebench.model.record import Settings
from middlebench.system.text import suggestion

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


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1}, key=str)
    if repeated:
        raise ValueError(f"each value may stand here once, but {', '.join(map(str, repeated))} is repeated")
    return values


Distinct = AfterValidator(_distinct)


def _clearly(value: object, check: ValidatorFunctionWrapHandler) -> FrameSize:
    """Say in one sentence what may stand there, where the union's members would each complain."""
    try:
        checked: FrameSize = check(value)
    except ValidationError:
        raise ValueError(
            f"it takes a whole number of bytes, {MINIMUM_FRAME_BYTES} or more, or a mix: `{IMIX}`, or `{IMIX}-` and a "
            f"genome of RFC 6985 of 2 to {LONGEST_GENOME} letters from a to g, such as `{IMIX}-aaafg`"
        ) from None
    return checked


SizeOrMix = Annotated[
    Annotated[int, Field(ge=MINIMUM_FRAME_BYTES)] | Annotated[str, Field(pattern=f"^{MIX_PATTERN}$")],
    WrapValidator(_clearly),
]
"""A frame size in bytes without FCS, or the name of a mix."""


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

    if_drifting: Literal["flag", "stop"] = "flag"
    """What becomes of a testbed when a control lies outside of the band. `flag`: it goes on, and the cells next to that
    are marked. `stop`: it is put into quarantine: its other cells are not measured (those of other testbeds are, with
    `--keep-going`) until `middlebench release TESTBED`."""


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
    frame_sizes: Annotated[tuple[SizeOrMix, ...], Field(min_length=1), Distinct]
    """Frame sizes in bytes without FCS, from 60 to the MTU of the links + 14; or mixes of sizes, which need the
    generator `trafgen`: `imix` sends seven frames of 60 B, four of 590 B and one of 1514 B in turn, `imix-aaafg` the
    genome `aaafg` of RFC 6985. Its letters are sizes with FCS, which is taken off: a is 60 B here, b 124, c 252, d 508,
    e 1020, f 1276, g 1514. A mix is a row of its own in tables; figures and laws that go by frame size leave it out."""
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
    """The knee is the longest chain that delivers at least this share of the best rate at its frame size."""
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
        if self.sweep == "adaptive" and (mixes := [each for each in self.frame_sizes if is_mix(each)]):
            raise ValueError(
                f"sweep: an adaptive one follows a law of frame sizes, of which {', '.join(mixes)} is none; leave it "
                "out of `frame_sizes`, or take `grid`"
            )
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
