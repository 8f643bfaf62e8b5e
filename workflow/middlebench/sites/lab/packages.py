"""Debian's packages for the lab, from the sources that this machine's own apt is set up with."""

from __future__ import annotations

import re
from pathlib import Path

from middlebench import LABEL
from middlebench.hosts.base import Host
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError

ROLES = (
    *("openvswitch-switch", "openssh-server", "iproute2", "ethtool", "mount"),
    *("busybox-static", "kmod", "python3-minimal"),
)
"""What the Xen host needs beside Xen and a kernel."""
XEN_METAPACKAGE = "xen-system-amd64"
"""Depends on the release's own version of the hypervisor and its tools."""
KERNEL_METAPACKAGE = "linux-image-amd64"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
BOOTSTRAP_SECONDS = 900.0
DOWNLOAD_SECONDS = 300.0
UPDATE = "run `apt-get update` as root; the lab needs a Debian machine whose apt knows Debian's own packages"
SOURCE_FORMAT = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
UNPACK = 'cd "$1" && apt-get download --quiet "$2" && dpkg-deb -x ./*.deb . && rm ./*.deb'
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEPENDS = re.compile(r"^\s*Depends: (?P<package>[\w.+-]+)$", re.MULTILINE)


def sources(host: Host) -> str:
    """Return the lines of a ``sources.list`` with what apt of this machine has from Debian itself.

    Raises:
        HostError: apt has no such source.
    """
    targets = host.run(
        ["apt-get", "indextargets", "--format", SOURCE_FORMAT, "Created-By: Packages", "Origin: Debian"], check=False
    )
    lines = [f"deb [signed-by={KEYRING}] {line}\n" for line in targets.stdout.splitlines() if line.strip()]
    if targets.status or not lines:
        raise HostError("looking for Debian's packages", "apt has no source of Debian's", UPDATE, targets)
    return "".join(dict.fromkeys(lines))


def dependencies(host: Host, metapackage: str) -> list[str]:
    """Return the packages that a metapackage depends on.

    Raises:
        HostError: apt does not know it.
    """
    answer = host.run(["apt-cache", "depends", metapackage], check=False)
    packages = [match["package"] for match in DEPENDS.finditer(answer.stdout)]
    if answer.status or not packages:
        raise HostError(f"looking up the package {metapackage}", "apt does not know it", UPDATE, answer)
    return packages


def bootstrap(host: Host, tarball: Path) -> None:
    """Write a root file system of Debian's essential packages, Xen's, and :data:`ROLES` to ``tarball``.

    Raises:
        HostError: mmdebstrap is missing or failed.
    """
    source_list = tarball.with_suffix(".list")
    source_list.write_text(sources(host), encoding="utf-8")
    xen = [package for package in dependencies(host, XEN_METAPACKAGE) if package != "xen-hypervisor-common"]
    host.run(
        [
            *("mmdebstrap", "--quiet", "--variant=essential", "--architectures=amd64"),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            f"--include={','.join((*xen, *ROLES))}",
            *("", str(tarball), str(source_list)),
        ],
        deadline=Deadline(BOOTSTRAP_SECONDS),
    )


def unpack_kernel(host: Host, folder: Path) -> None:
    """Download Debian's kernel and unpack it below ``folder``, without installing it.

    Raises:
        HostError: it could not be had.
    """
    package = dependencies(host, KERNEL_METAPACKAGE)[0]
    # A kernel that is installed makes an initramfs of its own; ours is smaller, and this is faster.
    host.run(["sh", "-c", UNPACK, f"{LABEL}-unpack", str(folder), package], deadline=Deadline(DOWNLOAD_SECONDS))
