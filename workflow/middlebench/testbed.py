"""Puts a testbed together from its composition: one driver of each protocol, on the site's hosts."""

from __future__ import annotations

from dataclasses import dataclass

from middlebench import config
from middlebench.generators import pktgen, trafgen
from middlebench.generators.base import Generator
from middlebench.hosts.base import Host
from middlebench.middleboxes import netns, qemu
from middlebench.middleboxes.base import Middleboxes
from middlebench.record import Components
from middlebench.sites import namespaces, ssh
from middlebench.sites.base import Hosts, Site
from middlebench.switches import private_openvswitch, system_openvswitch
from middlebench.switches.base import Switch


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
    match options.site:
        case namespaces.Options():
            return namespaces.Namespaces(options.site, tenant=name)
        case ssh.Options():
            return ssh.SshSite(options.site, tenant=name, tear_down=lambda hosts: _tear_down(options, hosts))


def _tear_down(options: config.Testbed, hosts: Hosts) -> None:
    """Remove the chain from hosts that outlive it."""
    _middleboxes(options.middlebox, hosts.middlebox_server, options.site.link.mtu).destroy()
    _switch(options.switch, hosts.middlebox_server).tear_down()


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
        switch=_switch(options.switch, hosts.middlebox_server),
        middleboxes=_middleboxes(options.middlebox, hosts.middlebox_server, options.site.link.mtu),
        generator=_generator(options.generator, hosts),
    )


def _switch(options: config.Switch, host: Host) -> Switch:
    match options:
        case private_openvswitch.Options():
            return private_openvswitch.PrivateOpenVSwitch(options, host)
        case system_openvswitch.Options():
            return system_openvswitch.SystemOpenVSwitch(options, host)


def _generator(options: config.Generator, hosts: Hosts) -> Generator:
    match options:
        case trafgen.Options():
            return trafgen.Trafgen(options, hosts.test_computer, hosts.test_ports)
        case pktgen.Options():
            return pktgen.PktGen(options, hosts.test_computer, hosts.test_ports)


def _middleboxes(options: config.Middlebox, host: Host, mtu: int) -> Middleboxes:
    match options:
        case netns.Options():
            return netns.NetnsMiddleboxes(options, host, mtu)
        case qemu.Options():
            return qemu.QemuMiddleboxes(options, host, mtu)


def alternatives(options: config.Testbed, hosts: Hosts) -> list[config.Testbed]:
    """Return the compositions that ``auto`` may stand for on these hosts; one if there is nothing to choose."""
    switches: list[config.Switch] = [options.switch]
    if isinstance(options.switch, private_openvswitch.Options):
        switches = [*private_openvswitch.alternatives(options.switch, hosts.middlebox_server)]
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
    generator = options.generator.program if isinstance(options.generator, pktgen.Options) else "trafgen"
    switch = ["ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl"]
    return [
        (hosts.test_computer, ["ip", "tc", "ethtool", generator]),
        (hosts.middlebox_server, ["ip", "tc", "ethtool", *switch, *machines]),
    ]
