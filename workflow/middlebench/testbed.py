"""Puts a testbed together from its composition: one driver of each protocol, on the site's hosts."""

from __future__ import annotations

from dataclasses import dataclass

from middlebench import config
from middlebench.generators.base import Generator
from middlebench.generators.trafgen import Trafgen
from middlebench.hosts.base import Host
from middlebench.middleboxes import netns, qemu
from middlebench.middleboxes.base import Middleboxes
from middlebench.record import Components
from middlebench.sites.base import Hosts, Site
from middlebench.sites.namespaces import Namespaces
from middlebench.switches import private_openvswitch
from middlebench.switches.base import Switch
from middlebench.switches.private_openvswitch import PrivateOpenVSwitch


@dataclass(frozen=True)
class Testbed:
    """A testbed that stands: its site is open and its drivers are at hand."""

    name: str
    options: config.Testbed
    hosts: Hosts
    switch: Switch
    middleboxes: Middleboxes
    generator: Generator

    def components(self) -> Components:
        """Return what takes part, in the drivers' own words."""
        return Components(
            switch=self.switch.describe(),
            middlebox=self.middleboxes.describe(),
            generator=self.generator.describe(),
        )


def site_of(name: str, options: config.Testbed) -> Site:
    """Return the testbed's site, not opened yet."""
    return Namespaces(options.site, tenant=name)


def stand_up(name: str, options: config.Testbed) -> Testbed:
    """Open the testbed's site and return the testbed. Every ``auto`` must have been chosen by now.

    Raises:
        MiddlebenchError: the site or a driver cannot be had.
    """
    hosts = site_of(name, options).open()
    return Testbed(
        name=name,
        options=options,
        hosts=hosts,
        switch=PrivateOpenVSwitch(options.switch, hosts.middlebox_server),
        middleboxes=_middleboxes(options.middlebox, hosts.middlebox_server, options.site.link.mtu),
        generator=Trafgen(options.generator, hosts.test_computer, hosts.test_ports),
    )


def _middleboxes(options: config.Middlebox, host: Host, mtu: int) -> Middleboxes:
    match options:
        case netns.Options():
            return netns.NetnsMiddleboxes(options, host, mtu)
        case qemu.Options():
            return qemu.QemuMiddleboxes(options, host, mtu)


def alternatives(options: config.Testbed, hosts: Hosts) -> list[config.Testbed]:
    """Return the compositions that ``auto`` may stand for on these hosts; one if there is nothing to choose."""
    switches = private_openvswitch.alternatives(options.switch, hosts.middlebox_server)
    middleboxes: list[config.Middlebox] = [options.middlebox]
    if isinstance(options.middlebox, qemu.Options):
        middleboxes = [*qemu.alternatives(options.middlebox, hosts.middlebox_server)]
    return [
        options.model_copy(update={"switch": switch, "middlebox": middlebox})
        for switch in switches
        for middlebox in middleboxes
    ]


def programs(options: config.Testbed, hosts: Hosts) -> list[tuple[Host, list[str]]]:
    """Return which programs the composition's drivers run on which host."""
    machines = [qemu.QEMU] if isinstance(options.middlebox, qemu.Options) else []
    switch = ["ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl"]
    return [
        (hosts.test_computer, ["ip", "tc", "ethtool", "trafgen"]),
        (hosts.middlebox_server, ["ip", "tc", "ethtool", *switch, *machines]),
    ]
