"""The disk of a stock Debian machine, made of Debian's packages alone and kept between runs.

It has what an ordinary user's machine has and CI's has not: systemd, Debian's kernel with its modules, a
user with sudo whose PATH holds no sbin. The machine that it becomes has no network: what `make setup`
installs there lies on the disk, small packages where apt keeps what it has fetched, Python's in a folder.
What takes half an hour in emulation is done here: big packages and the Python environment are installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers import PROJECT
from middlebench.hosts.local import LocalHost
from middlebench.sites.lab import packages
from middlebench.system.deadline import Deadline
from packaging.requirements import Requirement

CHECKOUT = "my checkout"
"""The project's folder in the user's home, with a blank in its name."""
BUILD_SECONDS = 1800.0
DISK_GIGABYTES = 8
LIBC = (5, 12, 17, 24, 26, 27, 28, 31, 34)
"""Minor versions of the C library, as wheels name them, that Debian 12 and 13 both serve."""

INSTALLED = (
    *("linux-image-amd64", "systemd-sysv", "udev", "dbus", "sudo", "openssh-server", "iproute2", "iptables"),
    *("make", "git", "python3", "python3-venv", "gcc", "binutils", "qemu-system-x86"),
)
LEFT_TO_SETUP = ("ethtool", "netsniff-ng", "openvswitch-switch")
"""What `make setup` must install there, with a service among it."""

PREPARE = f"""
set -eu
useradd --create-home --shell /bin/bash --groups sudo user
echo 'user ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/user
for home in /root /home/user; do
    mkdir -p $home/.ssh
    chmod 700 $home/.ssh
    cp /srv/stock/key.pub $home/.ssh/authorized_keys
done
mkdir "/home/user/{CHECKOUT}"
cp -r /srv/stock/project/. "/home/user/{CHECKOUT}"
chown -R user:user /home/user
printf '[Match]\\nName=e*\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/20-wired.network
systemctl enable --quiet systemd-networkd ssh
echo stock > /etc/hostname
echo '127.0.0.1 localhost stock' > /etc/hosts
echo '/dev/vda / ext4 defaults 0 1' > /etc/fstab
printf '[global]\\nno-index = true\\nfind-links = /srv/stock/wheels\\n' > /etc/pip.conf
apt-get install --yes --quiet --no-install-recommends --download-only {" ".join(LEFT_TO_SETUP)}
cd "/home/user/{CHECKOUT}"
setpriv --reuid user --regid user --init-groups env -i HOME=/home/user PATH=/usr/local/bin:/usr/bin:/bin \\
    make .venv/installed
"""


@dataclass(frozen=True)
class Release:
    """A release of Debian's."""

    number: str
    codename: str
    python: str
    """Its version of Python."""


RELEASES = (Release("12", "bookworm", "3.11"), Release("13", "trixie", "3.13"))


@dataclass(frozen=True)
class StockImage:
    """What a stock machine boots from, in one folder; never written to."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def key(self) -> Path:
        """Private key that user and root let in."""
        return self.folder / "key"


def image(release: Release) -> StockImage:
    """Return the image of a release, built now (some ten minutes) unless one of the same parts is there."""
    digest = hashlib.sha256(release.codename.encode())
    for path in (Path(__file__), Path(packages.__file__), PROJECT / "requirements.lock", PROJECT / "pyproject.toml"):
        digest.update(path.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "middlebench" / "stock"
    folder = cache / f"{release.number}-{digest.hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="unfinished-", dir=cache))
        try:
            _build(release, work)
            (work / "result").replace(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return StockImage(folder)


def project_files() -> bytes:
    """Return the project as it is now, as a tar file of what is, or would be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    ).stdout
    names = b"\0".join(each for each in listed.split(b"\0") if each and (PROJECT / os.fsdecode(each)).is_file())
    archive = ["tar", "--create", "--null", "--verbatim-files-from", "--files-from=-"]
    return subprocess.run(archive, cwd=PROJECT, input=names, check=True, capture_output=True).stdout


def _build(release: Release, work: Path) -> None:
    host = LocalHost("this machine")
    result, root, given = work / "result", work / "root", work / "stock"
    for folder in (result, root, given / "project"):
        folder.mkdir(parents=True)
    host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "stock", "-f", str(result / "key")])
    shutil.copy(result / "key.pub", given)
    subprocess.run(["tar", "--extract", "--directory", given / "project"], input=project_files(), check=True)
    (given / "prepare").write_text(PREPARE, encoding="utf-8")
    _fetch_wheels(host, release, given / "wheels")

    here = platform.freedesktop_os_release()["VERSION_CODENAME"]
    (work / "sources.list").write_text(packages.sources(host).replace(here, release.codename), encoding="utf-8")
    hooks = [f"copy-in {shlex.quote(str(given))} /srv", 'chroot "$1" sh /srv/stock/prepare']
    host.run(
        [
            *("mmdebstrap", "--quiet", "--variant=standard", "--architectures=amd64", "--skip=cleanup/apt"),
            *(f"--include={','.join(INSTALLED)}", *(f"--customize-hook={hook}" for hook in hooks)),
            *("", str(work / "root.tar"), str(work / "sources.list")),
        ],
        deadline=Deadline(BUILD_SECONDS),
    )
    unpack = ["tar", "-x", "-f", str(work / "root.tar"), "-C", str(root), "--exclude=./dev/*"]
    host.run(unpack, deadline=Deadline(BUILD_SECONDS))
    shutil.copy(root / "vmlinuz", result / "vmlinuz")
    shutil.copy(root / "initrd.img", result / "initrd")
    make_disk = ["mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", str(root)]
    host.run([*make_disk, str(result / "disk.img"), f"{DISK_GIGABYTES}G"], deadline=Deadline(BUILD_SECONDS))


def _fetch_wheels(host: LocalHost, release: Release, folder: Path) -> None:
    """Fetch the locked Python packages for the release's Python, and what builds those that come as source."""
    wanted = folder.with_name("requirements")
    wanted.write_text("\n".join(_locked_for(release.python)), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--dest", str(folder)]
    tag = f"cp{release.python.replace('.', '')}"
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in LIBC] + ["manylinux2014_x86_64", "manylinux1_x86_64"]
    target = ["--python-version", release.python, "--implementation", "cp"]
    for option, values in (("--abi", (tag, "abi3", "none")), ("--platform", platforms)):
        target += [word for value in values for word in (option, value)]
    locked = ["--no-deps", *target, "--require-hashes", "--requirement", str(wanted)]
    host.run([*pip, *locked], deadline=Deadline(BUILD_SECONDS))
    host.run([*pip, "setuptools>=77", "wheel"], deadline=Deadline(BUILD_SECONDS))


def _locked_for(python: str) -> Iterator[str]:
    """Yield the lock's lines that hold for a version of Python: pip itself asks only for the one that runs it."""
    environment: Mapping[str, str] = {"python_version": python, "python_full_version": f"{python}.0"}
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in lock.splitlines():
        text, *hashes = line.partition(" #")[0].split(" --hash=")
        if hashes:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
                words = (f"--hash={each.strip()}" for each in hashes)
                yield " ".join((f"{requirement.name}{requirement.specifier}", *words))
