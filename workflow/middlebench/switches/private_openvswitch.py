"""An Open vSwitch instance of our own, beside and apart from the system's.

Its database, sockets and logs live in the holder's private /run; with the holder all of it goes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.switches.base import NO_SOCKETS, Switch, SwitchOptions
from middlebench.switches.shared import instance
from middlebench.switches.shared.instance import OpenVSwitch
from middlebench.system.errors import HostError, SwitchError

FOLDER = f"/run/{LABEL}-openvswitch"

START = """
set -eu
program=$(command -v "$1") || exit 78
if [ "$(readlink "$OVS_RUNDIR/ovs-vswitchd")" = "$program" ] &&
    OVS_CTL_TIMEOUT=$2 sh -c "$3" > /dev/null 2>&1; then
    exit 0
fi
shift 3
if [ ! -w /dev/net/tun ]; then echo "/dev/net/tun cannot be opened for writing" >&2; exit 77; fi
for daemon in ovs-vswitchd ovsdb-server; do # where one of them ended, the other one is of no use
    pid=$(cat "$OVS_RUNDIR/$daemon.pid" 2> /dev/null) || continue
    [ "$(cat "/proc/$pid/comm" 2> /dev/null)" != "$daemon" ] || kill -9 "$pid"
done
rm -rf "$OVS_RUNDIR"
mkdir -p "$OVS_RUNDIR"
ovsdb-tool create "$OVS_RUNDIR/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$OVS_RUNDIR/conf.db" --remote=punix:"$OVS_RUNDIR/db.sock" \\
    --detach --no-chdir --pidfile --log-file -vconsole:off
ovs-vsctl --timeout=10 --no-wait init
ovs-vsctl --timeout=10 --no-wait set Open_vSwitch . "$@"
# Its control socket has the name by which it is called.
ln -s "$program" "$OVS_RUNDIR/ovs-vswitchd"
"$OVS_RUNDIR/ovs-vswitchd" --detach --no-chdir --pidfile --log-file -vconsole:off
"""

PMD_SLEEP_US = 200
"""Longest sleep of a polling thread that finds little to do, in microseconds: an idle chain then costs 7 % of a
processor, not all of one; the rate stays as it is (tried)."""
PMD_SLEEP_KEYS = ("pmd-maxsleep", "pmd-sleep-max")
"""What it is called in Open vSwitch 3.1, and from 3.2 on; before, it is not known, and ignored."""

DPDK_DAEMON = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
"""Debian's build of the daemon with DPDK, which vhost-user ports need (package openvswitch-switch-dpdk)."""
DPDK_MEMORY_MIB = 2048
"""Half of it is for 262,144 packet buffers, each in a page of 4 KiB. The rest stays untouched, and leaves room: where
the buffers do not fit beside what came before, Open vSwitch may give up the port instead of taking fewer (ENOBUFS)."""
DPDK_OPTIONS = "--no-huge --legacy-mem --no-pci --no-telemetry --no-shconf"
"""For DPDK (EAL parameters): no huge pages, no network cards, no sockets, and no files, which a daemon that was killed
may still hold."""

XDP_MODES = {PortKind.VETH: "generic"}
"""Where the kernel runs the XDP program of a middlebox's AF_XDP port; elsewhere in the driver (`native`).

By default Open vSwitch tries zero copy first, which neither veth nor tap has, and takes the 64 MiB of each port twice.
veth's own XDP copies each frame that comes from a bridge into a new page: in generic mode chains of 4 namespaces carry
1.15 times as much, of 20 1.2 times, and virtual machines behind taps 0.8 times (in turns, Linux 6.18).
"""

KERNEL_DATAPATH = """
ovs-dpctl dump-dps > /dev/null 2>&1 || modprobe -q openvswitch
ovs-dpctl dump-dps > /dev/null 2>&1
"""
"""Whether the kernel has the datapath. Who asks for it by name (generic netlink, family ovs_datapath) has the kernel
load its module where it can, and so is answered as the daemon will be, which asks the same way when it starts."""


