"""ClickOS: a small guest that runs one Click router, which it is given through xenstore.

What the tools print proves nothing: ``cosmos`` exits 0 whatever happens, and it writes the key ``status`` itself. The
proof is what the guest does: it creates its own key once it has booted (it never reads keys that were written before),
and connects both interfaces once its router runs.

A router is never stopped: after traffic that hangs the guest. Its domain is destroyed and created again instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from middlebench import LABEL
from middlebench.hosts.base import COMMAND_SECONDS, Host
from middlebench.middleboxes.xen.domain import DomainView
from middlebench.middleboxes.xen.images import Image
from middlebench.middleboxes.xen.xl import Domain
from middlebench.model.functions.function import FORWARD
from middlebench.model.options import Options as BaseOptions
from middlebench.model.plan import Middlebox
from middlebench.system.command_result import CommandResult
from middlebench.system.deadline import Deadline
from middlebench.system.errors import HostError, MiddleboxError
from middlebench.system.project import place_of

FOLDER = f"/run/{LABEL}-xen"
CLICK = Path("config/click/forward.click")
INGRESS_DEVICE = 0
"""Number of the Click device that faces the start of the chain."""
ROUTER = 0
"""Number of a domain's first router; ours get no second one."""
CHUNK_BYTES = 992
"""Largest part of a Click configuration in one key (cosmos' MAX_CHUNK_LENGTH)."""
START_SECONDS = 60.0
COUNT_SECONDS = 5
"""Limit for one reading of a counter, which takes some milliseconds: cosmos waits without end for a guest that does
not answer, and for an element that does not exist."""
STARTED = "Starting driver..."
REFUSED = ("Router could not be initialized!", "Router init failed!")
COMPLAINT = re.compile(r"(config:\d+:|undeclared element|syntax error|unknown element class)")
COSMOS_DOMAIN = re.compile(r"^Domain ID for (?P<name>.*): *(?P<id>-?\d+)\s*$", re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
SOURCE = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*::\s*FromDevice\s*\(\s*(?:DEVID\s+)?(?P<device>\d+)\s*[,)]")
"""An element with a name that takes frames from a device. Click numbers elements without one (``FromDevice@3``)
among all elements of a configuration, so that their names are not known outside of it."""

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
cosmos=$1 element=$2 limit=$3
shift 3
for domain; do
    for try in 1 2; do
        said=$(timeout -s KILL "$limit" "$cosmos" read "$domain" "$element" count 2>&1)
        [ $? -ne 137 ] || exit 0
    done
    echo "$domain $said" | tr '\n' ' '
    echo
done
"""
"""Arguments: cosmos, the element, the limit of one reading in seconds, the domains as cosmos takes them.

The first answer may be empty, or that of an earlier reading that was killed; the second one is right. After one that
was killed (128 + SIGKILL) no other domain is asked: each would take as long.
"""


class ClickosOptions(BaseOptions):
    """ClickOS, the paper's middlebox."""

    kind: Literal["clickos"]
    """ClickOS (MiniOS and the Click modular router)."""
    kernel: Annotated[str, Field(pattern="^/")]
    """The image's file on the middlebox server, such as `/root/clickos/minios/build/clickos_x86_64`."""
    click: Path = CLICK
    """File with the Click configuration. Devices are numbers, 0 faces the start of the chain and 1 its end; frames
    are counted where the element has a name, as in `in0 :: FromDevice(0)`."""
    configuration: str = ""
    """Text of the Click configuration; empty for that of the file, so that a change of it remeasures."""
    starter: Literal["cosmos", "xenstore"] = "cosmos"
    """How the router is started: by `cosmos`, or by writing the same keys with `xenstore-write`."""
    cosmos: str = "cosmos"
    """The program `cosmos` on the middlebox server."""
    cosmos_takes: Literal["id", "name"] = "id"
    """Whether this build of `cosmos` takes a domain's number or its name."""
    xenstore_path: Annotated[str, Field(pattern="^[a-z]")] = "data/clickos"
    """Where the image looks for routers, below its own path; images from before 2016-02 look in `clickos`."""

    @model_validator(mode="before")
    @classmethod
    def _with_text(cls, values: object) -> object:
        if not isinstance(values, dict) or values.get("configuration"):
            return values
        path = values.get("click", CLICK)
        if not isinstance(path, str | Path):
            return values
        try:
            text = place_of(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"click: {path}: {getattr(error, 'strerror', None) or error}") from error
        return {**values, "configuration": text}

    @field_validator("configuration")
    @classmethod
    def _is_ascii(cls, text: str) -> str:
        if not text.strip() or not text.isascii():
            raise ValueError("a Click configuration is plain ASCII, and not empty")
        return text

    @property
    def digest(self) -> str:
        """First 12 digits of the SHA-256 of the Click configuration's text."""
        return hashlib.sha256(self.configuration.encode()).hexdigest()[:12]


class ClickosImage(Image):
    """The ClickOS middlebox; see :class:`middlebench.middleboxes.xen.images.Image`."""

    polls: ClassVar = True
    """``FromDevice`` reschedules itself whether or not it has met a frame."""
    watches_keys: ClassVar = True
    """It creates one when it has booted."""

    def __init__(self, options: ClickosOptions) -> None:
        self._options = options

    def settings(self) -> dict[str, str]:
        """Return the kernel."""
        return {"kernel": self._options.kernel}

    def files(self) -> tuple[str, ...]:
        """Return the image's file."""
        return (self._options.kernel,)

    def booted(self, view: DomainView) -> bool:
        """Whether the guest has created the key below which it reads routers."""
        return view.key(self._options.xenstore_path) is not None

    def start(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:
        """Give the guest its router; whether it takes it is for :meth:`ready` to see."""
        if self._options.starter == "cosmos":
            self._start_by_cosmos(host, middlebox, domain)
        else:
            self._start_by_keys(host, middlebox, domain)

    def ready(self, view: DomainView) -> bool:
        """Whether both interfaces are connected, and the driver runs, where there is a log of the console."""
        return view.connected and (view.console is None or STARTED in view.console)

    def failure(self, view: DomainView) -> str:
        """Return why the guest refused its Click configuration; empty where it did not."""
        lines = (view.console or "").splitlines()
        if not any(word in line for word in REFUSED for line in lines):
            return ""
        complaints = [line.strip() for line in lines if COMPLAINT.search(line)]
        reason = "; ".join(complaints) or "it prints no reason"
        return f"it refused the Click configuration {self._options.click}: {reason}"

    def stuck(self, view: DomainView) -> str:
        """Return how far it came, as its interfaces and keys show, and what to try."""
        states, path = super().stuck(view), self._options.xenstore_path
        if not self.booted(view):
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
        return f"ClickOS ({self._options.click.stem} {self._options.digest}, started by {self._options.starter})"

    def counts(self, host: Host, domains: Sequence[Domain]) -> dict[str, int]:
        """Return how many frames routers have received at their ingress, by the name of the domain.

        A counter that cannot be read is left out: it is evidence, not a condition of a trial.
        """
        element = ingress_element(self._options.configuration)
        if element is None or self._options.starter != "cosmos" or not domains:
            return {}
        limit_s = math.ceil(COUNT_SECONDS * host.timeout_factor)
        names = {self._as_cosmos_takes(domain): domain.name for domain in domains}
        deadline = Deadline(COMMAND_SECONDS + 2 * COUNT_SECONDS * len(domains))
        argv = ["sh", "-c", READ_COUNTS, f"{LABEL}-counts", self._options.cosmos, element, str(limit_s), *names]
        output = ""
        with contextlib.suppress(HostError):
            output = host.run(argv, deadline=deadline, check=False).stdout
        counts = parse_counts(output, element)
        return {names[asked]: count for asked, count in counts.items() if asked in names}

    def _as_cosmos_takes(self, domain: Domain) -> str:
        return str(domain.id) if self._options.cosmos_takes == "id" else domain.name

    def _start_by_cosmos(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:
        put = ["sh", "-c", PUT_CONFIGURATION, f"{LABEL}-put", FOLDER, middlebox.name]
        host.run(put, stdin=self._configuration(middlebox))
        asked = self._as_cosmos_takes(domain)
        argv = [self._options.cosmos, "start", asked, f"{FOLDER}/{middlebox.name}.click"]
        if host.run(["sh", "-c", 'command -v -- "$1"', "sh", self._options.cosmos], check=False).status != 0:
            missing = f"there is no program {self._options.cosmos!r}"
            raise self._error(middlebox, host, missing, "install it, or set `starter: xenstore`")
        result = host.run(argv, deadline=Deadline(START_SECONDS), check=False)
        found = parse_cosmos_domain(result.stdout + result.stderr)
        if found is not None and found < 0:
            # It wrote keys all the same, below a domain that cannot exist.
            with contextlib.suppress(HostError):
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
            happened = f"cosmos started a router in domain {found}, not {domain.id}"
            raise self._error(middlebox, host, happened, "", result)

    def _start_by_keys(self, host: Host, middlebox: Middlebox, domain: Domain) -> None:
        base = f"/local/domain/{domain.id}/{self._options.xenstore_path}/{ROUTER}"
        words = [f"{base}/elements", "", f"{base}/control", "", f"{base}/config_name", "script"]
        for number, chunk in enumerate(chunks(self._configuration(middlebox))):
            words += [f"{base}/config/{number}", chunk]
        host.run(["sh", "-c", WRITE_KEYS, f"{LABEL}-keys", f"{base}/status", *words])

    def _configuration(self, middlebox: Middlebox) -> str:
        """Return the Click configuration of a middlebox's function; for forwarding the testbed's file has its own."""
        function = middlebox.function
        return self._options.configuration if function.name == FORWARD else function.click or ""

    def _error(
        self, middlebox: Middlebox, host: Host, happened: str, advice: str, result: CommandResult | None = None
    ) -> MiddleboxError:
        return MiddleboxError(f"starting the Click router of {middlebox.name} on {host.name}", happened, advice, result)


def chunks(text: str) -> list[str]:
    """Return a configuration in parts of at most :data:`CHUNK_BYTES`; an empty one is one empty part."""
    return [text[start : start + CHUNK_BYTES] for start in range(0, len(text), CHUNK_BYTES)] or [""]


def ingress_element(configuration: str) -> str | None:
    """Return the name of the element that takes frames from the ingress device; None where it has no name."""
    sources = SOURCE.finditer(COMMENT.sub(" ", configuration))
    return next((source["name"] for source in sources if int(source["device"]) == INGRESS_DEVICE), None)


def parse_cosmos_domain(output: str) -> int | None:
    """Return the number of the domain that cosmos chose: negative for none, None where it does not print one."""
    match = COSMOS_DOMAIN.search(output)
    return int(match["id"]) if match else None


def parse_counts(output: str, element: str) -> dict[str, int]:
    """Return the counts in what :data:`READ_COUNTS` prints, by the domain; what is no count is left out.

    One build of cosmos prints ``read(in0/count) => 1``, another one the number alone.
    """
    line = re.compile(rf"^(?P<domain>\S+) (?:read\({re.escape(element)}/count\) => )?(?P<count>\d+)\s*$", re.MULTILINE)
    return {match["domain"]: int(match["count"]) for match in line.finditer(output)}
