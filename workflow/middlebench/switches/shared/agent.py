"""Runs on the middlebox server: reads all bridges of ours in one go.

Open vSwitch's tools take a process a bridge; this speaks to the same sockets itself: those of the database (RFC 7047)
and of the daemon (ovs-appctl(8)), which both carry JSON-RPC 1.0. Standard library only: it is handed to the host's own
``python3`` as text.

    python3 -c THIS describe RUN_FOLDER OWNER     answers one JSON object on standard output
    python3 -c THIS read RUN_FOLDER OWNER SETTLE  the same and all counters, once they are up to date
    python3 -c THIS ports RUN_FOLDER              the counters of all ports alone
"""

import contextlib
import json
import os
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its text stands before ours
    from collections.abc import Callable, Iterator

    from middlebench.hosts.shared.devices_agent import IFF_UP, TCA_STATS, kind_of, queues, state_of
    from middlebench.hosts.shared.usage_agent import STATES, machine, process_state, process_usage, processors

SECONDS = 25.0
"""How long a daemon may take to answer: for its first vhost-user port it fills a GiB of packet buffers, which took 10 s
on a busy processor. Less than what a host gives a command."""
DROPS = struct.Struct("=12xI")
"""Where struct tc_stats (linux/pkt_sched.h) has the packets that were dropped."""

DEVICE_TYPES = ("", "system", "tap", "afxdp", "afxdp-nonpmd")
"""Types of ports that are network devices of the kernel."""


class RefusedError(ConnectionError):
    """The other side answered a call with an error."""


@contextlib.contextmanager
def named(name: str) -> "Iterator[None]":
    """Have every failure of a connection name the daemon at its other end."""
    try:
        yield
    except RefusedError:
        raise
    except OSError as problem:
        raise ConnectionError(f"{name}: {problem}") from None


def connected(path: str) -> socket.socket:
    """Return a socket to ``path``; wait while the other side is too busy to take callers."""
    end = time.monotonic() + SECONDS
    while True:
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(SECONDS)
        try:
            caller.connect(path)
            return caller
        except BlockingIOError:  # its queue of callers is full: it is starved, not gone
            caller.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Connection:
    """JSON-RPC 1.0 over a Unix socket; messages follow each other without a separator."""

    def __init__(self, path: str) -> None:
        self.daemon = "ovsdb-server" if os.path.basename(path) == "db.sock" else "ovs-vswitchd"
        with named(self.daemon):
            self.socket = connected(path)
        self.buffer = ""

    def call(self, method: str, params: list[Any]) -> Any:
        """Return the result of one call."""
        with named(self.daemon):
            return self.answer(method, params)

    def answer(self, method: str, params: list[Any]) -> Any:
        """Ask, and wait for the answer."""
        self.socket.sendall(json.dumps({"method": method, "params": params, "id": 0}).encode())
        while True:
            try:
                message, end = json.JSONDecoder().raw_decode(self.buffer)
            except ValueError:
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError(f"the other side ended during {method}") from None
                self.buffer += data.decode()
                continue
            self.buffer = self.buffer[end:].lstrip()
            if message.get("id") == 0:
                if message.get("result") is None:
                    raise RefusedError(f"{method}: {message.get('error')}")
                return message["result"]


def members(value: list[Any]) -> list[Any]:
    """Return a set's members as a list: the database writes a set of one as its only member."""
    return value[1] if value[0] == "set" else [value]


def plain(value: Any) -> Any:
    """Return a value of the database's notation (RFC 7047, section 5.1) as plain JSON."""
    if isinstance(value, list):
        kind, content = value
        if kind == "set":
            return [plain(member) for member in content]
        return dict(content) if kind == "map" else content
    return value


def with_error(interface: dict[str, Any], devices: set[str]) -> dict[str, Any]:
    """Say of a port whose network device is gone that it does not work: the daemon does not notice."""
    gone = interface["type"] in DEVICE_TYPES and interface["name"] not in devices
    return {**interface, "error": "there is no such network device"} if gone else interface


def daemon(folder: str, name: str = "ovs-vswitchd") -> int:
    """Return the process id of a daemon: its control socket is named after it."""
    with open(os.path.join(folder, f"{name}.pid"), encoding="utf-8") as file:
        return int(file.read())


