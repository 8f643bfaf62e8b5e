"""The lab: the middlebox server is a real Xen host that QEMU emulates, the test computer a network namespace.

Everything lives in a holder of its own and ends with it: the namespace, QEMU and, inside that, Xen
with all its domains. The two links are taps between the namespace and QEMU. Emulation is slow: every
figure measured here is marked so.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from middlebench.hosts.base import Ports
from middlebench.hosts.local import LocalHost
from middlebench.hosts.ssh import SshHost
from middlebench.model.environment import Computer, Environment
from middlebench.sites.base import MTU_OVERHEAD_BYTES, Hosts, Inventory, LinkOptions, Site, SiteOptions, Tell, silent
from middlebench.sites.lab import image as lab_image
from middlebench.sites.lab import machine as lab_machine
from middlebench.sites.lab.image import LabImage
from middlebench.sites.lab.machine import Machine
from middlebench.sites.namespaces import partition, this_machine
from middlebench.sites.shared.computer import about, ask
from middlebench.sites.shared.holder import SiteInHolder, enter, kept_of_run
from middlebench.sites.shared.ports import changed_ports, prepare_ports, read_ports, shape_ports
from middlebench.system.processes import ProcessIdentity, may_administer

TEST_COMPUTER = "test-computer"
MIDDLEBOX_SERVER = "xen-lab"
PORTS: Ports = ("eth0", "eth1")
TIMEOUT_FACTOR = 6.0
"""Alone on two processors the emulated host keeps to the limits that suit real ones; beside other work its
commands ran into them, and a drain ended while the host stood still with a thousand frames."""
LARGEST_MTU = 1500
"""The virtual interfaces of Xen's domains carry no more unless told to."""
LATE_SECONDS = 0.064
"""How late an emulated computer's timers may come; its shaper must not lose the time that it slept."""
RING_FRAMES = 256
"""As many frames as a network card's ring holds may wait for the link back."""


class EmulatedLink(LinkOptions):
    """A link as the emulated computer holds it to the line rate."""

    @property
    def burst_bytes(self) -> int:
        """Bytes on the wire that may pass at once."""
        return round(max(super().burst_bytes, LATE_SECONDS * self.rate_bps / 8))

    @property
    def backlog_bytes(self) -> int:
        """Bytes that may wait for their turn."""
        return max(super().backlog_bytes, RING_FRAMES * (self.mtu + MTU_OVERHEAD_BYTES))

    @property
    def outward(self) -> LinkOptions:
        """The link as this machine holds it to the line rate: a longer burst would overrun Xen's rings."""
        return LinkOptions(**self.model_dump())


class Options(SiteOptions):
    """An emulated Xen host and a namespace."""

    driver: Literal["lab"]
    """The middlebox server is a real Xen host that QEMU emulates, built from Debian's packages; the test
    computer is a network namespace of this machine. Slow; every figure of it is marked as emulated."""
    link: EmulatedLink = EmulatedLink(rate_mbps=1)
    """The two links between them; an emulated processor forwards a few hundred frames a second, so they are slow."""
    idle_s: Annotated[float, Field(ge=1)] = 900
    """Seconds without a run after which the lab ends itself."""

    @model_validator(mode="after")
    def _mtu_fits(self) -> Self:
        if self.link.mtu > LARGEST_MTU:
            raise ValueError(f"link.mtu: the lab's links carry {LARGEST_MTU} B at the most")
        return self

    def build(self, testbed: str, tear_down: Callable[[Hosts], None]) -> Site:
        """Return the site, not opened yet."""
        del tear_down  # what is inside the emulated computer goes with it
        return Lab(self, testbed)


