"""Makes taps in one network namespace and runs a program, which is given them, in another.

A tap is where it was made, whoever holds its descriptor: the program sends and receives frames over
there, while its own sockets are here. Standard library only; runs inside the holder.

    python tap_launcher.py NAMESPACE PORT,PORT PROGRAM ARGUMENT…

``{PORT}`` in an argument becomes the number of the descriptor of that tap.
"""

import array
import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000


def make_taps(namespace: str, names: list[str]) -> list[int]:
    """Return a descriptor for each new tap; the calling process is in ``namespace`` from now on."""
    with Path(namespace).open(encoding="utf-8") as target:
        if ctypes.CDLL(None, use_errno=True).setns(target.fileno(), CLONE_NEWNET) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), namespace)
    taps = []
    for name in names:
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        taps.append(tap)
    return taps


def main() -> None:
    """Let a child make the taps, take their descriptors from it, and become the program."""
    namespace, names, argv = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
    ours, childs = socket.socketpair()
    child = os.fork()
    if child == 0:
        descriptors = array.array("i", make_taps(namespace, names))
        childs.sendmsg([b"taps"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        os._exit(0)
    childs.close()
    _, taps, _, _ = socket.recv_fds(ours, 16, len(names))
    os.waitpid(child, 0)
    if len(taps) != len(names):
        sys.exit(f"cannot make taps in {namespace}")
    for tap in taps:
        os.set_inheritable(tap, True)
    numbers = dict(zip(names, taps, strict=True))
    for name, tap in numbers.items():
        argv = [argument.replace("{" + name + "}", str(tap)) for argument in argv]
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
