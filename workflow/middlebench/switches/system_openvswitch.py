"""The middlebox server's own Open vSwitch: our bridges beside whatever else it switches.

It is never started, stopped or configured by us. All that we make carries our owner mark, and only
what carries it is ever changed. The chain's two uplinks are taken only if nobody else needs them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.switches.base import Switch, SwitchOptions
from middlebench.switches.shared.instance import OpenVSwitch
from middlebench.system.errors import SwitchError

OWNERS = """
for port; do
    bridge=$(ovs-vsctl iface-to-br "$port" 2> /dev/null) || continue
    echo "$port $bridge $(ovs-vsctl --if-exists get Bridge "$bridge" external_ids:owner)"
done
"""


class Options(SwitchOptions):
    """The middlebox server's own Open vSwitch."""

    driver: Literal["system-openvswitch"]
    """The Open vSwitch that the middlebox server runs anyway, with bridges of ours; nothing else in it is touched."""
    datapath: Literal["kernel", "userspace"] = "kernel"
    """Where frames are switched; `kernel` is what the paper's server uses."""
    run_folder: Annotated[str, Field(pattern=r"^/[^\s]*$")] = "/var/run/openvswitch"
    """Folder of its sockets on the server."""

    programs: ClassVar = ("ip", "ovs-vsctl", "ovs-ofctl")
    versions: ClassVar = (("ovs-vsctl", "--version"),)

    @property
    def port_kinds(self) -> tuple[PortKind, ...]:
        """Any network interface of the kernel's."""
        return (PortKind.TAP, PortKind.VETH, PortKind.XEN_VIF)

    def build(self, host: Host, kind: PortKind) -> Switch:
        """Return the switch on ``host``."""
        del kind  # all of them are network interfaces to it
        return SystemOpenVSwitch(self, host)


class SystemOpenVSwitch(OpenVSwitch):
    """The switch driver; see :class:`middlebench.switches.base.Switch`."""

    def __init__(self, options: Options, host: Host) -> None:
        datapath_type = "system" if options.datapath == "kernel" else "netdev"
        # Others' frames pass this daemon too: what it has cached for them is not ours to take down.
        super().__init__(host, options.run_folder, datapath_type, settle="revalidator/wait")
        self._options = options

    def start(self) -> None:
        """See that it runs: starting it is its owner's affair."""
        result = self._asked()
        if result.status != 0:
            raise SwitchError(
                f"looking for Open vSwitch on {self._host.name}",
                f"it does not answer at {self._options.run_folder}",
                "install openvswitch-switch there and start it (`systemctl start openvswitch-switch`), or name its "
                "folder (`run_folder` in the testbed's file)",
                result,
            )
        if self._options.datapath == "kernel":
            result = self._host.run(["ovs-dpctl", "dump-dps"], check=False)
            if result.status != 0:
                raise SwitchError(
                    f"looking for Open vSwitch's kernel datapath on {self._host.name}",
                    "the kernel does not have it",
                    "load its module (`modprobe openvswitch`), or set `datapath: userspace`",
                    result,
                )

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``, once it is sure that nobody else needs its uplinks."""
        self._demand_uplinks(plan)
        super().create_bridges(plan)

    def describe(self) -> str:
        """Return version and datapath."""
        return f"Open vSwitch {self.version()} (the server's own), {self._options.datapath} datapath"

    def _demand_uplinks(self, plan: Plan) -> None:
        """Return if no bridge of others has one of the uplinks; that nothing else needs them the site has seen to."""
        lines = self.run("sh", "-c", OWNERS, f"{LABEL}-owners", *plan.uplinks).stdout.splitlines()
        taken = [
            (port, bridge) for port, bridge, *owner in map(str.split, lines) if owner not in ([LABEL], [f'"{LABEL}"'])
        ]
        if taken:
            raise SwitchError(
                f"taking {' and '.join(plan.uplinks)} of {self._host.name} as the chain's uplinks",
                "; ".join(f"{port} is on bridge {bridge}, which is not ours" for port, bridge in taken),
                "name two interfaces that serve nothing but the measurement (`ports` in the testbed's file), or take "
                f"them off that bridge yourself (`ovs-vsctl del-port {taken[0][1]} {taken[0][0]}`)",
            )