class Options(SwitchOptions):
    """A private Open vSwitch instance on the middlebox server."""

    driver: Literal["private-openvswitch"]
    """An Open vSwitch instance of our own, beside and apart from the system's."""
    datapath: Literal["auto", "kernel", "userspace"] = "auto"
    """Where frames are switched; `auto` takes the faster of what works, measured at provision."""
    port_type: Literal["auto", "system", "afxdp", "afxdp-nonpmd", "vhost-user"] = "auto"
    """How the userspace datapath reaches its ports; `auto` takes the fastest that works, measured at provision.
    `vhost-user` joins virtual machines by memory that they share with the switch; it needs the package
    openvswitch-switch-dpdk."""
    uplink_type: Literal["auto", "system", "afxdp", "af-packet"] = "auto"
    """How the userspace datapath reaches the two uplinks where `port_type` is `vhost-user`; else as all ports. Where
    AF_XDP is not allowed, `af-packet` is the fastest: packet sockets with shared rings, which the switch polls."""

    programs: ClassVar = ("ip", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")
    versions: ClassVar = (("ovs-vswitchd", "--version"),)
    leaves_processes: ClassVar = True

    @property
    def port_kinds(self) -> tuple[PortKind, ...]:
        """Network interfaces of the kernel's, or what a machine shares with the switch."""
        if self.port_type == "vhost-user":
            return (PortKind.VHOST_USER,)
        return (PortKind.TAP, PortKind.VETH)

    def alternatives(self, host: Host) -> list[Options]:
        """Return what ``auto`` may stand for on this host, without a word about which is best."""
        found: list[dict[str, str]] = []
        if self.datapath == "kernel" or (self.datapath == "auto" and self._kernel_datapath(host)):
            found.append({"datapath": "kernel", "port_type": "system"})
        if self.datapath != "kernel":
            port_types: list[str] = ["system", "afxdp"] if self.port_type == "auto" else [self.port_type]
            if self.port_type == "auto" and host.run(["test", "-x", DPDK_DAEMON], check=False).status == 0:
                port_types.append("vhost-user")
            for port_type in port_types:
                chosen = {"datapath": "userspace", "port_type": port_type}
                if port_type == "vhost-user" and self.uplink_type == "auto":
                    found += [chosen | {"uplink_type": each} for each in ("afxdp", "af-packet", "system")]
                else:
                    found.append(chosen)
        return [self.model_copy(update=each) for each in found]

    def build(self, host: Host, kind: PortKind) -> Switch:
        """Return the switch on ``host``, for middleboxes with ports of this kind."""
        return PrivateOpenVSwitch(self, host, kind)

    def _kernel_datapath(self, host: Host) -> bool:
        return host.run(["sh", "-c", KERNEL_DATAPATH], check=False).status == 0


class PrivateOpenVSwitch(OpenVSwitch):
    """The switch driver; see :class:`middlebench.switches.base.Switch`."""

    def __init__(self, options: Options, host: Host, kind: PortKind) -> None:
        uplink_type = options.uplink_type if options.port_type == "vhost-user" else options.port_type
        if "auto" in (options.datapath, options.port_type, uplink_type):
            raise SwitchError(
                f"setting up the switch on {host.name}",
                f"datapath {options.datapath}, port type {options.port_type}, uplink type {uplink_type}: not all are "
                "chosen yet",
                "provision the testbed first: it measures the alternatives and records its choice",
            )
        super().__init__(
            host, FOLDER, "system" if options.datapath == "kernel" else "netdev", settle="revalidator/purge"
        )
        self._options = options
        self._uplink_type = uplink_type
        self._xdp_mode = XDP_MODES.get(kind, "native")

    def start(self) -> None:
        """Start the database server and the switch daemon, unless they answer."""
        mask = f"{sum(1 << cpu for cpu in self._host.cpus):x}" if self._host.cpus else ""
        settings = {"pmd-cpu-mask": mask} | dict.fromkeys(PMD_SLEEP_KEYS, str(PMD_SLEEP_US))
        daemon = "ovs-vswitchd"
        if self._options.port_type == "vhost-user":
            daemon = DPDK_DAEMON
            settings |= {"dpdk-init": "true", "dpdk-alloc-mem": str(DPDK_MEMORY_MIB), "dpdk-extra": DPDK_OPTIONS}
            settings |= {"dpdk-lcore-mask": mask} if mask else {}
        words = [f"other_config:{key}={json.dumps(value)}" for key, value in settings.items() if value]
        answers = (str(math.ceil(instance.ANSWER_SECONDS * self._host.timeout_factor)), instance.ANSWERS)
        result = self.run("sh", "-c", START, f"{LABEL}-openvswitch", daemon, *answers, *words, check=False)
        if result.status != 0:
            known = {
                78: (
                    f"there is no {daemon}, which vhost-user ports need",
                    "install the packages of envs/vhost-user.packages (`envs/install-packages vhost-user`)",
                ),
                77: (
                    "the device /dev/net/tun is missing or closed to this user, and the userspace datapath needs it",
                    "as root: `modprobe tun` and `chmod 0666 /dev/net/tun` (the mode that Debian gives it)",
                ),
            }
            happened, advice = known.get(result.status, ("its daemons did not come up", "run `make setup`"))
            raise SwitchError(f"starting Open vSwitch on {self._host.name}", happened, advice, result)

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``."""
        with self._explained():
            super().create_bridges(plan)

    def connect(self, plan: Plan, sockets: Mapping[str, str] = NO_SOCKETS) -> None:
        """Put ports on bridges and let frames pass between them."""
        with self._explained():
            super().connect(plan, sockets)

    def describe(self) -> str:
        """Return version, datapath and port type."""
        options = self._options
        words = [f"Open vSwitch {self.version()}", f"{options.datapath} datapath"]
        if options.datapath == "userspace":
            mode = " in generic mode" * (options.port_type.startswith("afxdp") and self._xdp_mode == "generic")
            words.append(f"{options.port_type} ports{mode}")
        if options.port_type == "vhost-user":
            words.append(f"{self._uplink_type} uplinks")
        return ", ".join(words)

    def _interface(self, port: str, plan: Plan, sockets: Mapping[str, str]) -> Sequence[str]:
        """Return the words that tell ``ovs-vsctl`` what kind of interface a port is."""
        is_uplink = port in plan.uplinks
        port_type = self._uplink_type if is_uplink else self._options.port_type
        xdp_mode = f"options:xdp-mode={'native' if is_uplink else self._xdp_mode}"
        words = {
            "system": (),
            "afxdp": ("type=afxdp", xdp_mode),
            "afxdp-nonpmd": ("type=afxdp-nonpmd", xdp_mode),
            "af-packet": ("type=dpdk", f"options:dpdk-devargs=net_af_packet_{port},iface={port}"),
            "vhost-user": ("type=dpdkvhostuserclient", f"options:vhost-server-path={sockets.get(port)}"),
        }[port_type]
        return ("--", "set", "Interface", port, *words) if words else ()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Add the end of the switch's own log, which says why something failed; its tools say only that."""
        try:
            yield
        except (SwitchError, HostError) as error:
            log = self._host.run(["tail", "-n", "5", f"{FOLDER}/ovs-vswitchd.log"], check=False).stdout
            happened = f"{error.happened}; the switch's log ends:\n{log}"
            raise SwitchError(error.doing, happened, error.advice, error.result) from error
