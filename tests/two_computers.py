"""The paper's two computers, as far as one machine can play them: two real sshd in network namespaces of their own.

Two veth links join the namespaces, one more joins two ports of the first of them, and a pair each carries SSH to
this machine. Each computer has a
mount namespace with a /run of its own, the server an Open vSwitch there, which stands for the system's.
All of it ends with this process, and nothing of it meets what another process of these tests has made.
"""

from __future__ import annotations

import ipaddress
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
from helpers import eventually
from middlebench.config.testbed import TestbedOptions, composed
from ssh_server import Home, Sshd, descendants

NAMES = ("test", "server")
ADDRESSES = ipaddress.ip_network("198.18.0.0/15")
"""Set apart for benchmarks (RFC 2544)."""
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
REPLACE = """
set -eu
cd /run
which -a {program} | sort -u > {program}.places
cp "$(realpath "$(command -v {program})")" {program}.real
cat > {program}
chmod 755 {program}
[ -s {program} ] || ln -sf /dev/null {program}
while read -r place; do mount --bind {program} "$place"; done < {program}.places
"""
PUT_BACK = """
cd /run
while read -r place; do umount "$place"; done < {program}.places
rm {program} {program}.places {program}.real
"""
COMPOSITION = {
    "description": "two computers over SSH",
    "site": {
        "driver": "ssh",
        "test_computer": {"host": "test", "ports": ["eth0", "eth1"], "direct_ports": ["direct0", "direct1"]},
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
    def options(self) -> TestbedOptions:
        return composed(self.composition, "the tests")

    def changed(self, computer: str, **options: object) -> TestbedOptions:
        """Return the composition with other options of a computer, by its key in the testbed's file."""
        composition = json.loads(json.dumps(self.composition))
        composition["site"][computer].update(options)
        return composed(composition, "the tests")

    def ssh(self, sshd: Sshd) -> list[str]:
        """Return the words that run a command on a computer without our own code."""
        alias = NAMES[sshd is self.server]
        known = f"UserKnownHostsFile={self.home.known_hosts}"
        return ["ssh", "-F", str(self.home.ssh / "config"), "-o", known, alias]

    def on(self, sshd: Sshd, script: str) -> str:
        """Run a shell script on a computer and return what it printed."""
        return subprocess.run([*self.ssh(sshd), script], capture_output=True, text=True, check=True).stdout

    @contextmanager
    def replaced(self, sshd: Sshd, program: str, script: str) -> Iterator[None]:
        """Have a script in the place of a program on a computer: the real one is /run/PROGRAM.real; empty for none."""
        command = [*self.ssh(sshd), REPLACE.format(program=program)]
        subprocess.run(command, input=script, text=True, check=True)
        try:
            yield
        finally:
            self.on(sshd, PUT_BACK.format(program=program))

    @contextmanager
    def off(self, sshd: Sshd) -> Iterator[None]:
        """Have a computer off the network by which it is reached, as when its power is gone."""
        assert sshd.process is not None
        inside = ["nsenter", "--net", "--target", str(sshd.process.pid), "ip", "link", "set", "dev", "mgmt"]
        subprocess.run([*inside, "down"], check=True)
        try:
            yield
        finally:
            subprocess.run([*inside, "up"], check=True)

    def generating(self) -> bool:
        """Whether trafgen runs on the test computer, as it does under the maximum load."""
        return bool(descendants(self.test_computer.process.pid, "trafgen"))

    def cut(self, sshd: Sshd) -> None:
        """Kill every sshd that serves a connection to a computer; the one that listens stays."""
        for session in sshd.sessions():
            os.kill(session, signal.SIGKILL)

    def restart_switch(self) -> None:
        """End the server's switch daemon and start it again, as an upgrade of its package does."""
        self.on(self.server, RESTART_SWITCH)

    def touched(self) -> list[str]:
        """Return when something in our folder on each computer was last written: its locks, ports, or testbed."""
        look = "stat -c '%n %Y %Z' /run/mbench /run/mbench/*"
        return [self.on(sshd, look) for sshd in (self.test_computer, self.server)]

    def remains(self) -> str:
        """Return what is still there of a chain of ours, and of any generator."""
        there = self.on(self.server, "ip -o link; ip netns list; ovs-vsctl show")
        found = [line for line in there.splitlines() if "mbench" in line]
        for sshd in (self.test_computer, self.server):
            found += [name for name in self.on(sshd, "ls -A /run/mbench").split() if not name.endswith(".lock")]
        return "; ".join([*found, *(["a generator"] if self.generating() else [])])


@contextmanager
def two_computers(folder: Path) -> Iterator[TwoComputers]:
    """Start both computers; in this process's environment they are known as ``test`` and ``server``."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    home = Home(folder / "home")
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        home.use(environment)
        environment.setenv("MIDDLEBENCH_RUNTIME", str(runtime))
        environment.delenv("SSH_AUTH_SOCK", raising=False)
        test_computer = _start_computer(stack, folder, home, 0, ":;")
        server = _start_computer(stack, folder, home, 1, OPENVSWITCH)
        one, other = test_computer.process.pid, server.process.pid
        _ip(
            f"link add name direct0 netns {one} type veth peer name direct1 netns {one}",
            *(
                f"link add name {port} netns {one} type veth peer name {port} netns {other}"
                for port in ("eth0", "eth1")
            ),
        )
        yield TwoComputers(home=home, test_computer=test_computer, server=server, composition=COMPOSITION)


def _start_computer(stack: ExitStack, folder: Path, home: Home, index: int, prepare: str) -> Sshd:
    """Start a computer: a network namespace, a way to it, and an sshd in it."""
    outside = f"mbt{os.getpid()}-{index}"
    first = 8 * (os.getpid() % (ADDRESSES.num_addresses // 8)) + 4 * index
    here, there = (ADDRESSES[first + last] for last in (1, 2))

    def join(pid: int) -> None:
        entered = Path(f"/proc/{pid}/ns/net")
        eventually(lambda: entered.readlink() != Path("/proc/self/ns/net").readlink(), "it is in its namespace")
        _ip(
            f"link add name {outside} type veth peer name mgmt netns {pid}",
            f"address add {here}/30 dev {outside}",
            f"link set dev {outside} up",
        )

    server = Sshd(
        folder=folder / NAMES[index],
        port=22,
        address=str(there),
        enter=["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
        prepare="mount -t sysfs sysfs /sys && { until [ -e /sys/class/net/mgmt ]; do sleep 0.02; done; } && "
        f"ip address add {there}/30 dev mgmt && ip link set dev mgmt up && ip link set dev lo up && {{ {prepare} }}",
        set_up=join,
    )
    stack.callback(server.stop)
    server.start(home.public_key)
    home.add(NAMES[index], server)
    return server


def _ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
