"""A chain in Mininet, built as its users would: measured once for each frame size. Runs under the system's Python.

Hosts with a two-port Linux bridge forward, Open vSwitch joins them, nothing is bound to processors. All of it stands in
namespaces of its own, with an Open vSwitch of its own:

    unshare --net --mount --pid --fork --mount-proc python3 mininet_chain.py REQUEST

REQUEST is a JSON object of ``n``, ``datapath`` (Mininet's word for the switch's: ``user`` or ``kernel``), ``frames``
(those to send, in hexadecimal), ``warm_up_s`` and ``window_s``; the answer is one on standard output.
"""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

from mininet.net import Mininet
from mininet.node import Node, OVSSwitch

DAEMONS = """
set -eu
for folder in /run /etc/openvswitch /var/log/openvswitch; do mount -t tmpfs none $folder; done
mkdir -p /run/openvswitch
mount -t sysfs none /sys
ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --detach --pidfile --log-file -vconsole:off
ovs-vsctl --no-wait init
ovs-vswitchd --detach --pidfile --log-file -vconsole:off
"""
BRIDGE = """
ip link add forward type bridge stp_state 0 forward_delay 0
for port in {0} {1}; do ip link set dev $port master forward; ip link set dev $port up; done
ip link set dev forward up
"""


def received(host: Node, port: str) -> int:
    """Return how many packets a port of a host has received."""
    for line in host.cmd("cat /proc/net/dev").splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == port:
            return int(rest.split()[1])
    raise LookupError(port)


def chain(n: int, datapath: str) -> tuple[Mininet, Node, Node]:
    """Return a network that runs, its sender, and its receiver."""
    Mininet.inited = True  # otherwise it changes limits of the whole machine
    net = Mininet(switch=partial(OVSSwitch, datapath=datapath, failMode="standalone"), controller=None, build=False)
    source, sink = net.addHost("source"), net.addHost("sink")
    switches = [net.addSwitch(f"s{number + 1}") for number in range(n + 1)]
    boxes = [net.addHost(f"m{number + 1}") for number in range(n)]
    for switch, left, right in zip(switches, [source, *boxes], [*boxes, sink], strict=True):
        net.addLink(left, switch)
        net.addLink(switch, right)
    net.start()
    for box in boxes:
        box.cmd(BRIDGE.format(*sorted(box.nameToIntf)))
    return net, source, sink


def rate(source: Node, sink: Node, frame: str, warm_up_s: float, window_s: float) -> float:
    """Return the packets/s that arrive of a flood of one frame."""
    packet = "{ " + ", ".join("0x" + frame[at : at + 2] for at in range(0, len(frame), 2)) + " }"
    sender = source.popen(
        ["trafgen", "--cpus", "1", "--no-sock-mem", "--notouch-irq", "--no-cpu-stats", "--dev", "source-eth0", packet],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/tmp",
        preexec_fn=os.setsid,
    )
    time.sleep(warm_up_s)
    start, before = time.monotonic(), received(sink, "sink-eth0")
    time.sleep(window_s)
    end, after = time.monotonic(), received(sink, "sink-eth0")
    os.killpg(sender.pid, signal.SIGKILL)
    sender.wait()
    time.sleep(0.3)
    return (after - before) / (end - start)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    subprocess.run(["sh", "-c", DAEMONS], check=True, stdout=subprocess.DEVNULL)
    begin = time.monotonic()
    network, one, other = chain(asked["n"], asked["datapath"])
    set_up_s = time.monotonic() - begin
    rates = [rate(one, other, frame, asked["warm_up_s"], asked["window_s"]) for frame in asked["frames"]]
    print(json.dumps({"set_up_s": set_up_s, "received_pps": rates}), flush=True)
    os._exit(0)  # everything ends with this process: it is the first of its namespace
