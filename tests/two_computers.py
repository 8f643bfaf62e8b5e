"""The paper's two computers, as far as one machine can play them: two real sshd in network namespaces of their own.

Two veth links join the namespaces, a third pair each carries SSH to this machine. Each computer has a
mount namespace with a /run of its own, the server an Open vSwitch there, which stands for the system's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from middlebench import config
from ssh_server import Home, Sshd, descendants

NAMES = ("mbench-test-a", "mbench-test-b")
SWITCH_DAEMON = "ovs-vswitchd --detach --no-chdir --pidfile --log-file -vconsole:off"
OPENVSWITCH = f"""
export OVS_RUNDIR=/run/openvswitch OVS_LOGDIR=/run/openvswitch OVS_DBDIR=/run/openvswitch
mkdir $OVS_RUNDIR
mount -t tmpfs -o size=4m tmpfs $OVS_RUNDIR
ovsdb-tool create $OVS_RUNDIR/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server $OVS_RUNDIR/conf.db --remote=punix:$OVS_RUNDIR/db.sock \\
    --detach --no-chdir --pidfile --log-file -vconsole:off
ovs-vsctl --no-wait init
{SWITCH_DAEMON}
"""
RESTART_SWITCH = f"""
ovs-appctl -t ovs-vswitchd exit
while [ -e /run/openvswitch/ovs-vswitchd.pid ]; do sleep 0.02; done
OVS_RUNDIR=/run/openvswitch OVS_LOGDIR=/run/openvswitch OVS_DBDIR=/run/openvswitch {SWITCH_DAEMON}
"""
COMPOSITION = {
    "description": "two computers over SSH",
    "site": {
        "driver": "ssh",
        "test_computer": {"host": "test", "ports": ["eth0", "eth1"]},
        "middlebox_server": {"host": "server", "ports": ["eth0", "eth1"]},
        "link": {"rate_mbps": 10000},
    },
    "switch": {"driver": "system-openvswitch", "datapath": "userspace"},
    "middlebox": {"driver": "netns"},
    "generator": {"driver": "trafgen"},
}


@dataclass
class TwoComputers:
    """Two sshd and the links between them."""

    home: Home
    test_computer: Sshd
    server: Sshd
    composition: dict[str, Any]

    @property
    def options(self) -> config.Testbed:
        return config.composed(self.composition, "the tests")

    def changed(self, **server: object) -> config.Testbed:
        """Return the composition with other options of the server."""
        composition = json.loads(json.dumps(self.composition))
        composition["site"]["middlebox_server"].update(server)
        return config.composed(composition, "the tests")

    def ssh(self, sshd: Sshd) -> list[str]:
        """Return the words that run a command on a computer without our own code."""
        alias = "server" if sshd is self.server else "test"
        known = f"UserKnownHostsFile={self.home.known_hosts}"
        return ["ssh", "-F", str(self.home.ssh / "config"), "-o", known, alias]

    def on(self, sshd: Sshd, script: str) -> str:
        """Run a shell script on a computer and return what it printed."""
        return subprocess.run([*self.ssh(sshd), script], capture_output=True, text=True, check=True).stdout

    def generating(self) -> bool:
        """Whether a generator runs on the test computer."""
        return bool(descendants(self.test_computer.process.pid, "trafgen"))

    def cut(self, sshd: Sshd) -> None:
        """Kill every sshd that serves a connection to a computer; the one that listens stays."""
        for session in sshd.sessions():
            os.kill(session, signal.SIGKILL)

    def restart_switch(self) -> None:
        """End the server's switch daemon and start it again, as an upgrade of its package does."""
        self.on(self.server, RESTART_SWITCH)

    def remains(self) -> str:
        """Return what is still there of a chain of ours, and of any generator."""
        there = self.on(self.server, "ip -o link; ip netns list; ovs-vsctl show")
        found = [line for line in there.splitlines() if "mbench" in line]
        for sshd in (self.test_computer, self.server):
            found += [name for name in self.on(sshd, "ls -A /run/mbench").split() if name != "lock"]
        return "; ".join([*found, *(["a generator"] if self.generating() else [])])


@contextmanager
def two_computers(folder: Path) -> Iterator[TwoComputers]:
    """Start both computers; in this process's environment they are known as ``test`` and ``server``."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    home = Home(folder / "home")
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        environment.setenv("HOME", str(home.folder))
        environment.setenv("MIDDLEBENCH_RUNTIME", str(runtime))
        environment.delenv("SSH_AUTH_SOCK", raising=False)
        test_computer = _start_computer(stack, folder, home, 0, ":;")
        server = _start_computer(stack, folder, home, 1, OPENVSWITCH)
        _ip(
            *(
                f"link add name eth{index} netns {NAMES[0]} type veth peer name eth{index} netns {NAMES[1]}"
                for index in range(2)
            )
        )
        yield TwoComputers(home=home, test_computer=test_computer, server=server, composition=COMPOSITION)


def _start_computer(stack: ExitStack, folder: Path, home: Home, index: int, prepare: str) -> Sshd:
    """Start a computer: a network namespace, a way to it, and an sshd in it."""
    name, outside = NAMES[index], f"mbt{index}-ssh"
    here, there = (f"198.51.100.{8 * index + last}" for last in (1, 2))
    subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
    _ip(
        f"netns add {name}",
        f"link add name {outside} type veth peer name mgmt netns {name}",
        f"address add {here}/30 dev {outside}",
        f"link set dev {outside} up",
    )
    stack.callback(subprocess.run, ["ip", "netns", "del", name], check=True)
    server = Sshd(
        folder=folder / name,
        port=22,
        address=there,
        enter=["nsenter", f"--net=/run/netns/{name}", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
        prepare=f"mount -t sysfs sysfs /sys && ip address add {there}/30 dev mgmt && "
        f"ip link set dev mgmt up && ip link set dev lo up && {{ {prepare} }}",
    )
    stack.callback(server.stop)
    server.start(home.public_key)
    home.add(("test", "server")[index], server)
    return server


def _ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