def demand_running(folder: str) -> None:
    """Return if both daemons run: who asks one that does not waits for nothing."""
    for name in ("ovsdb-server", "ovs-vswitchd"):
        pid = daemon(folder, name)
        state = process_state(pid)
        if state in STATES:
            raise ConnectionError(f"{name} (process {pid}) {STATES[state]}")


def describe(folder: str, owner: str) -> None:
    """Print what is there."""
    print(json.dumps(described(folder, owner)))


def read(folder: str, owner: str, settle: str) -> None:
    """Print what is there, what was counted, and what the daemon and the processors have used.

    ``settle`` is the command of ovs-vswitchd(8) by which flows of OpenFlow learn what the datapath has
    counted for them, which they do by themselves some time in the next half second.
    """
    demand_running(folder)
    begin = processors()
    pid = daemon(folder)
    usage = process_usage(pid)
    Connection(os.path.join(folder, f"ovs-vswitchd.{pid}.ctl")).call(settle, [])
    answer = described(folder, owner)
    counted = port_counters(folder)
    used = {"usage": usage, "machine": machine(), "processors": [begin, processors()]}
    print(json.dumps({**answer, **used, **counted, "queues": dropped_by_queues()}))


def dropped_by_queues() -> "dict[str, tuple[str, int]]":
    """Return each network device's root queueing discipline, by kind, and how many frames it has dropped."""
    return {name: (kind_of(queue), DROPS.unpack_from(queue[TCA_STATS])[0]) for name, queue in queues().items()}


def ports(folder: str) -> None:
    """Print the counters of all ports."""
    print(json.dumps(port_counters(folder)))


def port_counters(folder: str) -> dict[str, str]:
    """Return the counters of the kernel's devices (proc(5)), and those that the daemon has of its own ports."""
    control = Connection(os.path.join(folder, f"ovs-vswitchd.{daemon(folder)}.ctl"))
    try:
        datapath = control.call("dpctl/show", ["-s"])
    except RefusedError:  # a daemon without a bridge has no datapath to show
        datapath = ""
    with open("/proc/net/dev", encoding="utf-8") as table:
        return {"ports": table.read(), "datapath": datapath}


def described(folder: str, owner: str) -> dict[str, Any]:
    """Return our bridges with their ports and flows, the state of these ports, and the daemon's process id."""
    demand_running(folder)
    database = Connection(os.path.join(folder, "db.sock"))
    selected = database.call(
        "transact",
        [
            "Open_vSwitch",
            {"op": "select", "table": "Bridge", "where": [["external_ids", "includes", ["map", [["owner", owner]]]]]},
            {"op": "select", "table": "Port", "where": [], "columns": ["_uuid", "interfaces"]},
            {
                "op": "select",
                "table": "Interface",
                "where": [],
                "columns": ["_uuid", "name", "type", "error", "ofport"],
            },
        ],
    )
    bridges, ports, interfaces = (table["rows"] for table in selected)
    interfaces_of = {row["_uuid"][1]: members(row["interfaces"]) for row in ports}
    interface = {row["_uuid"][1]: {key: plain(value) for key, value in row.items()} for row in interfaces}
    devices = {device for _, device in socket.if_nameindex()}
    pid = daemon(folder)
    control = Connection(os.path.join(folder, f"ovs-vswitchd.{pid}.ctl"))
    found_bridges: list[dict[str, Any]] = []
    for row in bridges:
        name = row["name"]
        found = [interface[member[1]] for port in members(row["ports"]) for member in interfaces_of[port[1]]]
        found_bridges.append(
            {
                "name": name,
                "deployment": plain(row["external_ids"]).get("deployment"),
                "composition": plain(row["external_ids"]).get("composition", ""),
                "datapath_type": row["datapath_type"],
                "interfaces": [with_error(each, devices) for each in found if each["name"] != name],
                "flows": control.call("bridge/dump-flows", [name]),
            }
        )
    ports = [interface["name"] for bridge in found_bridges for interface in bridge["interfaces"]]
    known = {port: state for port in ports if (state := state_of(port)) is not None}
    states = {port: {"up": bool(flags & IFF_UP), "mtu": mtu} for port, (flags, mtu) in known.items()}
    return {"daemon": pid, "bridges": found_bridges, "states": states}


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    try:
        verbs: "dict[str, Callable[..., None]]" = {each.__name__: each for each in (describe, read, ports)}
        verbs[verb](*arguments)
    except OSError as problem:
        sys.exit(f"Open vSwitch does not answer: {problem}")
