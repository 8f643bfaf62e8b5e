"""The lab from the command line: ``python -m middlebench.sites.lab start``, ``status``, ``stop``, ``image FOLDER``."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from middlebench.config import study as config
from middlebench.sites.lab.driver import Lab, Options
from middlebench.sites.lab.image import image
from middlebench.system import surroundings
from middlebench.system.errors import ConfigError, MiddlebenchError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, or the one of the error's kind."""
    surroundings.prepare()
    arguments = _parser().parse_args(argv)
    try:
        arguments.verb(arguments)
    except MiddlebenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted; run `python -m middlebench.sites.lab stop`, or start it again", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="middlebench.sites.lab", description="The emulated Xen host.")
    verbs = parser.add_subparsers(required=True)
    start = verbs.add_parser("start", help="build it if need be, boot it, and wait until it can be used")
    start.add_argument("--testbed", default="lab", help="testbed that it is for (default: lab)")
    start.add_argument("--testbed-folder", type=Path, default=config.TESTBED_FOLDER, help=argparse.SUPPRESS)
    start.set_defaults(verb=_start)
    verbs.add_parser("status", help="say whether it runs, and how to log in").set_defaults(verb=_status)
    verbs.add_parser("stop", help="end it, with all that is in it").set_defaults(verb=_stop)
    copy = verbs.add_parser("image", help="write the Linux middlebox's image to a folder, for a server of yours")
    copy.add_argument("folder", type=Path)
    copy.set_defaults(verb=_image)
    return parser


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _start(arguments: argparse.Namespace) -> None:
    site = config.load_testbed(arguments.testbed, arguments.testbed_folder).site
    if not isinstance(site, Options):
        raise ConfigError(
            f"starting the lab for testbed {arguments.testbed}",
            f"its site is of another kind ({site.driver})",
            "name a testbed whose file says `site: {driver: lab}`",
        )
    lab = Lab(site, arguments.testbed)
    lab.open(_tell)
    _tell(lab.status())


def _status(arguments: argparse.Namespace) -> None:
    del arguments
    print(Lab(Options(driver="lab"), "").status())


def _stop(arguments: argparse.Namespace) -> None:
    del arguments
    _tell("the lab has ended" if Lab(Options(driver="lab"), "").close() else "there was no lab")


def _image(arguments: argparse.Namespace) -> None:
    shutil.copytree(image(_tell).linux, arguments.folder, dirs_exist_ok=True)
    _tell(f"wrote {arguments.folder}/vmlinux and {arguments.folder}/initramfs.gz")


if __name__ == "__main__":
    sys.exit(main())
