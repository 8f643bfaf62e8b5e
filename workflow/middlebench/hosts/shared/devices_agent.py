"""Runs on a host, in front of an agent's text: asks the kernel about network devices, without a process for each.

Standard library only. Nothing is read from /sys, which shows the network namespace of whoever mounted it.
"""

import array
import fcntl
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIOCGIFFLAGS, SIOCGIFMTU, SIOCETHTOOL = 0x8913, 0x8921, 0x8946  # linux/sockios.h
IFREQ, IFF_UP, IFF_NOARP = struct.Struct("=16sH14x"), 1, 0x80
MTU_REQUEST, POINTER_REQUEST = struct.Struct("=16si12x"), struct.Struct("16sP16x")
ETHTOOL_VALUE = struct.Struct("=II")
OFFLOADS = {
    "tx-checksumming": 0x16,
    "scatter-gather": 0x18,
    "tcp-segmentation-offload": 0x1E,
    "generic-segmentation-offload": 0x23,
}
"""Names of ``ethtool -k``, and by which question of linux/ethtool.h each is read."""

RTM_NEWQDISC, RTM_GETQDISC = 36, 38
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_DUMP_REQUEST = 0x301
TC_H_ROOT = 0xFFFFFFFF
TCA_KIND, TCA_OPTIONS, TCA_STATS, TCA_STAB = 1, 2, 3, 8
NETLINK_HEADER, TRAFFIC_CONTROL, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxxxiIII"), struct.Struct("=HH")
NETLINK_SECONDS = 10.0


def state_of(port: str) -> "tuple[int, int] | None":
    """Return the flags (IFF_…) and the MTU of a network device (netdevice(7)); None where it is gone."""
    name = port.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        try:
            flags = IFREQ.unpack(fcntl.ioctl(kernel, SIOCGIFFLAGS, IFREQ.pack(name, 0)))[1]
            mtu = MTU_REQUEST.unpack(fcntl.ioctl(kernel, SIOCGIFMTU, MTU_REQUEST.pack(name, 0)))[1]
        except OSError:
            return None
    return flags, mtu


def offloads_of(port: str) -> "list[str]":
    """Return which of the :data:`OFFLOADS` are on; one that a device does not know is off."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        for name, question in OFFLOADS.items():
            value = array.array("B", ETHTOOL_VALUE.pack(question, 0))
            try:
                fcntl.ioctl(kernel, SIOCETHTOOL, POINTER_REQUEST.pack(port.encode(), value.buffer_info()[0]))
            except OSError:
                continue
            if ETHTOOL_VALUE.unpack(value)[1]:
                found.append(name)
    return found


def queues() -> "dict[str, dict[int, bytes]]":
    """Return what the kernel says of each network device's root queueing discipline, by attribute (TCA_…).

    It is what ``tc -statistics qdisc`` asks for (rtnetlink(7)), without a process.
    """
    names = dict(socket.if_nameindex())
    found: dict[str, dict[int, bytes]] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(NETLINK_SECONDS)
        size = NETLINK_HEADER.size + TRAFFIC_CONTROL.size
        kernel.send(
            NETLINK_HEADER.pack(size, RTM_GETQDISC, NLM_F_DUMP_REQUEST, 0, 0) + TRAFFIC_CONTROL.pack(0, 0, 0, 0, 0)
        )
        while True:
            for kind, body in parts(NETLINK_HEADER, kernel.recv(65536)):
                if kind in (NLMSG_DONE, NLMSG_ERROR):  # a kernel may have none of them
                    return found
                _, device, _, parent, _ = TRAFFIC_CONTROL.unpack_from(body)
                if kind == RTM_NEWQDISC and parent == TC_H_ROOT and device in names:
                    found[names[device]] = dict(parts(ATTRIBUTE, body[TRAFFIC_CONTROL.size :]))


def parts(header: struct.Struct, data: bytes) -> "Iterator[tuple[int, bytes]]":
    """Yield kind and body of each part of a netlink message, whose header begins with length and kind."""
    while len(data) >= header.size:
        length, kind = header.unpack_from(data)[:2]
        yield kind, data[header.size : length]
        data = data[(length + 3) & ~3 :]


def kind_of(queue: "dict[int, bytes]") -> str:
    """Return the name of a queueing discipline."""
    return queue[TCA_KIND].rstrip(b"\0").decode()
