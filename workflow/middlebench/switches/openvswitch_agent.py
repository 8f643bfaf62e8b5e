"""Runs on the middlebox server: reads our bridges, their ports and their flows in one go.

Asking ``ovs-vsctl`` and, bridge by bridge, ``ovs-ofctl`` takes a process a bridge; this speaks to
the same two sockets itself: the database (RFC 7047) and the daemon's control socket
(ovs-appctl(8)). Both carry JSON-RPC 1.0. Standard library only: it is handed to the host's own
``python3`` as text.

    python3 -c THIS RUN_FOLDER OWNER    answers one JSON object on standard output
"""

import json
import os
import socket
import sys
from typing import Any

SECONDS = 10.0


class Connection:
    """JSON-RPC 1.0 over a Unix socket; messages follow each other without a separator."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(path)
        self.buffer = ""

    def call(self, method: str, params: list[Any]) -> Any:
        """Return the result of one call."""
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
                if message.get("error"):
                    raise ConnectionError(f"{method}: {message['error']}")
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


def daemon(folder: str) -> int:
    """Return the process id of the switch daemon: its control socket is named after it."""
    with open(os.path.join(folder, "ovs-vswitchd.pid")) as file:
        return int(file.read())


def main(folder: str, owner: str) -> None:
    """Print what is there."""
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
    pid = daemon(folder)
    control = Connection(os.path.join(folder, f"ovs-vswitchd.{pid}.ctl"))
    described: list[dict[str, Any]] = []
    for row in bridges:
        name = row["name"]
        found = [interface[member[1]] for port in members(row["ports"]) for member in interfaces_of[port[1]]]
        described.append(
            {
                "name": name,
                "deployment": plain(row["external_ids"]).get("deployment"),
                "datapath_type": row["datapath_type"],
                "interfaces": [each for each in found if each["name"] != name],
                "flows": control.call("bridge/dump-flows", [name]),
            }
        )
    print(json.dumps({"daemon": pid, "bridges": described}))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as problem:
        sys.exit(f"Open vSwitch does not answer: {problem}")
