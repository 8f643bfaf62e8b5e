"""Runs on a computer that we make: says how its ports are set up, behind the text of ``devices_agent``.

python3 -c THIS PORT…    answers one JSON object on standard output, without the ports that are gone
"""

import json
import socket
import sys
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its text stands before ours
    from middlebench.hosts.shared.devices_agent import (
        IFF_NOARP,
        IFF_UP,
        TCA_OPTIONS,
        TCA_STAB,
        kind_of,
        offloads_of,
        queues,
        state_of,
    )


def port_states(ports: "list[str]") -> "dict[str, dict[str, Any]]":
    """Return which interface each port is, and how it is set up.

    Of a shaper these are its kind, and a sum of its options and its table of sizes as the kernel writes them.
    """
    roots, numbers, found = queues(), {name: number for number, name in socket.if_nameindex()}, {}
    for port in ports:
        state = state_of(port)
        if state is None or port not in numbers:
            continue
        flags, mtu = state
        root = roots.get(port)
        settings = b"".join(root.get(key, b"") for key in (TCA_OPTIONS, TCA_STAB)) if root else b""
        found[port] = {
            "number": numbers[port],
            "up": bool(flags & IFF_UP),
            "answers ARP": not flags & IFF_NOARP,
            "MTU": mtu,
            "shaper": f"{kind_of(root)} ({zlib.crc32(settings):08x})" if root else "",
            "offloads": offloads_of(port),
        }
    return found


if __name__ == "__main__":
    print(json.dumps(port_states(sys.argv[1:])), flush=True)
