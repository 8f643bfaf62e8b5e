"""ClickOS: a small guest that runs one Click router, given to it by way of xenstore.

Nothing that its tools say is believed: ``cosmos`` exits 0 whatever happens, and the key ``status`` is
written by it, never by the guest. What counts is what the guest does: it makes its own key once it
has booted (keys written before are never seen), and connects both interfaces once its router runs.

A router is never stopped: after traffic that hangs the guest. Its domain is made anew instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from middlebench import LABEL
from middlebench.hosts.base import CommandResult, Host
from middlebench.middleboxes.xen.domain import Sight
from middlebench.middleboxes.xen.xl import Domain
from middlebench.model.options import Options as BaseOptions
from middlebench.model.plan import Middlebox
from middlebench.system.deadline import Deadline
from middlebench.system.errors import MiddleboxError

FOLDER = f"/run/{LABEL}-xen"
ROUTER = 0
"""The first router of a domain; ours never get a second one."""
CHUNK_BYTES = 992
"""Largest part of a Click configuration in one key (cosmos' own choice)."""
START_SECONDS = 60.0
STARTED = "Starting driver..."
REFUSED = ("Router could not be initialized!", "Router init failed!")
COMPLAINT = re.compile(r"(config:\d+:|undeclared element|syntax error|unknown element class)")
COSMOS_DOMAIN = re.compile(r"^Domain ID for (?P<name>.*): *(?P<id>-?\d+)\s*$", re.MULTILINE)
COUNT = re.compile(r"^\s*(?P<count>\d+)\s*$", re.MULTILINE)

PUT_CONFIGURATION = """
set -eu
mkdir -p "$1"
cat > "$1/$2.click"
"""

WRITE_KEYS = """
set -eu
status=$1
shift
xenstore-write "$@"
exec xenstore-write "$status" Running
"""
"""Arguments: the key that starts the router; then keys and values that must be there before."""

READ_COUNTS = """
for element in FromDevice@1 FromDevice@2; do
    "$1" read "$2" $element count > /dev/null 2>&1
    echo "$element $("$1" read "$2" $element count 2>&1 | tr '\\n' ' ')"
done
"""
"""The first read of a counter may say nothing; the second one is right."""


class ClickosOptions(BaseOptions):
    """ClickOS, the paper's middlebox."""

    kind: Literal["clickos"]
    """ClickOS (MiniOS and the Click modular router)."""
    kernel: Annotated[str, Field(pattern="^/")]
    """The image's file on the middlebox server, such as `/root/clickos/minios/build/clickos_x86_64`."""
    click: Path = Path("config/click/forward.click")
    """The Click configuration; devices are numbers, 0 faces the start of the chain and 1 its end."""
    starter: Literal["cosmos", "xenstore"] = "cosmos"
    """How the router is started: by `cosmos`, or by writing the same keys with `xenstore-write`."""
    cosmos: str = "cosmos"
    """The program `cosmos` on the middlebox server."""
    cosmos_takes: Literal["id", "name"] = "id"
    """Whether this build of `cosmos` takes a domain's number or its name."""
    xenstore_path: Annotated[str, Field(pattern="^[a-z]")] = "data/clickos"
    """Where the image looks for routers, below its own path; images from before 2016-02 look in `clickos`."""


class ClickosImage:
    """The ClickOS middlebox; see :class:`middlebench.middleboxes.xen.images.Image`."""

    polls: ClassVar = True
    """``FromDevice`` reschedules itself whether or not it has met a frame."""

    def __init__(self, options: ClickosOptions) -> None:
        self._options = options

    @property
    def starter(self) -> str:
        """How the router is started."""
        return self._options.starter

    @property
    def watches_keys(self) -> bool:
        """They do: it makes one when it has booted."""
        return True

    def settings(self) -> dict[str, str]:
        """Return the kernel."""
        return {"kernel": self._options.kernel}

    def files(self) -> tuple[str, ...]:
        """Return the image's file."""
        return (self._options.kernel,)

    def booted(self, sight: Sight) -> bool:
        """Whether the guest has made the key below which it looks for routers."""
        return sight.key(self._options.xenstore_path) is not None

    def start(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:
        """Give the guest its router; whether it takes it is for :meth:`ready` to see."""
        try:
            text = self._options.click.read_text(encoding="utf-8")
        except OSError as error:
            raise self._error(
                middlebox, host, f"{self._options.click}: {error.strerror}", "name another file in `click`"
            ) from error
        if self._options.starter == "cosmos":
            self._start_by_cosmos(host, middlebox, domain, text)
        else:
            self._start_by_keys(host, domain, text)

    def ready(self, sight: Sight) -> bool:
        """Whether both interfaces are connected, and the console, where one is kept, says that the driver runs."""
        return sight.connected and (sight.console is None or STARTED in sight.console)

    def failure(self, sight: Sight) -> str:
        """Return what the guest says of its Click configuration, where it refused it."""
        lines = (sight.console or "").splitlines()
        if not any(word in line for word in REFUSED for line in lines):
            return ""
        complaints = [line.strip() for line in lines if COMPLAINT.search(line)]
        said = "; ".join(complaints) or "it does not say why"
        return f"it refused the Click configuration {self._options.click}: {said}"

    def stuck(self, sight: Sight) -> str:
        """Return what its interfaces and keys tell of how far it came."""
        states = f"its interfaces are at {', '.join(map(str, sight.vifs)) or 'no state'} (4/4 is connected)"
        path = self._options.xenstore_path
        if not self.booted(sight):
            return (
                f"it never made the key {path}; {states}; an image from before 2016-02 looks elsewhere: "
                "set `xenstore_path: clickos`"
            )
        return (
            f"it has booted but never took its router; {states}; its keys may have been written before it looked, "
            f"or by a cosmos that writes them elsewhere than below {path}: see `xenstore-ls` there"
        )

    def describe(self) -> str:
        """Return what it is and how it is started."""
        return f"ClickOS ({self._options.click.stem}, started by {self._options.starter})"

    def counts(self, host: Host, domain: Domain) -> tuple[int, int]:
        """Return how many frames the router has taken in at each of its two ports.

        Raises:
            MiddleboxError: cosmos did not say.
        """
        asked = str(domain.id) if self._options.cosmos_takes == "id" else domain.name
        result = host.run(["sh", "-c", READ_COUNTS, f"{LABEL}-counts", self._options.cosmos, asked])
        counts = parse_counts(result.stdout)
        if len(counts) != 2:
            raise MiddleboxError(
                f"reading the counters of {domain.name} on {host.name}", "cosmos did not say them", "", result
            )
        return counts[0], counts[1]

    def _start_by_cosmos(self, host: Host, middlebox: Middlebox, domain: Domain, text: str) -> None:
        host.run(["sh", "-c", PUT_CONFIGURATION, f"{LABEL}-put", FOLDER, middlebox.name], stdin=text)
        asked = str(domain.id) if self._options.cosmos_takes == "id" else domain.name
        argv = [self._options.cosmos, "start", asked, f"{FOLDER}/{middlebox.name}.click"]
        if host.run(["sh", "-c", 'command -v -- "$1"', "sh", self._options.cosmos], check=False).status != 0:
            raise self._error(
                middlebox,
                host,
                f"there is no program {self._options.cosmos!r}",
                "install it, or set `starter: xenstore`",
            )
        result = host.run(argv, deadline=Deadline(START_SECONDS), check=False)
        found = parse_cosmos_domain(result.stdout + result.stderr)
        if found is not None and found < 0:
            # It wrote keys all the same, below a domain that cannot exist.
            host.run(["xenstore-rm", f"/local/domain/{found}"], check=False)
            other = "name" if self._options.cosmos_takes == "id" else "id"
            raise self._error(
                middlebox,
                host,
                f"cosmos takes {asked!r} for no domain (it says {found})",
                f"this build takes a domain's {'name' if other == 'name' else 'number'}: set `cosmos_takes: {other}`",
                result,
            )
        if result.status != 0:
            raise self._error(middlebox, host, "cosmos failed", f"see what `{' '.join(argv)}` says there", result)
        if found is not None and found != domain.id:
            raise self._error(
                middlebox, host, f"cosmos started a router in domain {found}, not {domain.id}", "", result
            )

    def _start_by_keys(self, host: Host, domain: Domain, text: str) -> None:
        base = f"/local/domain/{domain.id}/{self._options.xenstore_path}/{ROUTER}"
        words = [f"{base}/elements", "", f"{base}/control", "", f"{base}/config_name", "script"]
        for number, chunk in enumerate(chunks(text)):
            words += [f"{base}/config/{number}", chunk]
        host.run(["sh", "-c", WRITE_KEYS, f"{LABEL}-keys", f"{base}/status", *words])

    def _error(
        self, middlebox: Middlebox, host: Host, happened: str, advice: str, result: CommandResult | None = None
    ) -> MiddleboxError:
        return MiddleboxError(f"starting the Click router of {middlebox.name} on {host.name}", happened, advice, result)


def chunks(text: str) -> list[str]:
    """Return a configuration in parts of at most :data:`CHUNK_BYTES`; an empty one is one empty part.

    Raises:
        ValueError: it is not plain ASCII, which Click's configurations are.
    """
    if not text.isascii():
        raise ValueError("a Click configuration is plain ASCII")
    return [text[start : start + CHUNK_BYTES] for start in range(0, len(text), CHUNK_BYTES)] or [""]


def parse_cosmos_domain(said: str) -> int | None:
    """Return the number of the domain that cosmos says it took: negative for none, None where it does not say."""
    match = COSMOS_DOMAIN.search(said)
    return int(match["id"]) if match else None


def parse_counts(said: str) -> list[int]:
    """Return the counts in the answer of :data:`READ_COUNTS`; those that are no numbers are left out."""
    found = []
    for line in said.splitlines():
        _, _, value = line.partition(" ")
        if match := COUNT.match(value):
            found.append(int(match["count"]))
    return found
