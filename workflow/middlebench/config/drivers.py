"""Finds a driver by its name: the file or folder of that name in its protocol's folder, which has its ``Options``.

So adding a driver is adding a file: a config may name it from then on, and the schema and the
documentation of the config show it.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from middlebench.model.options import Options
from middlebench.system.errors import ConfigError
from middlebench.system.text import suggestion

FOLDERS = {
    "site": "middlebench.sites",
    "switch": "middlebench.switches",
    "middlebox": "middlebench.middleboxes",
    "generator": "middlebench.generators",
}
"""The package of each part of a testbed."""


def options_of(part: str, driver: object, origin: str) -> type[Options]:
    """Return the options of a driver by its name, as written in a config.

    Raises:
        ConfigError: there is no such driver.
    """
    package = importlib.import_module(FOLDERS[part])
    names = {_name(module.name) for module in pkgutil.iter_modules(package.__path__)}
    if isinstance(driver, str) and driver in names:
        module = importlib.import_module(f"{FOLDERS[part]}.{driver.replace('-', '_')}")
        if _is_driver(module):
            return module.Options  # type: ignore[no-any-return]
    known = sorted(all_options(part))
    raise ConfigError(
        f"reading {origin}",
        f"{part}.driver: there is no driver {driver!r}, only {', '.join(known)}{suggestion(str(driver), known)}",
    )


def all_options(part: str) -> dict[str, type[Options]]:
    """Return the options of every driver of a part, by name. Imports them all."""
    package = importlib.import_module(FOLDERS[part])
    modules = {
        _name(found.name): importlib.import_module(f"{FOLDERS[part]}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
        if not found.name.endswith(("_agent", "_process"))  # scripts for other computers
    }
    return {name: module.Options for name, module in modules.items() if _is_driver(module)}


def _name(module: str) -> str:
    return module.replace("_", "-")


def _is_driver(module: ModuleType) -> bool:
    options = getattr(module, "Options", None)
    own = (module.__name__, f"{module.__name__}.driver")  # a file, or a folder whose ``driver.py`` defines them
    return isinstance(options, type) and options.__module__ in own
