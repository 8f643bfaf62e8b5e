"""What a measurement depends on beside its configuration: the two computers, and the versions of all that takes part.

Two cells may stand in one figure when their environments are one. What changes by itself (load,
temperature, time since boot) is no part of it. Below ``results/<testbed>/environments`` each is kept
once, under a name made from its content; every record names its own.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from middlebench.model.options import Options
from middlebench.model.record_file import read, write
from middlebench.system.errors import RecordError
from middlebench.system.text import changes

FOLDER = "environments"
ID_DIGITS = 12
BUILT_HERE = "unikernel"
"""The image that the workflow builds: before its first run there is none to be looked at."""


class Computer(Options):
    """One of the two computers."""

    cpu: str
    """Model of the processor."""
    microcode: str
    """Its microcode's version; empty where the kernel does not tell."""
    governor: str
    """What sets the processors' frequency; empty where nothing can be set."""
    cpus: tuple[int, ...]
    """Processors that our programs run on."""
    processors: int
    """Processors that the computer has."""
    memory_mib: int
    """Memory in MiB, in steps of 256: from one boot to the next the kernel keeps some more or less for itself. Of a
    computer under Xen all of it, not the share of dom0."""
    hypervisor: str
    """The hypervisor that this is a domain of (`xen`); empty otherwise."""
    hypervisor_cores: int | None = None
    """Cores that the hypervisor deals out, where it tells; this domain may have fewer."""
    system: str
    """Name and version of the distribution."""
    kernel: str
    boot_options: tuple[str, ...]
    """What the kernel was told when it started, as far as it sets its speed."""
    modules: dict[str, str]
    """Version of each kernel module that takes part; its build id where it has no version of its own."""
    programs: dict[str, str]
    """What each program that takes part says of its version."""
    images: dict[str, str]
    """SHA-256, in 12 digits, of each image that middleboxes boot from and of each program that does not tell its
    version."""
    ports: dict[str, dict[str, str]]
    """Driver, firmware and bus of each measured port; with netmap also its mode, `native` or `emulated`."""

    @property
    def cores(self) -> int | None:
        """How many it has for the chain: processors, or all of a hypervisor's cores; None where it does not tell."""
        return self.hypervisor_cores if self.hypervisor else len(self.cpus) or None


class Environment(Options):
    """Both computers, the links between them, and what could not be set up."""

    format: Literal["middlebench-environment/1"] = "middlebench-environment/1"
    site: str
    """The site's driver."""
    emulated: bool
    """Whether the middlebox server's processor is emulated: then no figure says anything of real hardware."""
    unprivileged: bool
    """Whether all of it ran without root."""
    link_mbps: float
    """Line rate of the links in Mb/s."""
    mtu: int
    """Largest IP packet on the links in bytes."""
    test_computer: Computer
    middlebox_server: Computer | None
    """None for an emulated server that does not run."""
    limits: tuple[str, ...] | None
    """What could not be set up, a sentence each; None as long as nothing is set up."""

    @property
    def id(self) -> str:
        """The first 12 digits of the SHA-256 of its content."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]

    def before_it_stands(self) -> Environment:
        """Return what can be told of it before the testbed stands and our image is built."""
        server = self.middlebox_server
        if server is not None:
            images = {name: digest for name, digest in server.images.items() if name != BUILT_HERE}
            server = server.model_copy(update={"images": images})
        return self.model_copy(update={"limits": None, "middlebox_server": None if self.emulated else server})


def differences(before: Environment, after: Environment) -> list[str]:
    """Return what changed between two environments, each as ``what before → after``; none when they are the same.

    What one of the two does not know yet is no change. A change of both computers alike is told once.
    """
    then, now = before.model_dump(mode="json"), after.model_dump(mode="json")
    for unknown in [key for key in then if None in (then[key], now[key])]:
        del then[unknown], now[unknown]
    told: dict[str, list[str]] = {}
    for name in ("test_computer", "middlebox_server"):
        if name in then:
            told[name] = _changes_of_computer(then.pop(name), now.pop(name))
    both = [text for text in told.get("test_computer", []) if text in told.get("middlebox_server", [])]
    each = [f"{name.replace('_', ' ')}: {text}" for name, texts in told.items() for text in texts if text not in both]
    return [*both, *each, *changes(then, now)]


def _changes_of_computer(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if None in (then["images"].get(BUILT_HERE), now["images"].get(BUILT_HERE)):  # not built yet
        then["images"].pop(BUILT_HERE, None)
        now["images"].pop(BUILT_HERE, None)
    programs = [
        text.removeprefix(f"{name} ") if was.startswith(name) else text  # most say their name themselves
        for name, was in then["programs"].items()
        for text in changes({name: was}, {name: now["programs"].get(name)})
    ]
    new = {name: version for name, version in now["programs"].items() if name not in then["programs"]}
    del then["programs"], now["programs"]
    return [*changes(then, now), *programs, *changes({}, new)]


def keep(environment: Environment, testbed_folder: Path) -> str:
    """Keep an environment with the results of its testbed, in place of a file of it that is damaged; return its id."""
    path = testbed_folder / FOLDER / f"{environment.id}.json"
    try:
        known = read(Environment, path) == environment
    except RecordError:
        known = False
    if not known:
        write(environment, path)
    return environment.id


def recall(identity: str, testbed_folder: Path) -> Environment:
    """Return the environment of this id.

    Raises:
        RecordError: it is not there, or is not one.
    """
    return read(Environment, testbed_folder / FOLDER / f"{identity}.json")