class Lab(SiteInHolder):
    """The site driver; see :class:`middlebench.sites.base.Site`."""

    def __init__(self, options: Options, testbed: str) -> None:
        super().__init__("lab", testbed)
        self._options = options
        self._test_cpus, self._server_cpus = partition(sorted(os.sched_getaffinity(0)))

    def open(self, tell: Tell = silent) -> Hosts:
        """Build the lab's image if need be, and boot it, unless it runs as it was set up."""
        if standing := self._holder.standing(self._wanted()):
            machine = _machine(standing["machine"])
            if machine.process.is_alive():
                hosts = self._hosts(standing["pid"], LabImage(Path(standing["image"])), machine)
                computers = (hosts.test_computer, hosts.middlebox_server)
                changed = [each for host in computers for each in changed_ports(host, standing["ports"][host.name])]
                if not changed:
                    return hosts
                tell(f"the lab is not as it was set up, starting it again: {'; '.join(changed)}")
        self._holder.close()
        image = lab_image.image(tell)
        pid = self._holder.start(self._wanted(), self._options.idle_s)
        try:
            return self._set_up(pid, image, tell)
        except BaseException:
            self._holder.close()
            raise

    def status(self) -> str:
        """Return in a sentence or two whether the lab runs, and how to look into it."""
        live = self._holder.live()
        if live is None or not live.get("set_up"):
            return "the lab does not run"
        machine = _machine(live["machine"])
        if not machine.process.is_alive():
            return "the lab's QEMU has ended; what is left of it goes with the next start or stop"
        where = lab_machine.destination(LabImage(Path(live["image"])), machine, enter(live["pid"], TEST_COMPUTER))
        options = {"UserKnownHostsFile": machine.known_hosts, "ProxyCommand": where.proxy_command, "Port": where.port}
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        command = shlex.join(["ssh", "-i", str(where.identity_files[0]), *words, f"{where.user}@{where.hostname}"])
        return f"the lab runs (holder {live['pid']}); console: {machine.console}\n{command}"

    def environment(self, test_computer: Inventory, middlebox_server: Inventory) -> Environment:
        """Return what a measurement here depends on: this machine, and the emulated one where it runs."""
        emulator = replace(test_computer, versions=(*test_computer.versions, (lab_machine.QEMU, "--version")))
        standing = self._holder.standing(self._wanted())
        return Environment(
            site=self._options.driver,
            emulated=True,
            unprivileged=not may_administer(),
            link_mbps=self._options.link.rate_mbps,
            mtu=self._options.link.mtu,
            test_computer=this_machine(emulator, self._test_cpus),
            middlebox_server=self._emulated_server(middlebox_server) if standing else None,
            limits=tuple(standing["limits"]) if standing else None,
        )

    def _emulated_server(self, inventory: Inventory) -> Computer:
        server = self.open().middlebox_server
        return Computer.model_validate(ask(server, "describe", **about(inventory, (), server.cpus)))

    def _wanted(self) -> dict[str, object]:
        return {
            "testbed": self._testbed,
            "options": self._options.model_dump(mode="json"),
            "image": lab_image.key(),
            "kept_of_run": kept_of_run(),
            "cpus": [list(self._test_cpus), list(self._server_cpus)],
        }

    def _set_up(self, pid: int, image: LabImage, tell: Tell) -> Hosts:
        """Make the test computer, boot the Xen host beside it, and connect to it."""
        holder = LocalHost("holder", prefix=enter(pid))
        holder.run(["ip", "netns", "add", TEST_COMPUTER])
        holder.run(["ip", "-netns", TEST_COMPUTER, "link", "set", "dev", "lo", "up"])
        tell("lab: booting the emulated Xen host (about 40 s)")
        machine = lab_machine.start(
            image,
            self.folder,
            enter=enter(pid, TEST_COMPUTER),
            cpus=self._server_cpus,
            ports=PORTS,
        )
        lab_machine.wait_until_ready(machine)
        hosts = self._hosts(pid, image, machine)
        limits = prepare_ports(hosts.test_computer, PORTS, self._options.link.outward)
        limits += shape_ports(hosts.middlebox_server, PORTS, self._options.link)
        state = {**asdict(machine), "console": str(machine.console), "known_hosts": str(machine.known_hosts)}
        ports = {host.name: read_ports(host, PORTS) for host in (hosts.test_computer, hosts.middlebox_server)}
        self._holder.note(image=str(image.folder), machine=state, limits=limits, ports=ports)
        return hosts

    def _hosts(self, pid: int, image: LabImage, machine: Machine) -> Hosts:
        where = lab_machine.destination(image, machine, enter(pid, TEST_COMPUTER))
        server = SshHost(MIDDLEBOX_SERVER, where, timeout_factor=TIMEOUT_FACTOR)
        server.connect()
        return Hosts(
            test_computer=self.host(TEST_COMPUTER, self._test_cpus, pid, TIMEOUT_FACTOR),
            middlebox_server=server,
            test_ports=PORTS,
            server_ports=PORTS,
        )


def _machine(state: dict[str, Any]) -> Machine:
    return Machine(
        process=ProcessIdentity(**state["process"]),
        console=Path(state["console"]),
        known_hosts=Path(state["known_hosts"]),
    )
