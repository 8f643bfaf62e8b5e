"""A testbed's file, ``config/testbeds/NAME.yaml``, as a frozen model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError, create_model, model_validator

from middlebench.config import drivers
from middlebench.config.messages import told_mistakes, truth_values
from middlebench.config.plain_yaml import read_yaml
from middlebench.generators.base import GeneratorOptions
from middlebench.middleboxes.base import MiddleboxOptions
from middlebench.model.options import Options
from middlebench.model.port_kind import common_kind
from middlebench.sites.base import SiteOptions
from middlebench.switches.base import SwitchOptions
from middlebench.system.errors import ConfigError
from middlebench.system.project import place_of
from middlebench.system.text import suggestion


class TestbedOptions(Options):
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
    def _processes_end(self) -> TestbedOptions:
        for part, options in (("switch", self.switch), ("middlebox", self.middlebox)):
            if options.leaves_processes and not self.site.ends_processes:
                raise ValueError(f"{part}.driver: {options.driver} leaves processes behind on site {self.site.driver}")
        return self

    @model_validator(mode="after")
    def _ports_fit(self) -> TestbedOptions:
        taken, offered = self.middlebox.port_kinds, self.switch.port_kinds
        if common_kind(taken, offered) is None:
            raise ValueError(
                f"middlebox.driver: {self.middlebox.driver} takes ports of the kind {' or '.join(taken)}, but switch "
                f"{self.switch.driver} offers {', '.join(offered)}"
            )
        return self


TESTBED_FOLDER = Path("config/testbeds")

_Model = TypeVar("_Model", bound=Options)


def load_testbed(name: str, folder: Path = TESTBED_FOLDER, origin: str = "the command line") -> TestbedOptions:
    """Return the testbed that the file ``folder/name.yaml`` composes.

    Raises:
        ConfigError: there is no such file, or what it says cannot be.
    """
    folder = place_of(folder)
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(
            f"reading {origin}",
            f"testbeds: there is no testbed {name!r}, only {', '.join(known) or f'no file in {folder}'}",
            f"name one of these, or write {path}" + suggestion(name, known),
        )
    return composed(read_yaml(path), str(path))


def composed(values: Mapping[str, Any], origin: str) -> TestbedOptions:
    """Return the testbed that ``values`` compose, each part with the options of the driver that it names.

    Raises:
        ConfigError: there is no such driver, or what the values say cannot be.
    """
    parts: dict[str, Any] = {}
    for part in drivers.FOLDERS:
        chosen = values.get(part)
        if isinstance(chosen, Mapping) and "driver" in chosen:
            parts[part] = (drivers.options_of(part, chosen["driver"], origin), ...)
    return parse(create_model("Testbed", __base__=TestbedOptions, **parts), values, origin)


def parse(model: type[_Model], values: Mapping[str, Any], origin: str) -> _Model:
    """Return the model that ``values`` make.

    Raises:
        ConfigError: they do not; the message names file, key, value and what is allowed.
    """
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"reading {origin}", told_mistakes(model, values, error)) from None
    if mistakes := truth_values(values, found.model_dump()):
        raise ConfigError(f"reading {origin}", "\n  ".join(mistakes))
    return found
