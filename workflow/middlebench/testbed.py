"""Puts a testbed together from its composition: one driver of each protocol, on the site's hosts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from middlebench.config.testbed import TestbedOptions
from middlebench.generators.base import Generator
from middlebench.hosts.base import Host
from middlebench.middleboxes.base import Middleboxes
from middlebench.model.environment import Environment
from middlebench.model.port_kind import common_kind
from middlebench.model.record import Components
from middlebench.sites.base import Hosts, Inventory, Site, Tell, silent
from middlebench.switches.base import Switch


@dataclass(frozen=True)
class Testbed:
    """A testbed that stands: its site is open and its drivers are at hand."""

    name: str
    options: TestbedOptions
    hosts: Hosts
    switch: Switch
    middleboxes: Middleboxes
    generator: Generator
    direct: Generator | None
    """The same generator between two ports that a cable joins, with no chain and no switch; None without one."""
    environment: str = ""
    """Id of the environment that it stands in; empty where nobody has looked."""
    known_components: Components | None = None
    """What takes part, where the drivers have said it before."""

    @property
    def composition(self) -> str:
        """What tells chains of these drivers and options, in this environment, from others (SHA-256, shortened)."""
        parts = [each.model_dump_json() for each in (self.options.switch, self.options.middlebox)]
        return hashlib.sha256("\n".join([*parts, self.environment]).encode()).hexdigest()[:16]

    def components(self) -> Components:
        """Return what takes part, in the drivers' own words."""
        return self.known_components or Components(
            switch=self.switch.describe(), middlebox=self.middleboxes.describe(), generator=self.generator.describe()
        )


def site_of(name: str, options: TestbedOptions) -> Site:
    """Return the testbed's site, not opened yet."""

    def tear_down(hosts: Hosts) -> None:
        remove_chains(*_on_server(options, hosts.middlebox_server))

    return options.site.build(name, tear_down)


def remove_chains(switch: Switch, middleboxes: Middleboxes) -> None:
    """Remove every chain of ours, the switch's part first.

    Where the other end of a vhost-user port ends just when the port is removed, Open vSwitch may hang for ever: its
    main thread waits in ``rte_vhost_driver_unregister`` for the thread that tells it of the end, and that one, in
    ``ovsrcu_synchronize``, for the main thread (seen in a debugger, Open vSwitch 3.1 with DPDK 22.11).
    """
    try:
        switch.tear_down()
    finally:
        middleboxes.destroy()


def stand_up(name: str, options: TestbedOptions, environment: str = "", tell: Tell = silent) -> Testbed:
    """Open the testbed's site and return the testbed. Every ``auto`` must have been chosen by now.

    ``environment`` is the id of the environment that it stands in; ``tell`` is called with a sentence about what takes
    long, or was found changed.

    Raises:
        MiddlebenchError: the site or a driver cannot be had.
    """
    hosts = site_of(name, options).open(tell)
    test_computer, direct_ports = hosts.test_computer, hosts.direct_ports
    switch, middleboxes = _on_server(options, hosts.middlebox_server)
    return Testbed(
        name=name,
        options=options,
        hosts=hosts,
        switch=switch,
        middleboxes=middleboxes,
        generator=options.generator.build(test_computer, hosts.test_ports),
        direct=options.generator.build(test_computer, direct_ports) if direct_ports else None,
        environment=environment,
    )


def _on_server(options: TestbedOptions, server: Host) -> tuple[Switch, Middleboxes]:
    """Return the switch and the middleboxes, joined by the best kind of port that both have."""
    kind = common_kind(options.middlebox.port_kinds, options.switch.port_kinds)
    assert kind is not None, "a composition without a common kind of port is refused when it is read"
    return options.switch.build(server, kind), options.middlebox.build(server, options.site.link.mtu, kind)


def alternatives(options: TestbedOptions, hosts: Hosts) -> list[TestbedOptions]:
    """Return the compositions that ``auto`` may stand for on these hosts; one if there is nothing to choose."""
    return [
        options.model_copy(update={"switch": switch, "middlebox": middlebox})
        for switch in options.switch.alternatives(hosts.middlebox_server)
        for middlebox in options.middlebox.alternatives(hosts.middlebox_server)
        if common_kind(middlebox.port_kinds, switch.port_kinds)
    ]


def programs(options: TestbedOptions, hosts: Hosts) -> list[tuple[Host, tuple[str, ...]]]:
    """Return which programs the composition's drivers run on which host."""
    return [
        (hosts.test_computer, options.generator.programs()),
        (hosts.middlebox_server, (*options.switch.programs, *options.middlebox.programs)),
    ]


def environment_of(site: Site, options: TestbedOptions) -> Environment:
    """Return what a measurement depends on beside its configuration, as far as the site can tell now.

    Raises:
        HostError: a host cannot be reached.
    """
    return site.environment(
        Inventory(
            versions=options.generator.versions, modules=options.generator.modules, images=options.generator.images()
        ),
        Inventory(versions=(*options.switch.versions, *options.middlebox.versions), images=options.middlebox.images()),
    )
