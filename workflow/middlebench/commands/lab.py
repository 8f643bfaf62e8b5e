"""Verbs of the emulated Xen host: `middlebench lab start`, `status`, `stop` and `image FOLDER`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from middlebench.commands.arguments import Verbs, add_testbed_folder, add_verb, tell
from middlebench.system.errors import ConfigError


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    lab = add_verb(verbs, "lab", "start and stop the emulated Xen host")
    steps = lab.add_subparsers(required=True, metavar="STEP")
    start = add_verb(steps, "start", "build the host if need be, boot it, and wait until it can be used")
    start.add_argument("--testbed", default="lab", metavar="TESTBED", help="testbed that it is for (default: lab)")
    add_testbed_folder(start)
    start.set_defaults(verb=_start)
    add_verb(steps, "status", "say whether it runs, and how to log in").set_defaults(verb=_status)
    add_verb(steps, "stop", "end it, with all that runs in it").set_defaults(verb=_stop)
    image = add_verb(steps, "image", "write the Linux middlebox's image to a folder, for a Xen server of yours")
    image.add_argument("folder", type=Path, metavar="FOLDER")
    image.set_defaults(verb=_image)


def _start(arguments: argparse.Namespace) -> None:
    from middlebench.config.testbed import load_testbed
    from middlebench.sites.lab.driver import Lab, Options

    site = load_testbed(arguments.testbed, arguments.testbed_folder).site
    if not isinstance(site, Options):
        raise ConfigError(
            f"starting the lab for testbed {arguments.testbed}",
            f"its site is of another kind ({site.driver})",
            "name a testbed whose file says `site: {driver: lab}`",
        )
    lab = Lab(site, arguments.testbed)
    lab.open(tell)
    tell(lab.status())


def _status(_: argparse.Namespace) -> None:
    from middlebench.sites.lab.driver import Lab, Options

    print(Lab(Options(driver="lab"), "").status())


def _stop(_: argparse.Namespace) -> None:
    from middlebench.sites.lab.driver import Lab, Options

    tell("the lab has ended" if Lab(Options(driver="lab"), "").close() else "there was no lab")


def _image(arguments: argparse.Namespace) -> None:
    from middlebench.sites.lab.image import image

    shutil.copytree(image(tell).folder / "linux", arguments.folder, dirs_exist_ok=True)
    tell(f"wrote {arguments.folder}/vmlinux and {arguments.folder}/initramfs.gz")
