"""An Open vSwitch instance of our own, beside and apart from the system's.

Its database, sockets and logs live in the holder's private /run; with the holder all of it goes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.model.live import LiveSwitch
from middlebench.model.plan import Plan
from middlebench.model.port_kind import PortKind
from middlebench.model.reading import PortCounters, SwitchReading
from middlebench.switches.base import Switch, SwitchOptions
from middlebench.switches.openvswitch import OpenVSwitch
from middlebench.system.errors import HostError, SwitchError

FOLDER = f"/run/{LABEL}-openvswitch"

START = """
set -eu
if (ovs-appctl --timeout=5 -t ovs-vswitchd version && ovs-vsctl --timeout=5 --no-wait init) > /dev/null 2>&1; then
    exit 0
fi
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
cpus=$1 daemon=$2
shift 2
ovs-vsctl --timeout=10 --no-wait set Open_vSwitch . other_config:pmd-cpu-mask="$cpus" "$@"
ln -s "$(command -v "$daemon")" "$OVS_RUNDIR/ovs-vswitchd" # its control socket has the name by which it is called
"$OVS_RUNDIR/ovs-vswitchd" --detach --no-chdir --pidfile --log-file -vconsole:off
"""

PMD_SLEEP_US = 200
"""Longest sleep of a polling thread that finds little to do, in microseconds: an idle chain then costs 7 % of a
processor, not all of one; the rate stays as it is (tried)."""
PMD_SLEEP_KEYS = ("pmd-maxsleep", "pmd-sleep-max")
"""What it is called in Open vSwitch 3.1, and from 3.2 on; before, it is not known, and ignored."""


class Options(SwitchOptions):
    """A private Open vSwitch instance on the middlebox server."""

    driver: Literal["private-openvswitch"]
    """An Open vSwitch instance of our own, beside and apart from the system's."""
    datapath: Literal["auto", "kernel", "userspace"] = "auto"
    """Where frames are switched; `auto` takes the kernel where its module is there, else userspace."""
    port_type: Literal["auto", "system", "afxdp", "afxdp-nonpmd"] = "auto"
    """How the userspace datapath reaches its ports; `auto` takes the fastest that works, measured at provision."""

    port_kinds: ClassVar = (PortKind.TAP, PortKind.VETH)
    programs: ClassVar = ("ip", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl")
    versions: ClassVar = (("ovs-vswitchd", "--version"),)
    leaves_processes: ClassVar = True

    def alternatives(self, host: Host) -> list[Options]:
        """Return what ``auto`` may stand for on this host, without a word about which is best.

        The kernel datapath is alone where it is there: it is what the paper's server uses.
        """
        kernel = (
            host.run(["sh", "-c", "test -e /sys/module/openvswitch || modprobe -q openvswitch"], check=False).status
            == 0
        )
        if self.datapath == "kernel" or (self.datapath == "auto" and kernel):
            return [self.model_copy(update={"datapath": "kernel", "port_type": "system"})]
        kinds = ["system", "afxdp", "afxdp-nonpmd"] if self.port_type == "auto" else [self.port_type]
        return [self.model_copy(update={"datapath": "userspace", "port_type": kind}) for kind in kinds]

    def build(self, host: Host) -> Switch:
        """Return the switch on ``host``."""
        return PrivateOpenVSwitch(self, host)


class PrivateOpenVSwitch:
    """The switch driver; see :class:`middlebench.switches.base.Switch`."""

    def __init__(self, options: Options, host: Host) -> None:
        if "auto" in (options.datapath, options.port_type):
            raise SwitchError(
                f"setting up the switch on {host.name}",
                f"datapath {options.datapath} and port type {options.port_type} are not chosen yet",
                "provision the testbed first: it measures the alternatives and records its choice",
            )
        self._options = options
        self._host = host
        kernel = options.datapath == "kernel"
        port_type = "" if options.port_type == "system" else options.port_type
        self._switch = OpenVSwitch(
            host, FOLDER, "system" if kernel else "netdev", "" if kernel else port_type, settle="revalidator/purge"
        )

    def start(self) -> None:
        """Start the database server and the switch daemon, unless they answer."""
        mask = f"{sum(1 << cpu for cpu in self._host.cpus):x}" if self._host.cpus else ""
        sleep = [f"other_config:{key}={PMD_SLEEP_US}" for key in PMD_SLEEP_KEYS]
        result = self._switch.run("sh", "-c", START, f"{LABEL}-openvswitch", mask, "ovs-vswitchd", *sleep, check=False)
        if result.status == 77:
            raise SwitchError(
                f"starting Open vSwitch on {self._host.name}",
                "the device /dev/net/tun is missing or closed to this user, and the userspace datapath needs it",
                "as root: `modprobe tun` and `chmod 0666 /dev/net/tun` (the mode that Debian gives it)",
                result,
            )
        if result.status != 0:
            raise SwitchError(
                f"starting Open vSwitch on {self._host.name}", "its daemons did not come up", "run `make setup`", result
            )

    def create_bridges(self, plan: Plan) -> None:
        """Make the bridges of ``plan``."""
        try:
            self._switch.create_bridges(plan)
        except (SwitchError, HostError) as error:
            raise self._explained(error) from error

    def connect(self, plan: Plan) -> None:
        """Put ports on bridges and let frames pass between them."""
        try:
            self._switch.connect(plan)
        except (SwitchError, HostError) as error:
            raise self._explained(error) from error

    def live(self) -> LiveSwitch:
        """Return what is there now."""
        return self._switch.live()

    def counters(self) -> dict[str, PortCounters]:
        """Return the counters of every port on the server."""
        return self._switch.counters()

    def read(self) -> SwitchReading:
        """Return all that can be read now, exact to the last frame."""
        return self._switch.read()

    def tear_down(self) -> None:
        """Remove all bridges of ours."""
        self._switch.tear_down()

    def describe(self) -> str:
        """Return version, datapath and port type."""
        ports = "" if self._options.datapath == "kernel" else f", {self._options.port_type} ports"
        return f"Open vSwitch {self._switch.version()}, {self._options.datapath} datapath{ports}"

    def _explained(self, error: SwitchError | HostError) -> SwitchError:
        """Add the end of the switch's own log, which says why; its tools say only that."""
        log = self._host.run(["tail", "-n", "5", f"{FOLDER}/ovs-vswitchd.log"], check=False).stdout
        return SwitchError(error.doing, f"{error.happened}; the switch's log ends:\n{log}", error.advice, error.result)
